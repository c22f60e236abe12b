#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/platform.h"
#include "engine/lsm/lsm_options.h"
#include "engine/storage/buffer_manager.h"
#include "engine/txn/begin_record.h"
#include "engine/txn/version_statistics.h"
#include "engine/types.h"

namespace muster {

/// A run's own verification failed: exit code 1 and no result.
class VerificationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class Phase : std::uint8_t {
  warm_up,
  measure,
  stop,
};

/// What the thread that runs a workload tells the others.
///
/// Ordering  [phase] relaxed: threads are started before it changes and joined after it says stop; in between it
///                   only says when to begin and when to stop counting.
///           [left]  released once every worker has been joined, acquired by the drainer: all that was appended
///                   is there for its last look.
class RunControl {
 public:
  Phase phase() const { return phase_.load(std::memory_order_relaxed); }
  bool stopped() const { return phase() == Phase::stop; }
  /// Any thread; after stop the phase stays.
  void stop() { phase_.store(Phase::stop, std::memory_order_relaxed); }
  void measure() {
    Phase expected = Phase::warm_up;
    phase_.compare_exchange_strong(expected, Phase::measure, std::memory_order_relaxed);
  }

  bool workers_have_left() const { return workers_have_left_.load(std::memory_order_acquire); }  // [left]
  void workers_left() { workers_have_left_.store(true, std::memory_order_release); }             // [left]

 private:
  alignas(kCacheLine) std::atomic<Phase> phase_{Phase::warm_up};
  alignas(kCacheLine) std::atomic<bool> workers_have_left_{false};
};

/// How far one worker has come: that worker writes, anybody reads.
/// Relaxed: two numbers of one worker may be a record apart from each other, which no window notices.
struct alignas(kCacheLine) WorkerProgress {
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::uint64_t> bytes{0};

  void set(std::uint64_t all_operations, std::uint64_t all_bytes) {
    operations.store(all_operations, std::memory_order_relaxed);
    bytes.store(all_bytes, std::memory_order_relaxed);
  }
};

struct Progressed {
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
};

/// A histogram's summary, in the unit of what was recorded.
struct Percentiles {
  std::uint64_t count = 0;
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
  double p999 = 0;
  double max = 0;
};

/// A whole histogram, without its empty buckets.
struct Distribution {
  struct Bucket {
    std::uint64_t upper = 0;  ///< the largest value in it
    std::uint64_t count = 0;
  };
  std::string name;
  std::string unit;
  std::uint64_t max = 0;
  std::vector<Bucket> buckets;  ///< smaller values first
};

/// How an open loop kept up, over the measured windows.
struct LoadReport {
  double offered = 0;        ///< transactions a second that were due
  double achieved = 0;       ///< that were done
  std::int64_t backlog = 0;  ///< due and not done at the end
  bool saturated =
      false;  ///< the backlog has grown from each window's edge to the next, by more than a hundredth of what was due
};

/// What the log did in the measured part of one repetition.
struct LogActivity {
  std::uint64_t bytes = 0;
  std::uint64_t writes = 0;
  std::uint64_t syncs = 0;
  Percentiles flush_bytes;
  double commits_per_sync = 0;
};

/// What became of a user's bytes, over the measured windows: what was written, by cause, and at the last window's edge what the
/// data takes. The manifest, the catalogue and other small files are not counted.
struct StorageReport {
  std::uint64_t user_bytes = 0;          ///< keys and values of changes that were committed
  std::uint64_t log_bytes = 0;           ///< written to the log's device
  std::uint64_t page_bytes = 0;          ///< pages of B+ trees, written to their places
  std::uint64_t double_write_bytes = 0;  ///< copies of those pages, and blocks that list them
  std::uint64_t flush_bytes = 0;         ///< of LSM trees: memtables that became files
  std::uint64_t compaction_bytes = 0;    ///< of LSM trees
  std::uint64_t file_bytes = 0;          ///< of the tables' files, at the last edge
  std::optional<std::uint64_t>
      log_kept_bytes;  ///< from the log's begin to its durable end, at the last edge; of a log on files
  std::optional<std::uint64_t> live_bytes;  ///< keys and values that the table holds, if the workload knows
};

struct TransactionCounts {
  std::uint64_t committed = 0;
  std::uint64_t aborted = 0;    ///< rolled back, for whatever reason
  std::uint64_t deadlocks = 0;  ///< of those, the victims of a deadlock
  std::uint64_t conflicts = 0;  ///< of those, the ones that could not keep their isolation level

