#pragma once

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
      : load_(run.load), seed_(run.seed), transactions_(run.threads) {}

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
  /// record, so that a worker does no more for the series than it does without.
  Progressed sample(Database& database, const Progressed& counted) {
    const Lsn durable = database.log().durable();  // first, so that it is no more than what is reserved
    const Lsn reserved = database.log().reserved();
    to_ = database.log().statistics();
    const BufferStatistics buffers = database.buffer_statistics();
    const BeginStatistics begins = database.begin_statistics();
    versions_ = database.version_statistics();
    const HistogramSnapshot latency = latency_gained_(acknowledged());
    const HistogramSnapshot lag = lag_gained_(to_.boundary_lag);
    if (from_) {
      IntervalReport& interval = intervals_.emplace_back();
      if (latency.count() != 0) interval.commit_latency_us = summary(latency, us_per_tick());
      if (lag.count() != 0) interval.boundary_lag_max_bytes = lag.max();
      interval.durable_lag_bytes = reserved - durable;
      buffers_to_ = buffers;
      begins_to_ = begins;
    } else {
      from_ = to_;
      buffers_from_ = buffers_to_ = buffers;
      begins_from_ = begins_to_ = begins;
    }
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
    const LogStatistics log = to_ - *from_;
    report.distributions.push_back(distribution("boundary_lag", "bytes", log.boundary_lag));
    report.boundary_lag_bytes = summary(log.boundary_lag);
    report.log = activity(log);
    report.buffers = BufferStatistics{.misses = buffers_to_.misses - buffers_from_.misses,
                                      .evictions = buffers_to_.evictions - buffers_from_.evictions,
                                      .writes = buffers_to_.writes - buffers_from_.writes};
    report.begins = BeginStatistics{.retracted = begins_to_.retracted - begins_from_.retracted,
                                    .kept = begins_to_.kept - begins_from_.kept};
    if (versions_.memory_bytes_peak != 0) report.versions = versions_;
    report.intervals = intervals_;
    if (open_loop_) report.load = open_loop_->report();
  }

 private:
  /// Every worker's commit latencies so far, in ticks.
  HistogramSnapshot acknowledged() const {
    HistogramSnapshot all;
    for (const TimedTransactions& worker : transactions_) all += worker.latency().snapshot();
    return all;
  }

  double us_per_tick() const { return clock_.ns_per_tick() / 1000; }

  const LoadOptions load_;
  const std::uint64_t seed_;
  const Ticks clock_;  // as old as the workload, which has been loaded before it paces or times anything
  std::uint64_t repetition_ = 0;
  std::vector<TimedTransactions> transactions_;  // a worker's each
  std::optional<OpenLoop> open_loop_;
  std::optional<LogStatistics> from_;
  LogStatistics to_;
  BufferStatistics buffers_from_, buffers_to_;
  BeginStatistics begins_from_, begins_to_;
  VersionStatistics versions_;  // at the latest edge of a window
  Gained latency_gained_;
  Gained lag_gained_;
  std::vector<IntervalReport> intervals_;
};

}  // namespace muster
