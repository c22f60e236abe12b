#pragma once

#include <chrono>
#include <vector>

namespace muster {

using CalibrationClock = std::chrono::steady_clock;

inline double ns_since(CalibrationClock::time_point begin) {
  return std::chrono::duration<double, std::nano>(CalibrationClock::now() - begin).count();
}

inline constexpr std::size_t kSamplesMin = 5;  // quartiles of fewer say nothing

/// Takes samples until `seconds` have passed, kSamplesMin at least.
template <class Sample>
std::vector<double> samples_for(double seconds, Sample sample) {
  std::vector<double> found;
  const auto begin = CalibrationClock::now();
  while (found.size() < kSamplesMin || ns_since(begin) < seconds * 1e9) found.push_back(sample());
  return found;
}

}  // namespace muster
