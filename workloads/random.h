#pragma once

#include <cstdint>

namespace muster {

/// Mixes 64 bits so that neighbours become strangers (the finaliser of SplitMix64); a bijection.
constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  x ^= x >> 31;
  return x;
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA'14): one addition and one mix a number. The same seed gives the
/// same numbers on every machine, which the standard library's distributions do not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix(seed + kGamma)) {}
  /// A generator of its own for each stream of a run.
  Random(std::uint64_t seed, std::uint64_t stream) : Random(mix(seed) ^ mix(stream * kGamma + 1)) {}

  std::uint64_t next() { return mix(state_ += kGamma); }
  /// The same generator after `count` more numbers.
  Random after(std::uint64_t count) const {
    Random later = *this;
    later.state_ += count * kGamma;
    return later;
  }
  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// In [0, bound), 0 < bound; the bias is below bound / 2^64 (Lemire's multiplication).
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }

 private:
  static constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15;
  std::uint64_t state_;
};

}  // namespace muster
