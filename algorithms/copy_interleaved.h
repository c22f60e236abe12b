#pragma once

#include "algorithms/parts/workers.h"

namespace muster {

/// Copies side by side: record by record the workers' places alternate, as in one log, but no worker adds to a counter. The limit
/// of workers that write into one log. What it loses to `copy_rotating` is that they share cache lines and pages; what `bound`
/// loses to it is the counter.
///
/// Protocol    reserve  the worker's own count of records, times all workers, and its own place among them; where all
///                      records have one size, no two workers' overlap
///             publish  nothing
///             advance  the start, for ever
/// Progress    wait-free.
/// Unsafe      the ranges of workers overlap where sizes differ, and no byte reaches a drainer.
/// Measured    It has two modes: workers in step write to the same cache lines at the same time; workers that have drifted
///             apart do not meet. Nothing holds them together, as a counter would.
/// Source      ours.
template <class Platform = NativePlatform>
class CopyInterleaved : public LogBufferBase<Platform, std::uint64_t> {
  using Base = LogBufferBase<Platform, std::uint64_t>;  // each worker's number of records
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "copy_interleaved",
                                      .title = "Copy side by side (unsafe)",
                                      .source = "none: the limit of copying into one log",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .unsafe = true};

  explicit CopyInterleaved(const LogBufferOptions& options) : Base(options), start_(options.start) {
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w] = 0;
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    const Lsn begin = start_ + (workers_[worker]++ * workers_.max() + worker) * size;
    return {begin, ring_.bytes(begin, size)};
  }
  void publish(WorkerId, const Reservation&) {}

  Lsn advance() { return start_; }
  Lsn reserved() const { return start_; }

 private:
  const Lsn start_;
};
static_assert(LogBufferAlgorithm<CopyInterleaved<>>);

}  // namespace muster
