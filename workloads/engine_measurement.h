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
    from_.reset();
    clock_.emplace();
  }

  CommitLatency& latency(std::uint32_t worker) { return latencies_[worker]; }

  /// At each window's edge; the first is where the measuring begins.
  Progressed sample(Database& database, const Progressed& counted) {
    to_ = database.log().statistics();
    if (!from_) from_ = to_;
    return {counted.operations, database.log().reserved()};
  }

  /// Once every commit has been acknowledged and sample() has been called.
  void add_to(RepetitionReport& report) const {
    HistogramSnapshot latency;
    for (const CommitLatency& worker : latencies_) latency += worker.snapshot();
    if (latency.count() != 0) report.commit_latency_us = summary(latency, clock_->ns_per_tick() / 1000);
    const LogStatistics log = to_ - *from_;
    report.boundary_lag_bytes = summary(log.boundary_lag);
    report.log = activity(log);
  }

 private:
  std::vector<CommitLatency> latencies_;
  std::optional<Ticks> clock_;
  std::optional<LogStatistics> from_;
  LogStatistics to_;
};

}  // namespace muster
