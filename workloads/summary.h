#pragma once

#include "engine/histogram.h"
#include "workloads/workload.h"

namespace muster {

/// `scale` turns the recorded unit into the summary's.
inline Percentiles summary(const Histogram& histogram, double scale = 1.0) {
  const auto at = [&](double share) { return static_cast<double>(histogram.percentile(share)) * scale; };
  return {.count = histogram.count(),
          .p50 = at(0.50),
          .p95 = at(0.95),
          .p99 = at(0.99),
          .p999 = at(0.999),
          .max = static_cast<double>(histogram.max()) * scale};
}

}  // namespace muster
