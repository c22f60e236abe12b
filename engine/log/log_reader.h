#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "engine/io/segments.h"
#include "engine/log/log_record.h"

namespace muster {

/// Where a log ends, and why there.
struct LogEnd {
  enum class Kind {
    clean,  ///< nothing was ever written behind the last record
    torn,   ///< what lies behind was being written when the log broke off; nobody was told that it is durable
    truncated,  ///< a file is shorter than it was made
    damaged,    ///< what was durable once is wrong now: later records or a later opening prove it
  };
  Kind kind = Kind::clean;
  Lsn lsn = 0;
  std::string what;  ///< one line, with the LSN
};

/// Reads the records of a log directory in order. Never writes. Not thread-safe. A log that is being written
/// may be read up to where it was durable; live_log_reader.h reads it to its end.
///
///   LogReader reader(directory);
///   while (const auto record = reader.next()) ...;
///   reader.end();
///
/// A crash and damage are told apart by what the writer knew: each record carries the LSN up to which the log
/// was durable when it was appended. Bytes that are wrong below what any record behind them carries were
/// right once.
class LogReader {
 public:
  /// Reads from the record at `from`; 0: from the oldest segment's first record. A directory without segments
  /// (or none at all) is an empty log, which ends at kFirstLsn. Throws DamageError: see list_segments(), or
  /// no segment holds `from`; std::system_error.
  explicit LogReader(std::filesystem::path directory, Lsn from = 0);

  /// The next record, none at the log's end. Its payload lives until the next call.
  std::optional<LogRecord> next();
  /// Reads on from the record at `lsn`. Cheap near the last one. Throws DamageError where no segment holds
  /// it.
  void seek(Lsn lsn);

  /// The record at `lsn`, for a caller that goes backwards: the bytes before it are read together with it, so that
  /// nearly every byte is read once on the way down. Its payload lives until the next call.
  std::optional<LogRecord> read_backwards(Lsn lsn);

  /// LSN of the first record that can be read; the log's end where there is none.
  Lsn begin() const { return begin_; }
  /// After next() returned nothing.
  const LogEnd& end() const { return end_; }
  bool is_empty() const { return runs_.empty(); }
  /// LSN of the oldest segment's first byte, which may lie within a record.
  Lsn begin_of_segments() const { return runs_.empty() ? begin_ : runs_.front().begin; }
  /// Where the log ends at the latest: there is no file behind.
  Lsn end_max() const { return runs_.empty() ? begin_ : runs_.back().end; }
  /// What this reader has read from its files so far, each byte as often as it was read.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  /// Segments of one incarnation: a dense stretch of the stream that ends where the next incarnation begins.
  struct Run {
    std::size_t first_segment = 0;
    std::size_t last_segment = 0;
    Lsn begin = 0;
    Lsn end = 0;
  };

  Lsn find_first_record();
  const Run* run_of(Lsn lsn) const;
  std::optional<LogRecord> record_at(const Run& run, Lsn lsn);
  std::optional<LogRecord> next_valid(const Run& run, Lsn from);
  Bytes fetch(const Run& run, Lsn lsn, std::size_t size);
  Lsn window_for(const Run& run, Lsn lsn, std::size_t size) const;
  std::size_t read(const Run& run, Lsn lsn, std::span<std::byte> into);
  Lsn readable_end(const Run& run, Lsn lsn) const;
  void conclude(const Run& run);

  std::filesystem::path directory_;
  std::vector<Segment> segments_;
  std::vector<Run> runs_;
  Lsn begin_ = 0;
  Lsn position_ = 0;
  LogEnd end_;

  // Bytes of the stream that were read ahead, or before the one that was asked for.
  std::vector<std::byte> window_;
  Lsn window_begin_ = 0;
  Lsn window_end_ = 0;
  bool backwards_ = false;
  std::uint64_t bytes_read_ = 0;
  File file_;
  std::size_t file_segment_ = 0;
};

}  // namespace muster
