#pragma once

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster {

/// The processor's own fetch-add.
///
/// Progress  wait-free.
/// Ordering  what the caller asks for.
template <class Platform>
class HardwareCounter {
 public:
  static constexpr CounterKind kKind = CounterKind::hardware;
  static constexpr Progress kFetchAdd = Progress::wait_free;

  explicit HardwareCounter(const LogBufferOptions& options) : value_(options.start) {
    value_.describe("tail");
  }

  Lsn fetch_add(WorkerId, std::uint32_t size, std::memory_order order) {
    return value_.fetch_add(size, order);
  }
  Lsn load(std::memory_order order) const { return value_.load(order); }

 private:
  typename Platform::template Atomic<Lsn> value_;
};

}  // namespace muster
