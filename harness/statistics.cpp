#include "harness/statistics.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace muster {
namespace {

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(place));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - static_cast<double>(below));
}

Spread rates(const std::vector<Window>& windows, std::uint64_t Window::*counted) {
  std::vector<double> values;
  std::transform(windows.begin(), windows.end(), std::back_inserter(values),
                 [&](const Window& window) { return static_cast<double>(window.*counted) / window.seconds; });
  return spread(std::move(values));
}

}  // namespace

Spread spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {.median = quantile(values, 0.5),
          .min = values.front(),
          .max = values.back(),
          .q1 = quantile(values, 0.25),
          .q3 = quantile(values, 0.75)};
}

Spread operations_per_s(const std::vector<Window>& windows) {
  return rates(windows, &Window::operations);
}
Spread bytes_per_s(const std::vector<Window>& windows) {
  return rates(windows, &Window::bytes);
}

}  // namespace muster
