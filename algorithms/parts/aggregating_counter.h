#pragma once

#include "algorithms/parts/funnels.h"

namespace muster {

/// A counter that is added to through funnels (funnels.h), always.
template <class Platform>
class AggregatingCounter {
 public:
  static constexpr CounterKind kKind = CounterKind::aggregating;
  static constexpr Progress kFetchAdd = Progress::blocking;

  explicit AggregatingCounter(const LogBufferOptions& options) : funnels_(options), value_(options.start) {
    value_.describe("tail");
  }

  Lsn fetch_add(WorkerId worker, std::uint32_t size, std::memory_order order) {
    return funnels_.add(value_, worker, size, order);
  }
  Lsn load(std::memory_order order) const { return value_.load(order); }

 private:
  Funnels<Platform> funnels_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> value_;
};

}  // namespace muster
