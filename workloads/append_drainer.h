#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

#include "algorithms/log_buffer.h"

namespace muster {

/// The drainer of a log buffer that is measured alone: one for the `append` workload and for the benchmarks of
/// muster_bench. To the workers it is what a flusher is, and it reads no record: it looks for the boundary, pauses,
/// and gives space back in batches.
///
/// Invariants  recycled() and batch_ are boundaries that were found, so that a record begins there
///             recycled() <= batch_ <= boundary()
/// Thread      Only the one that drains calls it.
template <LogBufferAlgorithm A>
class AppendDrainer {
 public:
  /// `options` are the log buffer's; `largest` is the size of the largest record that will be appended.
  AppendDrainer(A& log, const LogBufferOptions& options, std::uint32_t largest)
      : log_(log),
        capacity_(options.capacity),
        wanted_(std::uint64_t{largest} * options.max_workers),
        boundary_(options.start),
        recycled_(options.start),
        batch_(options.start) {}

  /// Finds the boundary. Returns by how many bytes it has moved.
  Lsn look() {
    const Lsn before = boundary_;
    boundary_ = log_.advance();
    return boundary_ - before;
  }

  Lsn boundary() const { return boundary_; }
  Lsn recycled() const { return recycled_; }

  /// Gives back all but the last batch at least: a flusher writes one batch while the workers fill the next. All of
  /// it where the workers are short of room for a record each, as records of half a ring always are.
  void recycle_batches() {
    if (boundary_ - batch_ >= capacity_ / kBatches) {
      recycle(batch_);
      batch_ = boundary_;
    }
    if (short_of_room()) recycle(batch_);
    if (short_of_room()) recycle(boundary_);
  }

  /// Gives back the space below `upto`, where a record begins.
  void recycle(Lsn upto) {
    if (upto == recycled_) return;
    log_.recycle(upto);
    recycled_ = upto;
    if (batch_ < upto) batch_ = upto;
  }

  /// After a look that `moved` the boundary. Looking without a break takes the cache lines that the workers write,
  /// and most from those with the least else to do. A drainer that is late goes on at once, as a flusher would.
  void pause(Lsn moved) const {
    if (moved < capacity_ / kLate) std::this_thread::sleep_for(kPause);
  }

 private:
  static constexpr std::size_t kBatches = 8;  // in a ring: of 16 MiB, writes of 2 MiB
  static constexpr std::size_t kLate = 4;     // a look that finds a quarter of the ring
  /// A fast device's write; the system's timer adds about 50 us.
  static constexpr std::chrono::microseconds kPause{20};

  bool short_of_room() const { return log_.reserved() + wanted_ > recycled_ + capacity_; }

  A& log_;
  const std::size_t capacity_;
  const std::uint64_t wanted_;  // bytes: a record of each worker
  Lsn boundary_;
  Lsn recycled_;
  Lsn batch_;  // where the batch begins that is being filled
};

}  // namespace muster
