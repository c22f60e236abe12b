#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "algorithms/log_buffer.h"
#include "engine/txn/commit_clock.h"

namespace muster {

/// Which snapshots are in use, so that versions go only when nobody can read them any more. A slot a worker.
///
/// Ordering  [slot] A reader stores a timestamp that is visible, then stands at a sequentially consistent fence, then reads
///                  its snapshot and walks chains. horizon() reads what is visible, stands at a fence of its own, then reads
///                  the slots. So a reader whose slot is not seen has a snapshot at or above the horizon, and sees what the
///                  caller had unlinked.
///           [left] Released by a reader when it has read, acquired by horizon(): what it stood on may be written then.
/// Progress  all wait-free; horizon() reads each slot once.
class Snapshots {
 public:
  static constexpr Timestamp kNone = ~Timestamp{0};

  Snapshots(const CommitClock& clock, std::uint32_t workers)
      : clock_(clock), slots_(std::make_unique<Slot[]>(workers)), workers_(workers) {}

  /// The newest snapshot. What it needs stays until the worker leaves.
  Timestamp enter(WorkerId worker) {
    slots_[worker].pin.store(clock_.visible(), std::memory_order_release);  // [left] of what it read before
    std::atomic_thread_fence(std::memory_order_seq_cst);                    // [slot] pairs with horizon()
    return clock_.visible();
  }
  void leave(WorkerId worker) { slots_[worker].pin.store(kNone, std::memory_order_release); }  // [left]

  /// No snapshot in use, or taken from now on, is below it.
  Timestamp horizon() const {
    const Timestamp visible = clock_.visible();
    std::atomic_thread_fence(std::memory_order_seq_cst);  // [slot] pairs with enter()
    Timestamp least = visible;
    for (std::uint32_t i = 0; i < workers_; ++i)
      least = std::min(least, slots_[i].pin.load(std::memory_order_acquire));  // [left]
    return least;
  }

 private:
  struct alignas(kCacheLine) Slot {
    std::atomic<Timestamp> pin{kNone};
  };
  const CommitClock& clock_;
  const std::unique_ptr<Slot[]> slots_;
  const std::uint32_t workers_;
};

}  // namespace muster
