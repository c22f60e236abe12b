#pragma once

#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Fetch-add and copy; nothing remembers which workers still copy. An algorithm that does one fetch-add a record cannot
/// beat it. One that reserves under a lock, or for a group, may (results/reference: 2026-11-28-xeon-2-units).
///
/// Protocol    reserve  begin = tail.fetch_add(size); wait for room
///             publish  nothing
///             advance  the tail, holes or not
/// Progress    wait-free while the ring has room, with the processor's fetch-add as counter.
/// Unsafe      the boundary passes over holes. Room is waited for all the same: a share of `bound` is then
///             the cost of tracking alone.
/// Ordering    relaxed throughout: nothing is promised about the bytes.
/// Source      ours.
template <class Platform = NativePlatform, template <class> class Counter = HardwareCounter>
class Bound : public LogBufferBase<Platform, typename Ring<Platform>::KnownRoom> {
  using Base = LogBufferBase<Platform, typename Ring<Platform>::KnownRoom>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "bound",
                                      .title = "Bound (unsafe)",
                                      .source = "none: the limit of fetch-add and copy",
                                      .reserve = Counter<Platform>::kFetchAdd,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .takes_counter = true,
                                      .unsafe = true};

  explicit Bound(const LogBufferOptions& options) : Base(options), tail_(options) {}

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, workers_[worker]);
    return {begin, ring_.bytes(begin, size)};
  }
  void publish(WorkerId, const Reservation&) {}

  Lsn advance() { return this->found(reserved()); }
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

 private:
  alignas(kCacheLine) Counter<Platform> tail_;  // every worker writes
};
static_assert(LogBufferAlgorithm<Bound<>>);

}  // namespace muster
