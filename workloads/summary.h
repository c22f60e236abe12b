#pragma once

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

}  // namespace muster
