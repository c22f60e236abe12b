#pragma once

#include <algorithm>
#include <cassert>
#include <stdexcept>
#include <string>
#include <vector>

#include "algorithms/parts/placed_array.h"
#include "algorithms/parts/ring.h"

namespace muster {

/// Which worker slots are taken, and one padded `State` for each. A slot keeps its state from owner to owner.
///
/// Ordering  attach and detach take one mutex, so that what a slot's last owner did comes before what its
///           next owner does. ever_used() is relaxed: a caller that has synchronised with a worker's
///           reservation has thereby synchronised with that worker's attach().
template <class Platform, class State>
class Workers {
 public:
  explicit Workers(const LogBufferOptions& options)
      : slots_(options.memory, MemoryRegion::workers, checked(options.max_workers), Spacing::by_worker),
        taken_(options.max_workers, false) {
    ever_used_.describe("ever_used");
  }

  WorkerId attach() {
    mutex_.lock();
    const auto free = std::find(taken_.begin(), taken_.end(), false);
    if (free == taken_.end()) {
      mutex_.unlock();
      throw std::runtime_error("max_workers = " + std::to_string(taken_.size()) + ": all are attached");
    }
    *free = true;
    const auto worker = static_cast<WorkerId>(free - taken_.begin());
    const std::uint32_t used = std::max(worker + 1, ever_used_.load(std::memory_order_relaxed));
    ever_used_.store(used, std::memory_order_relaxed);  // carried to the drainer by the worker's reservations
    mutex_.unlock();
    slots_.owned(worker);
    return worker;
  }

  void detach(WorkerId worker) {
    mutex_.lock();
    assert(worker < taken_.size() && taken_[worker]);
    taken_[worker] = false;
    mutex_.unlock();
  }

  State& operator[](WorkerId worker) {
    assert(worker < slots_.size());
    return slots_[worker].state;
  }

  /// Slots below this have had an owner; those from here on have not, as far as the caller has synchronised.
  std::uint32_t ever_used() const { return ever_used_.load(std::memory_order_relaxed); }
  std::uint32_t max() const { return static_cast<std::uint32_t>(slots_.size()); }

 private:
  struct alignas(kCacheLine) Slot {
    State state;
  };

  static std::uint32_t checked(std::uint32_t max_workers) {
    if (max_workers == 0) reject("max_workers", max_workers, "1 at least");
    return max_workers;
  }

  PlacedArray<Slot> slots_;
  typename Platform::Mutex mutex_;  // guards taken_; never held while anything else is
  std::vector<bool> taken_;
  alignas(kCacheLine) typename Platform::template Atomic<std::uint32_t> ever_used_{0};
};

/// What every algorithm has and none does differently: the ring, the workers, the boundary that was last
/// found.
///
/// Ordering  the boundary is relaxed, unless an algorithm's workers wait for it: the caller gets a number. The bytes
///           are the drainer's to read, and it has what advance() has acquired.
template <class Platform, class State>
class LogBufferBase {
 public:
  WorkerId attach() { return workers_.attach(); }
  void detach(WorkerId worker) { workers_.detach(worker); }
  Lsn boundary() const { return drained_.found.load(std::memory_order_relaxed); }
  void recycle(Lsn upto) { ring_.recycle(upto); }
  std::span<const std::byte> bytes(Lsn begin, Lsn end) const { return ring_.bytes(begin, end); }

 protected:
  explicit LogBufferBase(const LogBufferOptions& options)
      : ring_(options), workers_(options), drained_(options.start) {
    drained_.found.describe("boundary");
  }

  /// Drainer only.
  Lsn last_found() const { return drained_.own; }
  Lsn found(Lsn boundary, std::memory_order order = std::memory_order_relaxed) {
    drained_.own = boundary;
    drained_.found.store(boundary, order);
    return boundary;
  }
  /// Where boundary() looks, for a worker that has to wait for it.
  const auto& found_location() const { return drained_.found; }

  Ring<Platform> ring_;
  Workers<Platform, State> workers_;

 private:
  /// What the drainer writes. A type of its own, so that it fills its cache line: what a derived class declares
  /// first would else go into the rest of it.
  struct alignas(kCacheLine) Drained {
    explicit Drained(Lsn start) : own(start), found(start) {}
    Lsn own;  // the drainer's own copy, so that it need not read what others look at
    typename Platform::template Atomic<Lsn> found;
  };

  Drained drained_;
};

}  // namespace muster
