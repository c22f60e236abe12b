#pragma once

#include <sched.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace muster {

/// Distance that keeps two locations from disturbing each other: two lines, since the adjacent-line
/// prefetcher of x86 fetches pairs.
inline constexpr std::size_t kCacheLine = 128;

/// One wait's patience: spin while the other side is likely to be running, yield once it may have been
/// descheduled, sleep when it takes long. On a machine with more threads than processing units a pure spin
/// burns the very time slice that the awaited thread needs.
///
/// A thread that has slept is late by as long. Where threads wait for each other in turn, as for the end of the log,
/// the next one must not lose its patience over that: it would sleep as well, be late in its turn, and so on. So
/// every waiting thread yields for longer than any thread sleeps.
///
///   for (Backoff backoff; !condition(); backoff.pause()) {}
class Backoff {
 public:
  /// Rounds before the first that sleeps: a few that spin, then yields, about 120 to 170 us of them where nobody else
  /// wants to run. Not by the clock, which goes on while its thread does not run.
  static constexpr std::uint32_t kPatience = 512;
  static constexpr std::chrono::microseconds kSleep{50};  // the system's timer adds about as much
  static constexpr std::uint32_t kSpinRounds = 7;
  /// Pauses of those that spin, in all one to some microseconds.
  static constexpr std::uint32_t kPauses = (1 << kSpinRounds) - 1;

  Backoff() = default;
  /// For a turn: a thread that sees its turn late makes the next one late. It looks after every single pause, for as
  /// long as other waits spin with ever longer ones, which leave a contended line alone.
  static Backoff in_turn() {
    Backoff backoff;
    backoff.single_pauses_ = kPauses;
    backoff.round_ = kSpinRounds;
    return backoff;
  }

  void pause() {
    if (single_pauses_ > 0) {
      --single_pauses_;
      relax();
      return;
    }
    if (round_ < kSpinRounds) {
      for (std::uint32_t i = 0; i < (1u << round_); ++i) relax();
    } else if (round_ < kPatience) {
      sched_yield();
    } else {
      std::this_thread::sleep_for(kSleep);
    }
    if (round_ < kPatience) ++round_;
  }

  /// The shortest pause: the processor gives what it has to its other thread for a moment.
  static void relax() {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

 private:
  std::uint32_t single_pauses_ = 0;
  std::uint32_t round_ = 0;
};

}  // namespace muster
