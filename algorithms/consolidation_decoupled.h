#pragma once

#include <algorithm>

#include "algorithms/consolidation_array.h"
#include "algorithms/handoff_lock.h"
#include "algorithms/workers.h"

namespace muster {

/// Consolidation array and decoupled fill together: threads that meet at a busy lock reserve as one, and the
/// lock covers the reservation alone.
///
/// Protocol    reserve  the lock is free: take it, move the tail, let it go. It is busy: join a group
///                      (consolidation_array.h), whose leader does the same for everybody in it.
///             publish  alone, or the last of a group: wait until everything below the range is published,
///                      then publish up to its end
///             advance  read what was last published
/// Progress    reserve blocking; publish blocking, in LSN order; advance wait-free.
/// Who waits for whom
///             The lock's holder may wait for room and for a spare slot. Ranges that are taken need no lock to
///             be published, so that the boundary reaches the holder's begin whatever it waits for; and as a
///             group never holds more than the ring, it then has room.
/// Invariants  Several groups fill at once. One that is closed and not published has a member that has not
///             come back from publish(), so that a spare slot for each worker is enough: whoever needs the
///             next spare finds that the group it served is published.
/// Ordering    [published] released by the range's owner, acquired by its successor, by the drainer, and by
///                         the leader that reuses a slot: its members have seen the last of it.
///             tail_       written under the lock; relaxed, since reserved() promises nothing about bytes.
/// Source      Aether, PVLDB 3 (2010), section A.3, consolidation with decoupled fill (CD).
/// Differs     the published boundary says which slots are free, where the authors' code marks each; room is
///             awaited under the lock, so that the threads that come meanwhile meet in groups.
template <class Platform = NativePlatform>
class ConsolidationDecoupled;

namespace consolidation_decoupled {

struct Range {
  Lsn begin = 0;
  Lsn end = 0;
};

template <class Platform>
struct Worker {
  typename ConsolidationArray<Platform, Range>::Slot* group = nullptr;  // of the open reservation, if in one
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace consolidation_decoupled

template <class Platform>
class ConsolidationDecoupled : public LogBufferBase<Platform, consolidation_decoupled::Worker<Platform>> {
  using Range = consolidation_decoupled::Range;
  using Worker = consolidation_decoupled::Worker<Platform>;
  using Array = ConsolidationArray<Platform, Range>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "consolidation_decoupled",
                                      .title = "Consolidation, decoupled",
                                      .source = "Aether, PVLDB 3 (2010), section A.3",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free};

  explicit ConsolidationDecoupled(const LogBufferOptions& options)
      : Base(options), array_(options, options.max_workers), tail_(options.start), published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
    known_published_.write(options.start);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    if (lock_.try_lock()) {
      self.group = nullptr;
      const Lsn begin = take(size, self);
      lock_.unlock();
      return {begin, ring_.bytes(begin, size)};
    }
    const auto [group, offset] = array_.join(worker, size, ring_.capacity());
    self.group = group;
    if (offset == 0) {
      lead(*group, self);
    } else {
      array_.await_range(*group);
    }
    const Lsn begin = array_.range(*group).begin + offset;
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    typename Array::Slot* const group = workers_[worker].group;
    if (group != nullptr && !array_.leave(*group, reservation.bytes.size())) return;
    const Range range = group == nullptr ? Range{reservation.begin, reservation.end()} : array_.range(*group);
    const auto my_turn = [&](Lsn published) { return published == range.begin; };
    Platform::await(published_, my_turn, std::memory_order_acquire, WaitFor::predecessor);  // [published]
    published_.store(range.end, std::memory_order_release);                                 // [published]
  }

  Lsn advance() { return this->found(published_.load(std::memory_order_acquire)); }  // [published]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

  /// For tests and diagnosis.
  typename Array::Joined joined() const { return array_.joined(); }

 private:
  /// Lock held: the next `size` bytes.
  Lsn take(std::uint64_t size, Worker& self) {
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, self.room);
    tail_.store(begin + size, std::memory_order_relaxed);
    return begin;
  }

  /// The first of a group: reserves for all who have joined by the time the lock is free.
  void lead(typename Array::Slot& group, Worker& self) {
    lock_.lock();
    await_published(array_.spare_from());
    const std::uint64_t joined = array_.close(group);
    const Lsn begin = take(joined, self);
    array_.fill(group, {begin, begin + joined});
    lock_.unlock();
  }

  /// Lock held. The line that every publisher writes is read once in as many groups as there are spares.
  void await_published(Lsn upto) {
    if (upto <= known_published_.read()) return;
    const Lsn published = published_.load(std::memory_order_acquire);  // [published]
    known_published_.write(std::max(published, upto));
    if (upto <= published) return;
    const auto is_reached = [upto](Lsn now) { return now >= upto; };
    Platform::await(published_, is_reached, std::memory_order_acquire, WaitFor::predecessor);  // [published]
  }

  Array array_;
  alignas(kCacheLine) HandoffLock<Platform> lock_;
  typename Platform::template Atomic<Lsn> tail_;           // the lock's holder writes
  typename Platform::template Cell<Lsn> known_published_;  // under the lock; what a holder has acquired
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> published_;  // handed on; the drainer reads
};
static_assert(LogBufferAlgorithm<ConsolidationDecoupled<>>);

}  // namespace muster
