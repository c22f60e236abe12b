#pragma once

#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// What ERMIA's workers do, for the two ways to scan them: `ermia_released` and `ermia`.
///
/// Protocol    reserve  own LSN = DIRTY, the end of the worker's last record; begin = tail.fetch_add(size)
///                      no room: own LSN = DIRTY, begin, and wait
///             publish  own LSN = clean, the end of the record
/// Progress    reserve (while the ring has room, with the processor's fetch-add as counter) and publish wait-free.
/// Invariants  A dirty LSN is at or below the begin of its worker's open reservation; that of a worker that
///             waits for room is its begin, or the boundary could not reach what everybody waits for. A
///             detached worker's LSN stays clean. A slot that has never had an owner says 0, clean.
/// Ordering    [lsn]  every store released, for every load acquired by the scan. Clean: the copies below it are
///                    visible to its reader. Dirty: it follows a clean one, and since a plain store does
///                    not continue a release sequence, it has to carry what that one did.
///             [tail] fetch-add released, for the load before the scan that acquires it: a thread that sees
///                    the range sees the dirty LSN before it.
/// Differs     from ERMIA's code, which has eight workers' LSNs on a cache line, looks at every publish whether its
///             flusher wants to be woken, and allocates memory for every record: here a worker's LSN has its own
///             line, and neither of the others is done. No segments, and so no space that is taken in vain.
template <class Platform>
struct ErmiaWorker {
  typename Platform::template Atomic<std::uint64_t> lsn;  // [lsn] this worker writes, the scan reads
  Lsn last_end = 0;
  typename Ring<Platform>::KnownRoom room;
};

template <class Platform, template <class> class Counter>
class ErmiaWorkers : public LogBufferBase<Platform, ErmiaWorker<Platform>> {
  using Worker = ErmiaWorker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_;

 public:
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    self.lsn.store(dirty(self.last_end), std::memory_order_release);             // [lsn]
    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_release);  // [tail]
    if (!ring_.has_room(begin + size, self.room)) [[unlikely]] {
      self.lsn.store(dirty(begin), std::memory_order_release);  // [lsn]
      ring_.wait_for_room(begin + size, self.room);
    }
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    Worker& self = workers_[worker];
    self.last_end = reservation.end();
    self.lsn.store(self.last_end, std::memory_order_release);  // [lsn]
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 protected:
  using Base::workers_;

  explicit ErmiaWorkers(const LogBufferOptions& options) : Base(options), tail_(options) {
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].lsn.describe("lsn", w);
  }

  static constexpr bool is_dirty(std::uint64_t lsn) { return (lsn & kDirty) != 0; }
  static constexpr Lsn value(std::uint64_t lsn) { return lsn & ~kDirty; }
  /// More than any LSN, where it is clean: a minimum needs no branch.
  static constexpr Lsn value_if_dirty(std::uint64_t lsn) { return lsn ^ kDirty; }

  /// The cutoff: before the slots are counted and scanned.
  Lsn tail_before_scan() const { return tail_.load(std::memory_order_acquire); }  // [tail]

 private:
  static constexpr std::uint64_t kDirty = std::uint64_t{1} << 63;
  static constexpr std::uint64_t dirty(Lsn lsn) { return lsn | kDirty; }

  alignas(kCacheLine) Counter<Platform> tail_;  // [tail] every worker writes
};

}  // namespace muster
