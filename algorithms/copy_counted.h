#pragma once

#include "algorithms/parts/rotating_slice.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Copies as `copy_rotating`, and counts the bytes: the limit of one counter that every record adds to. What it loses to
/// `copy_rotating` is the counter; what `bound` loses to it is that records of several workers lie side by side.
///
/// Protocol    reserve  tail.fetch_add(size), whose result nobody uses; the next place in the worker's own slice, which
///                      goes round the ring (parts/rotating_slice.h)
///             publish  nothing
///             advance  the start, for ever
/// Progress    wait-free.
/// Unsafe      the ranges of workers overlap and no byte reaches a drainer.
/// Ordering    tail_  relaxed: nothing is promised about the bytes. The processor need not wait for the old value, which
///                    nobody uses; with `bound` it must, before it can copy.
/// Source      ours.
template <class Platform = NativePlatform>
class CopyCounted : public LogBufferBase<Platform, RotatingSlice> {
  using Base = LogBufferBase<Platform, RotatingSlice>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "copy_counted",
                                      .title = "Copy and count (unsafe)",
                                      .source = "none: the limit of copying and one counter",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .unsafe = true};

  explicit CopyCounted(const LogBufferOptions& options)
      : Base(options), start_(options.start), tail_(options.start) {
    tail_.describe("tail");
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w] = RotatingSlice(options, w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    tail_.fetch_add(size, std::memory_order_relaxed);
    const Lsn place = workers_[worker].take(size);
    return {start_ + place, ring_.bytes(start_ + place, size)};
  }
  void publish(WorkerId, const Reservation&) {}

  Lsn advance() { return start_; }
  Lsn reserved() const { return start_; }

 private:
  const Lsn start_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;  // every worker writes
};
static_assert(LogBufferAlgorithm<CopyCounted<>>);

}  // namespace muster
