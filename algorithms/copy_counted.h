#pragma once

#include "algorithms/copy_rotating.h"

namespace muster {

/// Copies as `copy_rotating`, and counts the bytes: the limit of one counter that every record adds to. What it loses to
/// `copy_rotating` is the counter; what `bound` loses to it is that records of several workers lie side by side.
///
/// Protocol    reserve  The worker adds the record's size to the tail, and discards the result. It takes its place as a worker
///                      of `copy_rotating` does.
///             publish  nothing
///             advance  the start, for ever
/// Progress    wait-free.
/// Unsafe      the ranges of workers overlap and no byte reaches a drainer.
/// Ordering    tail_  relaxed: nothing is promised about the bytes. The worker does not use the old value, so the processor copies
///                    without waiting for it. A worker of `bound` has to wait: the old value says where to copy.
/// Source      ours.
template <class Platform = NativePlatform>
class CopyCounted : public CopyRotating<Platform> {
  using Base = CopyRotating<Platform>;

 public:
  static constexpr AlgorithmInfo info{.name = "copy_counted",
                                      .title = "Copy and count (unsafe)",
                                      .source = "none: the limit of copying and one counter",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .unsafe = true};

  explicit CopyCounted(const LogBufferOptions& options) : Base(options), tail_(options.start) {
    tail_.describe("tail");
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    tail_.fetch_add(size, std::memory_order_relaxed);
    return Base::reserve(worker, size);
  }

 private:
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;  // every worker writes
};
static_assert(LogBufferAlgorithm<CopyCounted<>>);

}  // namespace muster
