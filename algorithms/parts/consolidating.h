#pragma once

#include "algorithms/parts/consolidation_array.h"
#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// What is reserved at once, by one thread or by a group. An algorithm's own may say more.
struct ConsolidatedRange {
  Lsn begin = 0;
  Lsn end = 0;
};

template <class Platform, class Range>
struct ConsolidatingWorker {
  typename ConsolidationArray<Platform, Range>::Slot* group = nullptr;  // of the open reservation, if in one
  Range alone;                                                          // of the open reservation, if not
  typename Ring<Platform>::KnownRoom room;
};

/// What the consolidating algorithms do alike.
///
/// Protocol    reserve  the lock is free: the worker takes it and reserves for itself. It is busy: the worker joins
///                      a group (consolidation_array.h). The leader waits for the lock, closes the group and
///                      reserves for all members. The members wait for the leader; each copies at its own offset.
///             publish  the algorithm's own, for what filled() returns
///             advance  read what was last published
/// Ordering    [published] released by the worker that moves it, acquired by the drainer: the copies below are visible.
///             tail_       written under the lock; relaxed, since reserved() promises nothing about bytes.
///
/// Differs     from the authors' code in the lock, which may be any that another thread than its taker may release, and
///             theirs is an MCS lock. With `ttas` the thread that had it last may have it again before those that
///             wait, and an append alone costs one locked instruction, or two with delegation, where theirs costs
///             three to five. As in their code a thread looks for a group at the same
///             position first, by its number, where the paper (algorithm 5) has a random one (README.md).
///
/// An `Algorithm` derives from this and says, each with the lock held:
///   void before_closing()       what a leader has to wait for, before it opens a spare slot
///   void taken()                lets the lock go now, before the group is told, or leaves that to publish, which may
///                               run on another thread: so the lock must be one that can be handed on
///   Range take(bytes, Worker&)  in place of the one here, where `Range` is more than a ConsolidatedRange
/// `Locked` is the algorithm's own share of the lock's line.
template <class Algorithm, class Platform, template <class> class Lock, class Range, class Locked>
class Consolidating : public LogBufferBase<Platform, ConsolidatingWorker<Platform, Range>> {
 public:
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    if (lock_.try_lock()) {
      self.group = nullptr;
      self.alone = algorithm().take(size, self);
      algorithm().taken();
      return {self.alone.begin, ring_.bytes(self.alone.begin, size)};
    }
    return reserve_in_group(worker, size, self);
  }

  Lsn advance() { return this->found(published_.load(std::memory_order_acquire)); }  // [published]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

  /// For tests and diagnosis.
  typename ConsolidationArray<Platform, Range>::Joined joined() const { return array_.joined(); }

 protected:
  using Worker = ConsolidatingWorker<Platform, Range>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

  /// `spares`: how many groups may be closed and not yet published.
  Consolidating(const LogBufferOptions& options, std::uint32_t spares)
      : Base(options), array_(options, spares), tail_(options.start), published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
  }

  /// A worker has filled its bytes: the range that is full thereby, its own or its group's; none while others of its
  /// group still fill theirs. A group's is there until it is published, by this worker or, once it has left that to a
  /// predecessor, at any moment: read it before. A pointer, and its members read one by one: a copy would be a load
  /// as wide as the two stores before it, which x86 does not forward.
  const Range* filled(WorkerId worker, const Reservation& reservation) {
    const Worker& self = workers_[worker];
    if (self.group == nullptr) return &self.alone;
    return array_.leave(*self.group, reservation.bytes.size()) ? &array_.range(*self.group) : nullptr;
  }

  /// Lock held: where the next `bytes` begin.
  Lsn take_bytes(std::uint64_t bytes, Worker& self) {
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    ring_.wait_for_room(begin + bytes, self.room);
    tail_.store(begin + bytes, std::memory_order_relaxed);
    return begin;
  }

  /// Lock held: the next range.
  Range take(std::uint64_t bytes, Worker& self) {
    const Lsn begin = take_bytes(bytes, self);
    return {begin, begin + bytes};
  }

  ConsolidationArray<Platform, Range> array_;
  alignas(kCacheLine) Lock<Platform> lock_;
  typename Platform::template Atomic<Lsn> tail_;                           // the lock's holder writes
  Locked locked_;                                                          // the lock's holder uses
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> published_;  // [published] the drainer reads

 private:
  Algorithm& algorithm() { return static_cast<Algorithm&>(*this); }

  /// Out of line, so that callers inline what a thread alone does.
  [[gnu::noinline]] Reservation reserve_in_group(WorkerId worker, std::uint32_t size, Worker& self) {
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

  /// The first of a group.
  void lead(typename ConsolidationArray<Platform, Range>::Slot& group, Worker& self) {
    lock_.lock();
    algorithm().before_closing();
    const std::uint64_t joined = array_.close(group);
    const Range range = algorithm().take(joined, self);
    array_.keep(group, range.end);
    algorithm().taken();
    array_.fill(group, range);
  }
};

}  // namespace muster
