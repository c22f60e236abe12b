#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/database.h"
#include "workloads/arrivals.h"
#include "workloads/engine_run.h"
#include "workloads/random.h"
#include "workloads/summary.h"
#include "workloads/ticks.h"
#include "workloads/timed_transactions.h"

namespace muster {

/// What every workload over the engine measures in a repetition: each worker's transactions, and what the log did. Of an
/// open loop it says when they are due.
///
/// A worker uses its own transactions() alone; one thread calls the rest, while no worker runs but for sample() and
/// window_edge().
class EngineMeasurement {
 public:
  explicit EngineMeasurement(const EngineRun& run)
      : load_(run.load),
        seed_(run.seed),
        is_lsm_(run.table == TableKind::lsm),
        keeps_log_(run.database.log.device == "file"),
        transactions_(run.threads) {}

  /// Forgets the last repetition, and begins one.
  void begin() {
    const auto workers = static_cast<std::uint32_t>(transactions_.size());
    transactions_ = std::vector<TimedTransactions>(workers);
    from_.reset();
    latency_gained_ = {};
    lag_gained_ = {};
    intervals_.clear();
    if (load_.is_open()) {
      open_loop_.emplace(load_, clock_);
      for (std::uint32_t worker = 0; worker < workers; ++worker)
        transactions_[worker].paced_by(open_loop_->pacer(worker, workers, mix(seed_ + repetition_)));
    }
    ++repetition_;
  }

  TimedTransactions& transactions(std::uint32_t worker) { return transactions_[worker]; }

  /// At each interval's edge; the first is where the measuring begins. The workers' histograms are read while they
  /// record, so that a worker does no more for the series than it does without. `counted.bytes`: of keys and values that the
  /// workers' transactions have changed and committed.
  Progressed sample(Database& database, const Progressed& counted) {
    const Lsn durable = database.log().durable();  // first, so that it is no more than what is reserved
    const Lsn reserved = database.log().reserved();
    const std::uint64_t table_bytes_before = to_.table_bytes();
    const lsm::LsmStatistics lsm_before = to_.lsm;
    to_ = look(database, counted.bytes);
    versions_ = database.version_statistics();
    const HistogramSnapshot latency = latency_gained_(acknowledged());
    const HistogramSnapshot lag = lag_gained_(to_.log.boundary_lag);
    if (from_) {
      IntervalReport& interval = intervals_.emplace_back();
      if (latency.count() != 0) interval.commit_latency_us = summary(latency, us_per_tick());
      if (lag.count() != 0) interval.boundary_lag_max_bytes = lag.max();
      interval.durable_lag_bytes = reserved - durable;
      interval.table_bytes = to_.table_bytes() - table_bytes_before;
      if (is_lsm_) {
        interval.slowed = to_.lsm.slowed - lsm_before.slowed;
        interval.stopped = to_.lsm.stopped - lsm_before.stopped;
      }
    } else {
      from_ = to_;
    }
    log_kept_bytes_ =
        keeps_log_ ? std::optional(durable - std::min(durable, database.log_begin())) : std::nullopt;
    return {counted.operations, reserved};
  }

  /// After sample().
  void window_edge(const Progressed& done) {
    if (open_loop_) open_loop_->sample(done.operations);
  }

