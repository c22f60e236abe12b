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
/// A worker uses its own transactions() alone; one thread calls the rest, while no worker runs but for sample().
class EngineMeasurement {
 public:
  explicit EngineMeasurement(const EngineRun& run)
      : load_(run.load), seed_(run.seed), transactions_(run.threads) {}

  /// Forgets the last repetition, and begins one.
  void begin() {
    const auto workers = static_cast<std::uint32_t>(transactions_.size());
    transactions_ = std::vector<TimedTransactions>(workers);
    from_.reset();
    if (load_.is_open()) {
      open_loop_.emplace(load_, clock_);
      for (std::uint32_t worker = 0; worker < workers; ++worker)
        transactions_[worker].paced_by(open_loop_->pacer(worker, workers, mix(seed_ + repetition_)));
    }
    ++repetition_;
  }

  TimedTransactions& transactions(std::uint32_t worker) { return transactions_[worker]; }

  /// At each window's edge; the first is where the measuring begins.
  Progressed sample(Database& database, const Progressed& counted) {
    if (open_loop_) open_loop_->sample(counted.operations);
    to_ = database.log().statistics();
    if (!from_) from_ = to_;
    return {counted.operations, database.log().reserved()};
  }

  /// Once every commit has been acknowledged and sample() has been called.
  void add_to(RepetitionReport& report) const {
    HistogramSnapshot latency, service, delay;
    for (const TimedTransactions& worker : transactions_) {
      latency += worker.latency().snapshot();
      service += worker.latency().service();
      delay += worker.start_delay().snapshot();
    }
    const double us_per_tick = clock_.ns_per_tick() / 1000;
    const auto add = [&](const char* name, const HistogramSnapshot& ticks, std::optional<Percentiles>& into) {
      if (ticks.count() == 0) return;
      into = summary(ticks, us_per_tick);
      report.distributions.push_back(distribution(name, "ns", ticks, us_per_tick * 1000));
    };
    add("commit_latency", latency, report.commit_latency_us);
    add("service_time", service, report.service_time_us);
    add("start_delay", delay, report.start_delay_us);
    const LogStatistics log = to_ - *from_;
    report.distributions.push_back(distribution("boundary_lag", "bytes", log.boundary_lag));
    report.boundary_lag_bytes = summary(log.boundary_lag);
    report.log = activity(log);
    if (open_loop_) report.load = open_loop_->report();
  }

 private:
  const LoadOptions load_;
  const std::uint64_t seed_;
  const Ticks clock_;  // as old as the workload, which has been loaded before it paces or times anything
  std::uint64_t repetition_ = 0;
  std::vector<TimedTransactions> transactions_;  // a worker's each
  std::optional<OpenLoop> open_loop_;
  std::optional<LogStatistics> from_;
  LogStatistics to_;
};

}  // namespace muster
