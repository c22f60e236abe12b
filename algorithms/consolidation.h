#pragma once

#include "algorithms/parts/consolidating.h"

namespace muster {

/// Aether's consolidation array: threads that meet at a busy lock reserve as one.
///
/// Protocol    reserve  alone as `mutex` does, or in a group, whose leader takes the lock (consolidating.h)
///             publish  alone: publish the end, unlock. In a group the last member to leave does so for all.
///             advance  read what was last published
/// Progress    reserve blocking; publish as the lock's unlock, wait-free unless it is `mcs`; advance wait-free.
/// Invariants  The lock is held from a group's reservation to its last publish: at most one range, a group's
///             or a single thread's, is open at any time, so that one spare slot is enough. A group never
///             holds more than the ring's capacity.
/// Ordering    [published] released by the worker that unlocks, acquired by the drainer.
/// Source      Aether, PVLDB 3 (2010), sections 5.1 and A.2 (C).
/// Differs     byte counts where the paper packs counts and bytes. A thread that finds a slot closed waits for the next
///             one at that position; in the authors' code it tries another. No loop reads the same again and again.
///             A group never holds more than the ring.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class Consolidation;

namespace consolidation {

struct Locked {};

template <class Platform, template <class> class Lock>
using Base = Consolidating<Consolidation<Platform, Lock>, Platform, Lock, ConsolidatedRange, Locked>;

}  // namespace consolidation

template <class Platform, template <class> class Lock>
class Consolidation : public consolidation::Base<Platform, Lock> {
  using Base = consolidation::Base<Platform, Lock>;
  using Base::lock_, Base::published_;
  friend Base;

 public:
  static constexpr AlgorithmInfo info{.name = "consolidation",
                                      .title = "Consolidation array",
                                      .source = "Aether, PVLDB 3 (2010), sections 5.1 and A.2",
                                      .reserve = Progress::blocking,
                                      .publish = Lock<Platform>::kUnlock,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::handed_on};

  explicit Consolidation(const LogBufferOptions& options) : Base(options, 1) {}

  void publish(WorkerId worker, const Reservation& reservation) {
    const ConsolidatedRange* const range = this->filled(worker, reservation);
    if (range == nullptr) return;
    published_.store(range->end, std::memory_order_release);  // [published]
    lock_.unlock();
  }

 private:
  void before_closing() {}  // the holder before has published, and the one spare slot is free
  void taken() {}           // the lock goes when the range is published
};
static_assert(LogBufferAlgorithm<Consolidation<>>);

}  // namespace muster
