#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace muster::model {

using ThreadId = std::uint32_t;    // dense from 0
using LocationId = std::uint32_t;  // dense from 0, in the order of creation

// What an execution may hold. Reaching one of them is an error that ends the search, never a silent cut.
inline constexpr std::uint32_t kMaxThreads = 8;
inline constexpr std::uint32_t kMaxLocations = 128;
inline constexpr std::uint32_t kMaxMessages = 64;  // of one location: a set of them is one word

/// How many steps of each thread are known: a vector clock.
struct Clock {
  std::array<std::uint16_t, kMaxThreads> steps{};

  bool knows(ThreadId thread, std::uint32_t step) const { return steps[thread] >= step; }
  /// Whether it knows all that `other` knows.
  bool covers(const Clock& other) const {
    bool covers = true;
    for (std::uint32_t t = 0; t < kMaxThreads; ++t) covers &= steps[t] >= other.steps[t];
    return covers;
  }
  void join(const Clock& other) {
    for (std::uint32_t t = 0; t < kMaxThreads; ++t) steps[t] = std::max(steps[t], other.steps[t]);
  }
};

/// What a thread knows, or what a message hands on to whoever acquires it: the steps that happened before,
/// and for each location the oldest message that may still be read.
struct Knowledge {
  Clock clock;
  std::array<std::uint8_t, kMaxLocations> oldest{};  // coherence and happens-before allow nothing older
  std::array<std::uint8_t, kMaxLocations> shown{};   // nor do barriers

  std::uint8_t oldest_of(LocationId location) const { return std::max(oldest[location], shown[location]); }
  bool covers(const Knowledge& other) const {
    bool covers = clock.covers(other.clock);
    for (std::uint32_t l = 0; l < kMaxLocations; ++l)
      covers &= oldest[l] >= other.oldest[l] && shown[l] >= other.shown[l];
    return covers;
  }
  void join(const Knowledge& other) {
    clock.join(other.clock);
    for (std::uint32_t l = 0; l < kMaxLocations; ++l) oldest[l] = std::max(oldest[l], other.oldest[l]);
    for (std::uint32_t l = 0; l < kMaxLocations; ++l) shown[l] = std::max(shown[l], other.shown[l]);
  }
  /// A barrier shows what `other` had to read or acquire, and not what another barrier had shown to it.
  void show(const Knowledge& other) {
    for (std::uint32_t l = 0; l < kMaxLocations; ++l) shown[l] = std::max(shown[l], other.oldest[l]);
  }
};

}  // namespace muster::model
