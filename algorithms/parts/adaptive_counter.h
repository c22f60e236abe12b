#pragma once

#include <vector>

#include "algorithms/parts/funnels.h"

namespace muster {

/// The processor's own fetch-add until a worker finds a crowd at it, then funnels (funnels.h) for a while.
///
/// Protocol  A worker finds a crowd where its range begins that many records above its last range's end, some times in a
///           row: others have come between. It goes through its funnel for the next so many additions, and looks
///           again. How many: Platform::kCrowd.
/// Progress  blocking, as the funnels.
/// Why it is right
///           Both ways end in a fetch-add of one counter. Workers need not agree on the way.
/// Source    ours; Aggregating Funnels have the direct fetch-add for threads of high priority.
template <class Platform>
class AdaptiveCounter {
 public:
  static constexpr CounterKind kKind = CounterKind::adaptive;
  static constexpr Progress kFetchAdd = Progress::blocking;

  explicit AdaptiveCounter(const LogBufferOptions& options)
      : funnels_(options), workers_(options.max_workers, Worker{options.start}), value_(options.start) {
    value_.describe("tail");
  }

  Lsn fetch_add(WorkerId worker, std::uint32_t size, std::memory_order order) {
    Worker& self = workers_[worker];
    Lsn begin;
    if (self.in_funnel == 0) [[likely]] {
      begin = value_.fetch_add(size, order);
    } else {
      --self.in_funnel;
      begin = funnels_.add(value_, worker, size, order);
    }
    look_around(self, begin, size);
    return begin;
  }
  Lsn load(std::memory_order order) const { return value_.load(order); }

 private:
  /// One worker's own.
  struct alignas(kCacheLine) Worker {
    Lsn last_end;
    std::uint32_t crowded = 0;    // times in a row
    std::uint32_t in_funnel = 0;  // additions that are still to go through the funnel
  };

  void look_around(Worker& self, Lsn begin, std::uint32_t size) {
    const bool is_crowded = begin - self.last_end >= std::uint64_t{size} * Platform::kCrowd.others;
    self.crowded = is_crowded ? self.crowded + 1 : 0;
    if (self.crowded >= Platform::kCrowd.times) {
      self.crowded = 0;
      self.in_funnel = Platform::kCrowd.stays;
    }
    self.last_end = begin + size;
  }

  Funnels<Platform> funnels_;
  std::vector<Worker> workers_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> value_;
};

}  // namespace muster
