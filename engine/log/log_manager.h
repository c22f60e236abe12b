#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "algorithms/parts/placed_array.h"
#include "engine/io/log_device.h"
#include "engine/log/flusher.h"
#include "engine/log/log_record.h"
#include "engine/log/record_codec.h"
#include "engine/log/retractions.h"
#include "engine/types.h"

namespace muster {

enum class CommitPolicy : std::uint8_t {
  durable,       ///< commit returns once it is durable; commits that meet share a sync
  group,         ///< as durable, but a flush waits for group_commits of them or group_timeout
  pipelined,     ///< commit returns at once; the acknowledgement comes when it is durable
  async,         ///< acknowledged at once: the last moments before a crash may be lost
  queued_group,  ///< as group, but the commits wait before they are in the log (txn/commit_queue.h); a baseline
};

struct LogOptions {
  std::string device = "file";           ///< "file" or "memory"
  std::filesystem::path directory;       ///< of the segments, created if need be; device "file"
  bool direct = false;                   ///< O_DIRECT through io_uring; device "file"
  std::chrono::microseconds latency{0};  ///< of one sync; device "memory"
  /// Room in one segment file, a multiple of 4096; device "file".
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint32_t group_commits = 8;
  std::chrono::microseconds group_timeout{1000};
  // Two baselines, of an engine that knows no better.
  bool force_each = false;  ///< every append returns only when its record is durable
  bool write_each = false;  ///< one write to the device a record; not with `direct`
  /// Opening looks for the log's end from here, an LSN at which a record begins (0: from the oldest segment).
  Lsn scan_from = 0;
  bool retract = false;  ///< begin records may be taken back while they are buffered
  /// Runs first in the flusher's thread, to place it.
  std::function<void()> on_flusher_start;
};

/// Throws ConfigError where an option is out of range or no engine may trust the algorithm. Touches no file.
void check(const LogOptions& options, std::string_view algorithm);

/// Where a record lies. The last one, where a call appends two.
struct LogPosition {
  Lsn begin = 0;
  Lsn end = 0;
};

/// The log: appends records through a LogBuffer, flushes them to a device, says what is durable.
///
/// Thread-safe; what takes a worker is called by that worker's thread only. All but attach and flush: no
/// lock, no allocation (once a worker's longest record has been seen), no virtual call but the log buffer's.
class LogManager {
 public:
  /// Opens the log or creates it; goes on behind the last whole record. Throws ConfigError (an option out of
  /// range, an algorithm that no engine may trust, a directory whose log is open), DamageError (what is there
  /// is not what a crash leaves: nothing has been changed), std::system_error.
  LogManager(const LogOptions& options, std::string_view algorithm, const LogBufferOptions& buffer);
  /// With a device of the caller's own.
  LogManager(const LogOptions& options, std::string_view algorithm, const LogBufferOptions& buffer,
             std::unique_ptr<LogDevice> device);
  /// Flushes what was appended; errors are lost then. No worker may be attached.
  ~LogManager();

  /// Throws std::runtime_error when the log buffer's max_workers are attached.
  WorkerId attach();
  void detach(WorkerId worker);  ///< no commit of this worker may be pending

  // Appends; `previous` is the transaction's last record (0: none). Callable with page latches held: the
  // drainer takes none. Throw std::system_error once the log has failed, std::invalid_argument for a record
  // larger than the ring. Before the throw nothing is appended, but with force_each.

  /// Begin and the first change, in one reservation: the begin record lies kRecordHeaderBytes before the
  /// result.
  LogPosition append_begin_and_change(WorkerId worker, TransactionId transaction, const RecordChange& change);
  /// Begin alone, which append_change() then follows. LogOptions::retract: it may be taken back.
  LogPosition append_begin(WorkerId worker, TransactionId transaction);
  /// Makes a skipped record of the begin that this worker appended last, whose transaction must have no other record,
  /// if that has not been handed to the device yet. False: it may be in the log as it is.
  bool retract_begin(WorkerId worker, Lsn begin) {
    return retractions_->take_back(worker, begin, workers_[worker].begin_place);
  }
  LogPosition append_change(WorkerId worker, TransactionId transaction, Lsn previous,
                            const RecordChange& change);
  LogPosition append_compensation(WorkerId worker, TransactionId transaction, Lsn previous, Lsn undo_next,
                                  const RecordChange& change);
  LogPosition append_structure(WorkerId worker, std::span<const PageImage> pages);
  LogPosition append_reclaim(WorkerId worker, const Reclaim& reclaim);
  LogPosition append_mark(WorkerId worker, TransactionId transaction, Lsn previous,
                          RecordType commit_abort_or_end);

  /// Blocks until [0, end) is durable, whatever the policy (WAL rule, shutdown). Any thread; end <=
  /// reserved(). Throws std::system_error when the log has failed first.
  void flush(Lsn end) { flusher_->flush(end); }
  /// Blocks until the commit that ends at `end` is durable; `policy` is none of pipelined and async. Throws as flush.
  void wait_for_commit(WorkerId worker, Lsn end, CommitPolicy policy) {
    flusher_->wait_for_commit(worker, end, policy == CommitPolicy::group);
  }
  /// Returns at once, or, with 1024 on the way, when half of them are acknowledged. `commit` must stay where
  /// it is until acknowledged. A worker's commits are acknowledged in order. Does not throw: a log that has
  /// failed is reported by the acknowledgement.
  void acknowledge_later(WorkerId worker, PendingCommit& commit) {
    flusher_->acknowledge_later(worker, commit);
  }
  /// Blocks until every pipelined commit of this worker has been acknowledged.
  void wait_for_acknowledgements(WorkerId worker) { flusher_->wait_for_acknowledgements(worker); }
  /// From now on nothing is written, as if the process had died here; not even by the destructor. A thread that
  /// waits for the log is told that it has failed.
  void abandon() { flusher_->abandon(); }
  // An async commit calls nothing: what nobody waits for is flushed within some 10 ms.

  /// Where this opening began: all below was there before.
  Lsn start() const { return device_->start(); }
  /// Whether a write or a sync has failed; nothing becomes durable any more.
  bool has_failed() const { return flusher_->failed(); }
  /// Throws that error, if there was one.
  void throw_if_failed() const { flusher_->throw_if_failed(); }
  Lsn durable() const { return flusher_->durable(); }
  Lsn reserved() const { return buffer_->reserved(); }
  /// Says that nobody will read below `lsn` any more. Any thread.
  void remove_below(Lsn lsn) { device_->remove_below(lsn); }
  /// Any thread, any time; the difference of two covers what lies between.
  LogStatistics statistics() const { return flusher_->statistics(); }

 private:
  struct alignas(kCacheLine) Worker {
    RecordEncoder encoder;
    std::byte* begin_place = nullptr;  // in the ring, of the begin record that it appended last
  };
  struct Appended {
    LogPosition position;
    std::byte* place;
  };
  LogPosition append(WorkerId worker, Lsn previous, std::size_t last) {
    return append_there(worker, previous, last).position;
  }
  Appended append_there(WorkerId worker, Lsn previous, std::size_t last);
  std::function<void(Lsn, Lsn)> before_write();

  std::unique_ptr<LogDevice> device_;
  const std::uint64_t incarnation_;
  const bool force_each_;
  std::unique_ptr<LogBuffer> buffer_;
  PlacedArray<Worker> workers_;
  std::unique_ptr<Retractions> retractions_;  // null: no begin is ever taken back
  std::unique_ptr<Flusher> flusher_;          // last: its thread uses the others
};

}  // namespace muster
