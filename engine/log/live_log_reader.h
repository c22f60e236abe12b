#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "engine/log/log_reader.h"

namespace muster {

/// Reads the records of a log directory in order while a database may be writing the log, making segments and removing
/// them at checkpoints. Takes no lock and never writes. Not thread-safe.
///
/// What a LogReader says of such a log may be wrong, since it reads different places at different times. So:
///
/// End        Where there is no record, the log ends for now. This reader lists the segments again and looks a second time:
///            what it had read ahead may be old, and the log may go on in a new segment.
/// Damage     A LogReader takes a place for damaged if something behind proves that the place was durable once. The writer
///            had written the place before it wrote the proof, but the reader may have read the place before that. So this reader
///            believes in damage only if the place is still wrong when it is read again *after* the proof was read.
/// Segments   A checkpoint removes segments, the oldest first, and the writer makes the next one, while they are listed. So a
///            listing may lack one in the middle. What was missing because of that is there, or gone with all that is older,
///            once the listing ends. So this reader believes a complaint that two listings in a row make.
/// Removal    Where the next record has gone with a checkpoint, this reader goes on with the first whole record that is left.
/// Bound      A writer may be faster than its reader. This reader stops where the newest segment ended when it began to
///            read, even if the log goes on, also when checkpoints have removed all up to there.
class LiveLogReader {
 public:
  /// A directory without segments is an empty log. Throws DamageError as list_segments() does, std::system_error.
  explicit LiveLogReader(std::filesystem::path directory);

  /// The next record, none at the end. Its payload lives until the next call.
  std::optional<LogRecord> next();

  bool has_segments() const { return !reader_->is_empty(); }
  /// LSN of the first record that was read; the log's end where there is none.
  Lsn begin() const { return begin_; }
  /// After next() returned nothing. Successive readers of a sound log never see it fall.
  const LogEnd& end() const { return end_; }
  /// Bytes of the log that checkpoints removed before this reader got there.
  std::uint64_t removed_bytes() const { return removed_bytes_; }

 private:
  void list();
  std::optional<LogRecord> read();
  std::optional<LogRecord> take(const LogRecord& record);

  const std::filesystem::path directory_;
  std::optional<LogReader> reader_;
  Lsn begin_ = 0;     // 0: nothing has been read so far
  Lsn position_ = 0;  // behind the last record; 0: none so far
  Lsn bound_ = 0;
  std::uint64_t removed_bytes_ = 0;
  LogEnd end_;
};

}  // namespace muster
