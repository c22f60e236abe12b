#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "engine/database.h"
#include "engine/error.h"
#include "engine/histogram.h"
#include "workloads/workload.h"

namespace muster {

/// `scale` turns the recorded unit into the summary's.
inline Percentiles summary(const HistogramSnapshot& histogram, double scale = 1.0) {
  const auto at = [&](double percent) { return static_cast<double>(histogram.percentile(percent)) * scale; };
  return {.count = histogram.count(),
          .p50 = at(50),
          .p95 = at(95),
          .p99 = at(99),
          .p999 = at(99.9),
          .max = static_cast<double>(histogram.max()) * scale};
}

/// The whole of it, empty buckets left out. `scale` turns the recorded unit into `unit`.
inline Distribution distribution(std::string name, std::string unit, const HistogramSnapshot& histogram,
                                 double scale = 1.0) {
  const auto scaled = [scale](std::uint64_t value) {
    return static_cast<std::uint64_t>(std::llround(static_cast<double>(value) * scale));
  };
  Distribution found{std::move(name), std::move(unit), scaled(histogram.max()), {}};
  histogram.for_each_bucket([&](std::uint64_t upper, std::uint64_t count) {
    const std::uint64_t at = std::min(scaled(upper), found.max);
    if (!found.buckets.empty() && found.buckets.back().upper == at) {
      found.buckets.back().count += count;
    } else {
      found.buckets.push_back({at, count});
    }
  });
  return found;
}

/// What a histogram has gained since the last look at it.
class Gained {
 public:
  HistogramSnapshot operator()(const HistogramSnapshot& now) {
    HistogramSnapshot gained = now - before_;
    before_ = now;
    return gained;
  }

 private:
  HistogramSnapshot before_;
};

/// Of what the log did while measuring.
inline LogActivity activity(const LogStatistics& log) {
  const auto syncs = static_cast<double>(log.syncs);
  return {.bytes = log.bytes,
          .writes = log.writes,
          .syncs = log.syncs,
          .flush_bytes = summary(log.flush_bytes),
          .commits_per_sync = log.syncs == 0 ? 0.0 : static_cast<double>(log.commits) / syncs};
}

/// What the engine calls damage is a run that failed, while nothing has crashed.
inline void verify_trees(const Database& database) {
  try {
    database.check();
  } catch (const DamageError& error) {
    throw VerificationError(error.what());
  }
}

}  // namespace muster
