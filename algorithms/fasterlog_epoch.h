#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "algorithms/workers.h"

namespace muster {

/// FasterLog: who appends is inside an epoch, and what had been taken when an epoch ended is whole once everybody
/// has left that epoch.
///
/// Protocol    reserve  wait until there is room at the tail; enter: own entry = the current epoch; take space by
///                      compare-and-swap of the tail. Where the room has gone meanwhile: leave, and again
///             publish  leave: own entry = outside
///             advance  tail; where it has moved since the last time: remember it as what epoch e leaves
///                      behind, and begin epoch e + 1. oldest = the smallest epoch that somebody is in.
///                      boundary = the last remembered tail of an epoch before that
/// Progress    reserve lock-free while the ring has room: a compare-and-swap fails because another one has
///             succeeded. A large record may wait for as long as small ones take the room that it needs.
///             publish and advance wait-free, one read a worker.
/// Why it is right
///             A reservation below a remembered tail was made by a compare-and-swap that the look at that tail
///             has seen; its worker had entered before, and in that epoch or an earlier one, since the next
///             one began only after the look. The scan finds that entry or a later one of the worker. That
///             one: the tail is not passed. A later one, outside or in a younger epoch: it has published.
/// Invariants  A worker that waits for room is outside and has taken nothing. A detached worker is outside, a
///             slot that has never had an owner too, and one that the scan does not cover has nothing below
///             any remembered tail. A remembered tail is a record's end.
///             Where kRemembered tails are pending, the youngest gives way to the next: the boundary
///             then moves in larger steps, and still reaches the end when everybody has left.
/// Ordering    [entry] every store released, every load acquired. Outside: the copies before it are visible to
///                     who has read it. Inside: it follows an outside one of the same slot, and what was
///                     synchronised by that one has to come with it.
///             [tail]  compare-and-swap released, the drainer's look acquired: whoever sees the range sees the
///                     entry; and the look at the epoch before it, which can then not have seen the epoch
///                     that begins after this. A worker's look: relaxed, the compare-and-swap checks it.
///             [epoch] relaxed, by that. An old one seen is as if the worker had entered then.
/// Source      FasterLog, in microsoft/FASTER: cs/src/core/FasterLog/FasterLog.cs (Enqueue),
///             Epochs/LightEpoch.cs, Allocator/AllocatorBase.cs (ShiftReadOnlyToTail); its drain list has 16.
/// Differs     One compare-and-swap on the byte position where FasterLog adds to a word of page and offset
///             and repairs what crosses a page: a record may lie anywhere in this ring. What FasterLog runs
///             as an action when an epoch is safe, the drainer reads off in its scan; nobody else drains.
///             No fence between entering and taking space: the tail carries the order.
template <class Platform = NativePlatform>
class FasterlogEpoch;

namespace fasterlog_epoch {

inline constexpr std::uint64_t kOutside = 0;
inline constexpr std::uint64_t kFirstEpoch = 1;

template <class Platform>
struct Worker {
  typename Platform::template Atomic<std::uint64_t> entry{kOutside};  // [entry] this worker writes
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace fasterlog_epoch

template <class Platform>
class FasterlogEpoch : public LogBufferBase<Platform, fasterlog_epoch::Worker<Platform>> {
  using Worker = fasterlog_epoch::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr std::uint32_t kRemembered = 16;
  static constexpr AlgorithmInfo info{.name = "fasterlog_epoch",
                                      .title = "FasterLog epochs",
                                      .source = "FasterLog, github.com/microsoft/FASTER",
                                      .reserve = Progress::lock_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free};

  explicit FasterlogEpoch(const LogBufferOptions& options)
      : Base(options), tail_(options.start), epoch_(fasterlog_epoch::kFirstEpoch), newest_(options.start) {
    tail_.describe("tail");
    epoch_.describe("epoch");
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].entry.describe("entry", w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    Lsn begin = tail_.load(std::memory_order_relaxed);
    while (true) {
      ring_.wait_for_room(begin + size, self.room);
      enter(self);
      do {
        if (tail_.compare_exchange(begin, begin + size, std::memory_order_release,  // [tail]
                                   std::memory_order_relaxed)) {
          return {begin, ring_.bytes(begin, size)};
        }
      } while (ring_.has_room(begin + size, self.room));
      leave(self);
    }
  }

  void publish(WorkerId worker, const Reservation&) { leave(workers_[worker]); }

  Lsn advance() {
    const Lsn tail = tail_.load(std::memory_order_acquire);  // [tail] before the epoch and the slots
    if (tail != newest_) remember(tail);
    std::uint64_t oldest = current_;
    const std::uint32_t covered = workers_.ever_used();
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t entry = workers_[w].entry.load(std::memory_order_acquire);  // [entry]
      if (entry != fasterlog_epoch::kOutside) oldest = std::min(oldest, entry);
    }
    Lsn boundary = this->last_found();
    for (; pending_ > 0 && remembered_[first_].epoch < oldest;
         first_ = (first_ + 1) % kRemembered, --pending_) {
      boundary = remembered_[first_].tail;
    }
    return this->found(boundary);
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  /// A tail, and the epoch in which all that lies below it had been entered for.
  struct Remembered {
    Lsn tail = 0;
    std::uint64_t epoch = 0;
  };

  void enter(Worker& self) {
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);  // [epoch]
    self.entry.store(epoch, std::memory_order_release);                  // [entry]
  }
  void leave(Worker& self) {
    self.entry.store(fasterlog_epoch::kOutside, std::memory_order_release);  // [entry]
  }

  void remember(Lsn tail) {
    if (pending_ < kRemembered) ++pending_;
    remembered_[(first_ + pending_ - 1) % kRemembered] = {tail, current_};
    newest_ = tail;
    epoch_.store(++current_, std::memory_order_relaxed);  // [epoch]
  }

  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;             // [tail] every worker writes
  alignas(kCacheLine) typename Platform::template Atomic<std::uint64_t> epoch_;  // [epoch] the drainer writes
  // The drainer's.
  alignas(kCacheLine) std::uint64_t current_ = fasterlog_epoch::kFirstEpoch;
  Lsn newest_;  // the tail that was remembered last
  std::array<Remembered, kRemembered> remembered_;
  std::uint32_t first_ = 0;  // the oldest that is pending
  std::uint32_t pending_ = 0;
};
static_assert(LogBufferAlgorithm<FasterlogEpoch<>>);

}  // namespace muster
