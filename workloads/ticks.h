#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

namespace muster {

/// A clock for what takes microseconds and is timed a million times a second: the processor's counter where that runs
/// at one rate on all units, else the system's clock. It is read without a fence, which would wait for every load
/// before it: a reading may be early or late by what the processor has under way, some tens of ns.
class Ticks {
 public:
  static std::uint64_t now() {
#if defined(__x86_64__)
    if (kCounter) [[likely]]
      return __rdtsc();
#endif
    return static_cast<std::uint64_t>(steady_ns());
  }

  /// How long a tick has been since this object was made. Longer ago is more exact.
  double ns_per_tick() const {
    const std::uint64_t ticks = now() - ticks_;
    return ticks == 0 ? 1.0 : static_cast<double>(steady_ns() - ns_) / static_cast<double>(ticks);
  }

 private:
  static std::int64_t steady_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }

#if defined(__x86_64__)
  /// The invariant TSC: CPUID 0x80000007, EDX bit 8 (Intel SDM volume 2A; AMD APM volume 3).
  static bool has_invariant_counter() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & (1u << 8)) != 0;
  }
  static inline const bool kCounter = has_invariant_counter();
#endif

  std::int64_t ns_ = steady_ns();
  std::uint64_t ticks_ = now();
};

}  // namespace muster
