#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

#include "algorithms/parts/asymmetric_barrier.h"
#include "algorithms/parts/backoff.h"
#include "algorithms/parts/mirrored_memory.h"

namespace muster {

/// What a worker was waiting for.
enum class WaitFor : std::uint8_t {
  room,         ///< the drainer, to recycle space of the ring
  predecessor,  ///< workers that came earlier
  lock,
};

/// What one thread has waited for since it started. Counted where the wait has begun already, so that an
/// operation that need not wait pays nothing. `ns` leaves out the first pauses of each wait, about 0.1 us: most
/// turns of threads that follow each other are over by then, and looking at the clock twice would be the longer wait.
/// A wait that begins anew, as for a lock that somebody else got first, counts anew.
struct WaitCounters {
  struct Counter {
    std::uint64_t count = 0;
    std::uint64_t ns = 0;
  };
  Counter room;
  Counter predecessor;
  Counter lock;

  Counter& of(WaitFor what) {
    switch (what) {
      case WaitFor::room:
        return room;
      case WaitFor::predecessor:
        return predecessor;
      case WaitFor::lock:
        break;
    }
    return lock;
  }
};

inline WaitCounters& this_thread_waits() {
  thread_local WaitCounters counters;
  return counters;
}

/// Adds the time from its construction to its destruction to a counter.
class TimedWait {
 public:
  explicit TimedWait(WaitCounters::Counter& counter) : counter_(counter) {}
  TimedWait(const TimedWait&) = delete;
  TimedWait& operator=(const TimedWait&) = delete;
  ~TimedWait() {
    counter_.ns += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_)
            .count());
  }

 private:
  WaitCounters::Counter& counter_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// When a worker takes others at a counter for a crowd (parts/adaptive_counter.h).
struct Crowd {
  std::uint32_t others;  // records of theirs between two of its own
  std::uint32_t times;   // in a row
  std::uint32_t stays;   // how many of its next additions it then makes in company
};

/// Everything through which an algorithm may meet another thread. Algorithms are templates over a platform,
/// so that the source that is measured on this one is the source that an execution explorer runs on another.
///
/// An algorithm keeps to these: every order is explicit; waiting is await(), with a predicate that stays true once
/// it is, or in a loop that asks again, and linger(), only; plain data that passes from thread to thread is a Cell; what only
/// its own thread uses is a plain member; a load that must not come before a store has an asymmetric barrier between the two,
/// or a read-modify-write on both sides.
struct NativePlatform {
  /// Smallest ring that the platform can make, in bytes.
  static constexpr std::size_t kMinCapacity = 4096;
  /// Items in one chunk of a list that grows.
  static constexpr std::uint32_t kListChunk = 256;
  /// Ends of the log that a drainer remembers until it knows them to be whole.
  static constexpr std::uint32_t kRememberedEnds = 16;
  static constexpr Crowd kCrowd{.others = 8, .times = 8, .stays = 256};
  /// Advances from one of a drainer's looks for workers that stand still to the next.
  static constexpr std::uint32_t kAdvancesARound = 256;

  template <class T>
  class Atomic {
   public:
    explicit Atomic(T value = T{}) : value_(value) {}

    /// Names the location in a trace; this platform has none.
    void describe(const char* /*name*/, std::uint32_t /*index*/ = 0) {}

    T load(std::memory_order order) const { return value_.load(order); }
    void store(T value, std::memory_order order) { value_.store(value, order); }
    T exchange(T value, std::memory_order order) { return value_.exchange(value, order); }
    T fetch_add(T value, std::memory_order order) { return value_.fetch_add(value, order); }
    T fetch_sub(T value, std::memory_order order) { return value_.fetch_sub(value, order); }
    bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure) {
      return value_.compare_exchange_strong(expected, desired, success, failure);
    }

