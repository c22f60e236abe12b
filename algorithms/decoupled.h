#pragma once

#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Decoupled buffer fill: the lock covers the tail, not the copy.
///
/// Protocol    reserve  lock; begin = tail; tail += size; unlock; wait for room in the ring
///             publish  wait until everything below begin is published, then publish up to the end
///             advance  read what was last published
/// Progress    reserve blocking, though for a few instructions only; publish blocking: a worker that is
///             descheduled before it publishes holds back every later one. advance wait-free.
/// Why no worker waits for ever
///             A worker that waits for room holds no lock. The published boundary reaches the worker's begin, since the
///             workers of all earlier ranges wait for room below it or for nothing. Once the drainer has recycled up
///             to that begin, a record of the ring's size has room.
/// Invariants  published <= tail. Only the owner of the range that begins at `published` may move it.
/// Ordering    [published] released by the range's owner, acquired by its successor and by the drainer: it is handed
///                         from worker to worker, so that a thread that reads it sees every copy below it.
///             tail_       written under the lock; relaxed, since reserved() promises nothing about bytes.
/// Source      Aether, PVLDB 3 (2010), section 5.2, decoupled buffer fill (D).
/// Differs     takes its bytes first and waits for room outside of the lock; the authors' code takes none before there
///             is room. Any lock will do; theirs is an MCS lock. All workers wait for their turns at one word; in their
///             code each waits at a queue's node of its own.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class Decoupled : public LogBufferBase<Platform, typename Ring<Platform>::KnownRoom> {
  using Base = LogBufferBase<Platform, typename Ring<Platform>::KnownRoom>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "decoupled",
                                      .title = "Decoupled fill",
                                      .source = "Aether, PVLDB 3 (2010), decoupled buffer fill",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::by_taker};

  explicit Decoupled(const LogBufferOptions& options)
      : Base(options), tail_(options.start), published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    lock_.lock();
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    tail_.store(begin + size, std::memory_order_relaxed);
    lock_.unlock();
    ring_.wait_for_room(begin + size, workers_[worker]);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId, const Reservation& reservation) {
    const auto my_turn = [&](Lsn published) { return published == reservation.begin; };
    Platform::await(published_, my_turn, std::memory_order_acquire, WaitFor::predecessor);  // [published]
    published_.store(reservation.end(), std::memory_order_release);                         // [published]
  }

  Lsn advance() { return this->found(published_.load(std::memory_order_acquire)); }  // [published]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

 private:
  // One line for all that a holder writes: the worker that gets the lock gets the tail with it.
  alignas(kCacheLine) Lock<Platform> lock_;
  typename Platform::template Atomic<Lsn> tail_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> published_;  // handed on; the drainer reads
};
static_assert(LogBufferAlgorithm<Decoupled<>>);

}  // namespace muster
