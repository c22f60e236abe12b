#pragma once

#include "algorithms/parts/rotating_slice.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Copies, and shares nothing: the limit of what the machine copies into a ring. No algorithm exceeds it.
///
/// Protocol    reserve  the next place in the worker's own slice, which goes round the ring (parts/rotating_slice.h)
///             publish  nothing
///             advance  the start, for ever
/// Progress    wait-free.
/// Unsafe      the ranges of workers overlap and no byte reaches a drainer.
/// Why it rotates
///             A slice that stays where it is stays in its worker's cache, and flatters the machine: a log does not.
/// Source      ours.
template <class Platform = NativePlatform>
class CopyRotating : public LogBufferBase<Platform, RotatingSlice> {
  using Base = LogBufferBase<Platform, RotatingSlice>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "copy_rotating",
                                      .title = "Copy (unsafe)",
                                      .source = "none: the limit of copying",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .unsafe = true};

  explicit CopyRotating(const LogBufferOptions& options) : Base(options), start_(options.start) {
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w] = RotatingSlice(options, w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    const Lsn place = workers_[worker].take(size);
    return {start_ + place, ring_.bytes(start_ + place, size)};
  }
  void publish(WorkerId, const Reservation&) {}

  Lsn advance() { return start_; }
  Lsn reserved() const { return start_; }

 private:
  const Lsn start_;
};
static_assert(LogBufferAlgorithm<CopyRotating<>>);

}  // namespace muster
