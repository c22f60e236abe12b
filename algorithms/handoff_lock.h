#pragma once

#include "algorithms/platform.h"

namespace muster {

/// A lock that another thread than its taker may release, as a consolidated group's last member does.
///
/// Test and test-and-set, with the shared backoff. Aether's authors queue (an MCS lock): fair, but where threads
/// outnumber processing units a queue hands the lock to one who is not running. Here a newcomer may overtake those
/// who wait.
///
/// Ordering  [lock] released by unlock, acquired by whoever takes it next: critical sections follow one
///                  another. Looks that take nothing are relaxed.
template <class Platform>
class HandoffLock {
 public:
  HandoffLock() { taken_.describe("lock"); }

  bool try_lock() {
    std::uint32_t expected = 0;
    return taken_.load(std::memory_order_relaxed) == 0 &&  // a busy lock's line is not written
           taken_.compare_exchange(expected, 1, std::memory_order_acquire,
                                   std::memory_order_relaxed);  // [lock]
  }

  void lock() {
    const auto is_free = [](std::uint32_t taken) { return taken == 0; };
    while (!try_lock()) Platform::await(taken_, is_free, std::memory_order_relaxed, WaitFor::lock);
  }

  void unlock() { taken_.store(0, std::memory_order_release); }  // [lock]

 private:
  typename Platform::template Atomic<std::uint32_t> taken_{0};
};

}  // namespace muster
