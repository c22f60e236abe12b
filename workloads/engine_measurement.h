#pragma once

#include <optional>
#include <vector>

#include "engine/database.h"
#include "workloads/commit_latency.h"
#include "workloads/summary.h"
#include "workloads/ticks.h"

namespace muster {

/// What every workload over the engine measures in a repetition: each worker's commit latencies, and what the log did.
///
/// A worker uses its own latency() alone; one thread calls the rest, while no worker runs but for sample().
class EngineMeasurement {
 public:
  /// Forgets the last repetition, and begins one of so many workers.
  void begin(std::size_t workers) {
    latencies_ = std::vector<CommitLatency>(workers);
    start_delays_ = std::vector<Histogram>(workers);
    from_.reset();
    clock_.emplace();
  }

  CommitLatency& latency(std::uint32_t worker) { return latencies_[worker]; }
  /// What waiting for a transaction's time has added; of an open loop.
  Histogram& start_delay(std::uint32_t worker) { return start_delays_[worker]; }

  /// At each window's edge; the first is where the measuring begins.
  Progressed sample(Database& database, const Progressed& counted) {
    to_ = database.log().statistics();
    if (!from_) from_ = to_;
    return {counted.operations, database.log().reserved()};
  }

  /// Once every commit has been acknowledged and sample() has been called.
  void add_to(RepetitionReport& report) const {
    HistogramSnapshot latency, service, delay;
    for (const CommitLatency& worker : latencies_) {
      latency += worker.snapshot();
      service += worker.service();
    }
    for (const Histogram& worker : start_delays_) delay += worker.snapshot();
    const double us_per_tick = clock_->ns_per_tick() / 1000;
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
  }

 private:
  std::vector<CommitLatency> latencies_;
  std::vector<Histogram> start_delays_;
  std::optional<Ticks> clock_;
  std::optional<LogStatistics> from_;
  LogStatistics to_;
};

}  // namespace muster