  /// Once every commit has been acknowledged and sample() has been called.
  void add_to(RepetitionReport& report) const {
    HistogramSnapshot service, delay;
    for (const TimedTransactions& worker : transactions_) {
      service += worker.latency().service();
      delay += worker.start_delay().snapshot();
    }
    const double scale = us_per_tick();
    const auto add = [&](const char* name, const HistogramSnapshot& ticks, std::optional<Percentiles>& into) {
      if (ticks.count() == 0) return;
      into = summary(ticks, scale);
      report.distributions.push_back(distribution(name, "ns", ticks, scale * 1000));
    };
    add("commit_latency", acknowledged(), report.commit_latency_us);
    add("service_time", service, report.service_time_us);
    add("start_delay", delay, report.start_delay_us);
    const LogStatistics log = to_.log - from_->log;
    report.distributions.push_back(distribution("boundary_lag", "bytes", log.boundary_lag));
    report.boundary_lag_bytes = summary(log.boundary_lag);
    report.log = activity(log);
    report.buffers = BufferStatistics{.misses = to_.buffers.misses - from_->buffers.misses,
                                      .evictions = to_.buffers.evictions - from_->buffers.evictions,
                                      .writes = to_.buffers.writes - from_->buffers.writes};
    report.begins = BeginStatistics{.retracted = to_.begins.retracted - from_->begins.retracted,
                                    .kept = to_.begins.kept - from_->begins.kept};
    add_storage(report);
    if (versions_.memory_bytes_peak != 0) report.versions = versions_;
    report.intervals = intervals_;
    if (open_loop_) report.load = open_loop_->report();
  }

 private:
  /// What was counted by some moment.
  struct Look {
    LogStatistics log;
    BufferStatistics buffers;
    BeginStatistics begins;
    lsm::LsmStatistics lsm;
    std::uint64_t user_bytes = 0;

    std::uint64_t page_bytes() const { return buffers.writes * kPageBytes; }
    std::uint64_t table_bytes() const {
      return page_bytes() + buffers.double_write_bytes + lsm.flush_bytes + lsm.compaction_bytes;
    }
  };
  static Look look(Database& database, std::uint64_t user_bytes) {
    return {.log = database.log().statistics(),
            .buffers = database.buffer_statistics(),
            .begins = database.begin_statistics(),
            .lsm = database.lsm_statistics(),
            .user_bytes = user_bytes};
  }

  void add_storage(RepetitionReport& report) const {
    const lsm::LsmStatistics& from = from_->lsm;
    const lsm::LsmStatistics& to = to_.lsm;
    report.storage = StorageReport{
        .user_bytes = to_.user_bytes - from_->user_bytes,
        .log_bytes = to_.log.bytes - from_->log.bytes,
        .page_bytes = to_.page_bytes() - from_->page_bytes(),
        .double_write_bytes = to_.buffers.double_write_bytes - from_->buffers.double_write_bytes,
        .flush_bytes = to.flush_bytes - from.flush_bytes,
        .compaction_bytes = to.compaction_bytes - from.compaction_bytes,
        .file_bytes = to_.buffers.file_bytes + to.file_bytes,
        .log_kept_bytes = log_kept_bytes_,
        .live_bytes = {}};
    if (!is_lsm_) return;
    report.lsm = lsm::LsmStatistics{.flushes = to.flushes - from.flushes,
                                    .compactions = to.compactions - from.compactions,
                                    .slowed = to.slowed - from.slowed,
                                    .stopped = to.stopped - from.stopped,
                                    .flush_bytes = to.flush_bytes - from.flush_bytes,
                                    .compaction_bytes = to.compaction_bytes - from.compaction_bytes,
                                    .files = to.files,
                                    .file_bytes = to.file_bytes};
  }

  /// Every worker's commit latencies so far, in ticks.
  HistogramSnapshot acknowledged() const {
    HistogramSnapshot all;
    for (const TimedTransactions& worker : transactions_) all += worker.latency().snapshot();
    return all;
  }

  double us_per_tick() const { return clock_.ns_per_tick() / 1000; }

  const LoadOptions load_;
  const std::uint64_t seed_;
  const bool is_lsm_, keeps_log_;
  const Ticks clock_;  // as old as the workload, which has been loaded before it paces or times anything
  std::uint64_t repetition_ = 0;
  std::vector<TimedTransactions> transactions_;  // a worker's each
  std::optional<OpenLoop> open_loop_;
  std::optional<Look> from_;                     // where the measuring began
  Look to_;                                      // at the latest edge
  std::optional<std::uint64_t> log_kept_bytes_;  // likewise
  VersionStatistics versions_;                   // at the latest edge of a window
  Gained latency_gained_;
  Gained lag_gained_;
  std::vector<IntervalReport> intervals_;
};

}  // namespace muster
