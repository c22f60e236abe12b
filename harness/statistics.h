#pragma once

#include <cstdint>
#include <vector>

namespace muster {

/// One measured window.
struct Window {
  double seconds = 0;
  std::uint64_t operations = 0;
  std::uint64_t bytes = 0;
};

/// Median and spread of several measurements.
struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
  double q1 = 0;
  double q3 = 0;
};

/// `values` must not be empty. Quartiles are interpolated linearly (Hyndman and Fan's type 7, NumPy's
/// default).
Spread spread(std::vector<double> values);

/// Of the windows' rates.
Spread operations_per_s(const std::vector<Window>& windows);
Spread bytes_per_s(const std::vector<Window>& windows);

}  // namespace muster
