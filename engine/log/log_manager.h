#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/log/log_record.h"
#include "engine/types.h"

namespace muster {

enum class CommitPolicy : std::uint8_t {
  durable,    ///< commit returns once it is durable; commits that meet share a sync
  group,      ///< as durable, but a flush waits for group_commits of them or group_timeout
  pipelined,  ///< commit returns at once; the acknowledgement comes when it is durable
  async,      ///< acknowledged at once: the last moments before a crash may be lost
};

struct LogOptions {
  std::string device = "file";           ///< "file" or "memory"
  std::filesystem::path directory;       ///< of the segments; device "file"
  bool direct = false;                   ///< O_DIRECT through io_uring; device "file"
  std::chrono::microseconds latency{0};  ///< of one sync; device "memory"
  std::uint64_t segment_bytes = std::uint64_t{64} << 20;
  std::uint32_t group_commits = 8;
  std::chrono::microseconds group_timeout{1000};
};

/// A pipelined commit that waits for the log. Intrusive, so that a commit allocates nothing.
struct PendingCommit {
  Lsn end = 0;  ///< of the commit record
  /// Called exactly once, by the drainer, with no latch held; must not append, block or throw.
  /// `durable` is false when the log has failed.
  void (*acknowledge)(PendingCommit& commit, bool durable) noexcept = nullptr;
};

struct LogPosition {
  Lsn begin = 0;
  Lsn end = 0;
};

/// API only for now: appends records through a LogBuffer, flushes them to a device, says what is durable.
class LogManager {
 public:
  WorkerId attach();
  void detach(WorkerId worker);  ///< no commit of this worker may be pending

  // Appends; `previous` is the transaction's last record (0: none). Callable with page latches held: the
  // drainer takes none. Throw std::system_error once the log has failed.
  LogPosition append_begin_and_change(WorkerId worker, TransactionId transaction, const RecordChange& change);
  LogPosition append_change(WorkerId worker, TransactionId transaction, Lsn previous,
                            const RecordChange& change);
  LogPosition append_compensation(WorkerId worker, TransactionId transaction, Lsn previous, Lsn undo_next,
                                  const RecordChange& change);
  LogPosition append_structure(WorkerId worker, std::span<const PageImage> pages);
  LogPosition append_mark(WorkerId worker, TransactionId transaction, Lsn previous,
                          RecordType commit_abort_or_end);

  /// Blocks until [0, end) is durable, whatever the policy (WAL rule, shutdown). Any thread.
  void flush(Lsn end);
  /// Blocks until the commit that ends at `end` is durable; `policy` is durable or group.
  void wait_for_commit(WorkerId worker, Lsn end, CommitPolicy policy);
  /// Returns at once; `commit` must stay where it is until acknowledged. A worker's commits are acknowledged
  /// in order.
  void acknowledge_later(WorkerId worker, PendingCommit& commit);
  /// Blocks until every pipelined commit of this worker has been acknowledged.
  void wait_for_acknowledgements(WorkerId worker);

  Lsn durable() const;
  Lsn reserved() const;
};

}  // namespace muster
