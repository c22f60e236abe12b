#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// FasterLog: a worker that appends is inside an epoch. What had been taken when an epoch ended is whole once every
/// worker has left that epoch.
///
/// Protocol    reserve  enter: own entry = the current epoch; begin = tail.fetch_add(size)
///                      no room: own entry = WAITING, begin, and wait
///             publish  leave: own entry = outside
///             advance  tail; where it has moved since the last time: remember it as what epoch e leaves
///                      behind, and begin epoch e + 1. oldest = the smallest epoch that a worker is in.
///                      boundary = the last remembered tail of an epoch before that, but no more than the
///                      smallest begin of the workers that wait, or waited, for room
/// Progress    reserve (while the ring has room, with the processor's fetch-add as counter), publish and advance wait-free:
///             one read a worker, or as many as Platform::linger takes until a worker that is inside has left, of one
///             worker that does not.
/// Why it is right
///             A reservation below a remembered tail was made by a fetch-add that the look at that tail has
///             seen; its worker had entered before, and in that epoch or an earlier one, since the next one
///             began only after the look. The scan finds that entry or a later one of the worker. That
///             one: the tail is not passed. Waiting, with this reservation: its begin is not passed. A later
///             one, outside, in a younger epoch or waiting with another reservation: it has published.
/// Invariants  A worker that waits for room says where its reservation begins, or the boundary could not reach what
///             everybody waits for. A detached worker is outside, a slot that has never had an owner too, and
///             one that the scan does not cover has nothing below any remembered tail. A remembered tail is a
///             record's end.
///             Where kRemembered tails are pending, the next one takes the youngest's place, with an epoch of its own: the
///             boundary then moves in larger steps, and still reaches the end when every worker has left.
/// Ordering    [entry] every store released, every load acquired. Outside: the copies before it are visible to
///                     the drainer that has read it. Inside or waiting: it follows an outside one of the same slot, and what
///                     was synchronised by that one has to come with it.
///             [tail]  fetch-add released, the drainer's look acquired: if it sees the range, it sees the entry;
///                     and the look at the epoch before it, which can then not have seen the epoch that begins
///                     after this.
///             [epoch] relaxed, by that. An old one seen is as if the worker had entered then.
/// Source      FasterLog, in microsoft/FASTER: cs/src/core/FasterLog/FasterLog.cs (Enqueue),
///             Epochs/LightEpoch.cs, Allocator/AllocatorBase.cs (ShiftReadOnlyToTail); its drain list has 16.
/// Differs     FasterLog adds to a word of page and offset. A worker that crosses a page's end sets it right while the
///             others try again; if the next page has no room, it gives back what it took, leaves the epoch and
///             waits. Here a record may lie anywhere in the ring, and a worker without room keeps what it has taken.
///             When an epoch is safe, the worker that leaves it last runs an action in FasterLog; here the drainer
///             reads that off in its scan, and it costs no worker any time. The drainer waits some microseconds for
///             a worker that is inside: else it would find a tail one scan later wherever a worker appends. If that
///             worker is held up for longer, the drainer finds the tail one scan later. FasterLog waits if its list is full.
///             A worker has a slot for good; FasterLog's later releases take one at every entry, by a
///             compare-and-swap.
template <class Platform = NativePlatform, template <class> class Counter = HardwareCounter>
class FasterlogEpoch;

namespace fasterlog_epoch {

// A worker's entry: its epoch; where it had to wait for room, its begin with this bit; or that it is outside.
inline constexpr std::uint64_t kWaiting = std::uint64_t{1} << 63;
inline constexpr std::uint64_t kOutside = ~std::uint64_t{0};

template <class Platform>
struct Worker {
  typename Platform::template Atomic<std::uint64_t> entry{kOutside};  // [entry] this worker writes
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace fasterlog_epoch

template <class Platform, template <class> class Counter>
class FasterlogEpoch : public LogBufferBase<Platform, fasterlog_epoch::Worker<Platform>> {
  using Worker = fasterlog_epoch::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr std::uint32_t kRemembered = Platform::kRememberedEnds;
  static constexpr AlgorithmInfo info{.name = "fasterlog_epoch",
                                      .title = "FasterLog epochs",
                                      .source = "FasterLog, github.com/microsoft/FASTER",
                                      .reserve = Counter<Platform>::kFetchAdd,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .takes_counter = true};

  explicit FasterlogEpoch(const LogBufferOptions& options)
      : Base(options), tail_(options), epoch_(0), newest_(options.start) {
    epoch_.describe("epoch");
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].entry.describe("entry", w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    self.entry.store(epoch_.load(std::memory_order_relaxed), std::memory_order_release);  // [epoch], [entry]
    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_release);           // [tail]
    if (!ring_.has_room(begin + size, self.room)) [[unlikely]] {
      self.entry.store(fasterlog_epoch::kWaiting | begin, std::memory_order_release);  // [entry]
      ring_.wait_for_room(begin + size, self.room);
    }
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation&) {
    workers_[worker].entry.store(fasterlog_epoch::kOutside, std::memory_order_release);  // [entry]
  }

  Lsn advance() {
    const Lsn tail = tail_.load(std::memory_order_acquire);  // [tail] before the epoch and the slots
    if (tail != newest_) remember(tail);
    std::uint64_t oldest = current_;
    Lsn waiting = fasterlog_epoch::kOutside;  // the smallest begin, if marked as such
    const std::uint32_t covered = workers_.ever_used();
    for (WorkerId w = 0; w < covered; ++w) {
      // One worker that stays inside for longer settles it: the drainer does not wait for the others then.
      const auto settled = [&](std::uint64_t e) { return e >= current_ || oldest < current_; };
      const std::uint64_t entry =
          Platform::linger(workers_[w].entry, settled, std::memory_order_acquire);  // [entry]
      oldest = std::min(oldest, entry);
      waiting = std::min(waiting, entry ^ fasterlog_epoch::kWaiting);
    }
    Lsn boundary = this->last_found();
    for (; pending_ > 0 && remembered_[first_].epoch < oldest;
         first_ = (first_ + 1) % kRemembered, --pending_) {
      if (remembered_[first_].tail > waiting) {  // it stays, for what lies above
        boundary = std::max(boundary, waiting);
        break;
      }
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

  void remember(Lsn tail) {
    if (pending_ < kRemembered) ++pending_;
    remembered_[(first_ + pending_ - 1) % kRemembered] = {tail, current_};
    newest_ = tail;
    epoch_.store(++current_, std::memory_order_relaxed);  // [epoch]
  }

  alignas(kCacheLine) Counter<Platform> tail_;                                   // [tail] every worker writes
  alignas(kCacheLine) typename Platform::template Atomic<std::uint64_t> epoch_;  // [epoch] the drainer writes
  // The drainer's.
  alignas(kCacheLine) std::uint64_t current_ = 0;
  Lsn newest_;  // the tail that was remembered last
  std::array<Remembered, kRemembered> remembered_;
  std::uint32_t first_ = 0;  // the oldest that is pending
  std::uint32_t pending_ = 0;
};
static_assert(LogBufferAlgorithm<FasterlogEpoch<>>);

}  // namespace muster