   private:
    std::atomic<T> value_;
  };

  /// Plain data that one thread writes and another reads, ordered by an atomic. Other platforms check that.
  template <class T>
  class Cell {
   public:
    const T& read() const { return value_; }
    void write(const T& value) { value_ = value; }

   private:
    T value_{};
  };

  class Mutex {
   public:
    void lock() {
      if (!mutex_.try_lock()) [[unlikely]]
        lock_slowly();
    }
    bool try_lock() { return mutex_.try_lock(); }
    void unlock() { mutex_.unlock(); }

   private:
    [[gnu::noinline, gnu::cold]] void lock_slowly() {
      WaitCounters::Counter& counter = this_thread_waits().lock;
      ++counter.count;
      Backoff backoff;
      for (int round = 0; round < kUntimed; ++round) {
        backoff.pause();
        if (mutex_.try_lock()) return;
      }
      const TimedWait wait(counter);
      mutex_.lock();
    }

    std::mutex mutex_;
  };

  using Memory = MirroredMemory;

  /// Whether light_barrier() and heavy_barrier() may be called. It never changes once main() has begun.
  static bool has_asymmetric_barrier() { return AsymmetricBarrier::has_membarrier(); }
  /// The two halves of a store-load barrier. One thread stores, passes light_barrier() and loads; another one stores,
  /// passes heavy_barrier() and loads. Of the two, one at least sees what the other stored. Two light halves give nothing.
  /// The light half costs what it keeps the compiler from doing; the heavy one some microseconds, and an interrupt of
  /// every thread of the process that runs. Both are wait-free.
  static void light_barrier() { AsymmetricBarrier::light_of_membarrier(); }
  static void heavy_barrier() { AsymmetricBarrier::heavy(); }

  /// Returns once a load of `atomic` with `order` has satisfied `predicate`.
  template <class T, class Predicate>
  static void await(const Atomic<T>& atomic, Predicate predicate, std::memory_order order, WaitFor what) {
    if (predicate(atomic.load(order))) [[likely]]
      return;
    await_slowly(atomic, predicate, order, what);
  }

  /// Loads `atomic` with `order` until `predicate` is satisfied, 128 times at most with a pause between, some
  /// microseconds, and returns what it found last: for a caller that returns in any case, and would return less if it
  /// did not wait for what is about to happen. Wait-free. By an atomic's own load(), which another platform may have made.
  template <class Watched, class Predicate>
  static auto linger(const Watched& atomic, Predicate predicate, std::memory_order order) {
    const auto value = atomic.load(order);
    if (predicate(value)) [[likely]]
      return value;
    return linger_on(atomic, predicate, order);
  }

 private:
  static constexpr int kUntimed = 3;        // rounds of Backoff's, which are seven pauses
  static constexpr int kUntimedInTurn = 7;  // of those that are in turn

  template <class T, class Predicate>
  [[gnu::noinline, gnu::cold]] static void await_slowly(const Atomic<T>& atomic, Predicate predicate,
                                                        std::memory_order order, WaitFor what) {
    WaitCounters::Counter& counter = this_thread_waits().of(what);
    ++counter.count;
    const bool in_turn = what == WaitFor::predecessor;
    Backoff backoff = in_turn ? Backoff::in_turn() : Backoff();
    for (int round = 0; round < (in_turn ? kUntimedInTurn : kUntimed); ++round) {
      backoff.pause();
      if (predicate(atomic.load(order))) return;
    }
    const TimedWait wait(counter);
    for (; !predicate(atomic.load(order)); backoff.pause()) {}
  }

  template <class Watched, class Predicate>
  [[gnu::noinline, gnu::cold]] static auto linger_on(const Watched& atomic, Predicate predicate,
                                                     std::memory_order order) {
    Backoff backoff = Backoff::in_turn();
    for (std::uint32_t look = 1;; ++look) {
      backoff.pause();
      const auto value = atomic.load(order);
      if (predicate(value) || look == Backoff::kPauses) return value;
    }
  }
};

}  // namespace muster
