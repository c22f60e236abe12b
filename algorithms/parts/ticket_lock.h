#pragma once

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster {

/// Ticket lock: threads take numbers and are served in their order.
///
/// Progress  lock blocking; try_lock and unlock wait-free.
/// Fairness  first come, first served. Where threads outnumber processing units, the lock waits for a thread that is
///           not running.
/// Hands on  yes: `serving` says whose turn it is, and any thread may move it on for the holder.
/// Ordering  [serving] released by unlock, acquired by the thread whose turn it then is: critical sections follow one
///                     another.
///           next_     relaxed: it hands out numbers and nothing else.
/// Source    Mellor-Crummey and Scott, ACM TOCS 9 (1991), section 2.2.
/// Differs   waiting is the shared backoff, not in proportion to how many wait before.
template <class Platform>
class TicketLock {
 public:
  static constexpr LockKind kKind = LockKind::ticket;
  static constexpr Progress kUnlock = Progress::wait_free;

  TicketLock() {
    next_.describe("next ticket");
    serving_.describe("serving");
  }

  /// Takes the number that is being served, if it is still to be had: `serving` never passes `next`, so that the
  /// number that this look has found is served for as long as nobody has it.
  bool try_lock() {
    std::uint64_t number = serving_.load(std::memory_order_acquire);  // [serving]
    return next_.load(std::memory_order_relaxed) == number &&         // do not write a busy lock's line
           next_.compare_exchange(number, number + 1, std::memory_order_relaxed, std::memory_order_relaxed);
  }

  void lock() {
    const std::uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
    const auto is_served = [number](std::uint64_t serving) { return serving == number; };
    Platform::await(serving_, is_served, std::memory_order_acquire, WaitFor::lock);  // [serving]
  }

  void unlock() {
    const std::uint64_t number = serving_.load(std::memory_order_relaxed);  // the holder alone moves it
    serving_.store(number + 1, std::memory_order_release);                  // [serving]
  }

 private:
  typename Platform::template Atomic<std::uint64_t> next_{0};     // every thread that comes writes
  typename Platform::template Atomic<std::uint64_t> serving_{0};  // [serving] the holder writes
};

}  // namespace muster
