#pragma once

#include "algorithms/consolidation_array.h"
#include "algorithms/handoff_lock.h"
#include "algorithms/workers.h"

namespace muster {

/// Aether's consolidation array: threads that meet at a busy lock reserve as one.
///
/// Protocol    reserve  the lock is free: take it and reserve for oneself, as `mutex` does.
///                      It is busy: join a group (consolidation_array.h). Its leader waits for the lock,
///                      closes the group and reserves for everybody in it. The others wait for that; each
///                      copies at its own offset.
///             publish  alone: publish the end, unlock. In a group the last to leave does so for all.
///             advance  read what was last published
/// Progress    reserve blocking; publish and advance wait-free.
/// Invariants  The lock is held from a group's reservation to its last publish: at most one range, a group's
///             or a single thread's, is open at any time, so that one spare slot is enough. A group never
///             holds more than the ring's capacity.
/// Ordering    [published] released by whoever unlocks, acquired by the drainer.
///             tail_       written under the lock; relaxed, since reserved() promises nothing about bytes.
/// Source      Aether, PVLDB 3 (2010), section A.3 (the variant without decoupling, C).
/// Differs     byte counts where the paper packs counts and bytes. Who finds a slot closed waits for the next one at
///             that position, where the authors' code tries another: no loop reads the same again and again.
///             A group never holds more than the ring.
template <class Platform = NativePlatform>
class Consolidation;

namespace consolidation {

struct Range {
  Lsn begin = 0;
  Lsn end = 0;
};

template <class Platform>
struct Worker {
  typename ConsolidationArray<Platform, Range>::Slot* group = nullptr;  // of the open reservation, if in one
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace consolidation

template <class Platform>
class Consolidation : public LogBufferBase<Platform, consolidation::Worker<Platform>> {
  using Worker = consolidation::Worker<Platform>;
  using Array = ConsolidationArray<Platform, consolidation::Range>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "consolidation",
                                      .title = "Consolidation array",
                                      .source = "Aether, PVLDB 3 (2010), section A.3",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free};

  explicit Consolidation(const LogBufferOptions& options)
      : Base(options), array_(options, 1), tail_(options.start), published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    if (lock_.try_lock()) {
      self.group = nullptr;
      const Lsn begin = take(size, self);
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
    const Lsn end = group == nullptr ? reservation.end() : array_.range(*group).end;
    published_.store(end, std::memory_order_release);  // [published]
    lock_.unlock();
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
    const std::uint64_t joined = array_.close(group);
    const Lsn begin = take(joined, self);
    array_.fill(group, {begin, begin + joined});
  }

  Array array_;
  alignas(kCacheLine) HandoffLock<Platform> lock_;
  typename Platform::template Atomic<Lsn> tail_;  // the lock's holder writes
  alignas(kCacheLine)
      typename Platform::template Atomic<Lsn> published_;  // the holder writes, the drainer reads
};
static_assert(LogBufferAlgorithm<Consolidation<>>);

}  // namespace muster