  /// Counts a transaction that the engine rolled back: `status` is of its last operation, or ok where its commit was refused.
  void count_rollback(Status status) {
    ++aborted;
    ++(status == Status::deadlock ? deadlocks : conflicts);
  }
  TransactionCounts& operator+=(const TransactionCounts& more) {
    committed += more.committed;
    aborted += more.aborted;
    deadlocks += more.deadlocks;
    conflicts += more.conflicts;
    return *this;
  }
};

/// One interval of a repetition's series, between two calls of Workload::sample(), beside what was counted in it.
struct IntervalReport {
  std::optional<Percentiles> commit_latency_us;         ///< of what was acknowledged in it, if anything was
  std::optional<std::uint64_t> boundary_lag_max_bytes;  ///< of the looks for the boundary, if there were any
  std::optional<std::uint64_t> durable_lag_bytes;       ///< reserved and not yet durable, at its end
  std::optional<std::uint64_t> table_bytes;             ///< written to the tables' files, copies included
  std::optional<std::uint64_t> slowed, stopped;  ///< changes of LSM trees that waited for the background
};

/// One repetition, beside what its windows say.
struct RepetitionReport {
  std::optional<Percentiles> commit_latency_us;  ///< of an open loop: from when the transaction was due
  std::optional<Percentiles> service_time_us;    ///< of an open loop: from when it began
  std::optional<Percentiles> start_delay_us;     ///< of an open loop: what waiting for its time has added
  std::optional<LoadReport> load;                ///< of an open loop
  std::vector<Distribution> distributions;
  std::vector<IntervalReport> intervals;
  Percentiles boundary_lag_bytes;
  std::optional<LogActivity> log;
  std::optional<BufferStatistics> buffers;  ///< of a run on the engine
  std::optional<StorageReport> storage;     ///< likewise
  std::optional<lsm::LsmStatistics>
      lsm;  ///< likewise, if its table is an LSM tree; files are those at the last edge
  std::optional<BeginStatistics> begins;      ///< likewise
  std::optional<VersionStatistics> versions;  ///< likewise, if it wrote versions; at the last window's edge
  WaitCounters waits;                         ///< of all workers, while measuring
  std::optional<TransactionCounts> transactions;
};

/// Something that was verified, and how often; or a line that says what was not, and why.
struct Check {
  std::string name;
  std::uint64_t count = 0;
};

/// What is run. One thread calls load(), then for every repetition prepare() and finish(), then close();
/// between prepare() and finish() each worker thread calls work() and, where drains(), one more thread calls
/// drain().
class Workload {
 public:
  Workload() = default;
  Workload(const Workload&) = delete;
  Workload& operator=(const Workload&) = delete;
  virtual ~Workload() = default;

  /// What one operation is, in the plural.
  virtual std::string_view operations() const = 0;

  /// Data that all repetitions share; not measured. Returns early once `interrupted` says so.
  virtual void load(const std::function<bool()>& /*interrupted*/) {}
  virtual void prepare() = 0;
  /// Until `control` says stop. May throw: the others are stopped then, and the run fails.
  virtual void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) = 0;
  virtual bool drains() const { return false; }
  /// Until the workers have left. Never throws before that: they may be waiting for it. Stops them where the
  /// run has failed already.
  virtual void drain(RunControl& /*control*/) {}
  /// Verifies the repetition. Throws VerificationError.
  virtual RepetitionReport finish() = 0;
  /// Verifies the whole. Throws VerificationError.
  virtual std::vector<Check> close() = 0;

  /// What has been done so far, given what the workers have counted. Called by one thread while they work:
  /// when measuring begins and at the end of each interval.
  virtual Progressed sample(const Progressed& counted) { return counted; }
  /// With what sample() has just returned: when measuring begins and at the end of each window, which is that of an
  /// interval, too.
  virtual void window_edge(const Progressed& /*done*/) {}
};

/// A worker's waits since measuring began. Owned by one worker.
class MeasuredWaits {
 public:
  void begin() { before_ = this_thread_waits(); }
  WaitCounters end() const;

 private:
  WaitCounters before_;
};

void add(WaitCounters& total, const WaitCounters& more);

}  // namespace muster
