#pragma once

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster {

/// Test and test-and-set: one word, which a thread takes when it sees it free.
///
/// Progress  lock blocking; try_lock and unlock wait-free.
/// Fairness  none: a thread that comes may overtake those that wait. Where threads outnumber processing units this
///           helps: the lock never waits for a thread that is not running.
/// Hands on  yes: nothing in the lock says which thread has taken it, so any thread may release it.
/// Ordering  [lock] released by unlock, acquired by the thread that takes the lock next: critical sections follow
///                  one another. Looks that take nothing are relaxed.
template <class Platform>
class TtasLock {
 public:
  static constexpr LockKind kKind = LockKind::ttas;
  static constexpr Progress kUnlock = Progress::wait_free;

  TtasLock() { taken_.describe("lock"); }

  bool try_lock() {
    std::uint32_t expected = 0;
    return taken_.load(std::memory_order_relaxed) == 0 &&  // do not write a busy lock's line
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
