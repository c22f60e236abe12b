#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "algorithms/log_buffer.h"
#include "engine/txn/commit_clock.h"

namespace muster {

/// Knows which snapshots are in use, so that versions go only when no reader can reach them any more. Each worker has a slot.
///
/// Ordering  [slot] A reader stores a visible timestamp, passes a sequentially consistent fence, and then takes its snapshot
///                  and walks chains. horizon() reads what is visible, passes a fence of its own, and then reads the slots. So
///                  a reader whose slot horizon() misses has a snapshot at or above the horizon, and sees what the caller of
///                  horizon() has unlinked before.
///           [left] Released by a reader that has finished reading, acquired by horizon(): then the memory of the versions
///                  that it stood on may be written.
/// Progress  All calls are wait-free; horizon() reads each slot once.
class Snapshots {
 public:
  static constexpr Timestamp kNone = ~Timestamp{0};

  Snapshots(const CommitClock& clock, std::uint32_t workers)
      : clock_(clock), slots_(std::make_unique<Slot[]>(workers)), workers_(workers) {}

  /// Returns the newest snapshot. Versions that it needs stay until the worker leaves.
  Timestamp enter(WorkerId worker) {
    slots_[worker].pin.store(clock_.visible(), std::memory_order_release);  // [left] of what it read before
    std::atomic_thread_fence(std::memory_order_seq_cst);                    // [slot] pairs with horizon()
    return clock_.visible();
  }
  void leave(WorkerId worker) { slots_[worker].pin.store(kNone, std::memory_order_release); }  // [left]

  /// No snapshot that is in use, or is taken from now on, is below the result.
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
