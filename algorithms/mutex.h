#pragma once

#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// One lock around reservation and copy: the log manager that every paper starts from.
///
/// Protocol    reserve  lock; wait for room; move the tail; the lock stays taken through the copy
///             publish  say that everything up to the end is filled; unlock
///             advance  read what was last published. It takes no lock: the lock's holder may be waiting for room
/// Progress    reserve blocking; publish as the lock's unlock, wait-free unless it is `mcs`; advance wait-free.
/// Invariants  tail - published is the one open reservation, if any.
/// Ordering    [published] released by the lock's holder, acquired by the drainer; holders follow one another
///                         through the lock, so that it carries every earlier copy too.
///             tail_       written under the lock; relaxed, since reserved() promises nothing about bytes.
/// Source      Aether, PVLDB 3 (2010), section 5, the baseline.
/// Differs     any lock will do; the authors' is an MCS lock. A worker awaits room under it; in their code it lets the
///             lock go and sleeps.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class Mutex : public LogBufferBase<Platform, typename Ring<Platform>::KnownRoom> {
  using Base = LogBufferBase<Platform, typename Ring<Platform>::KnownRoom>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "mutex",
                                      .title = "Mutex",
                                      .source = "Aether, PVLDB 3 (2010), baseline",
                                      .reserve = Progress::blocking,
                                      .publish = Lock<Platform>::kUnlock,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::by_taker};

  explicit Mutex(const LogBufferOptions& options)
      : Base(options), tail_(options.start), published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    lock_.lock();
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, workers_[worker]);
    tail_.store(begin + size, std::memory_order_relaxed);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId, const Reservation& reservation) {
    published_.store(reservation.end(), std::memory_order_release);  // [published]
    lock_.unlock();
  }

  Lsn advance() { return this->found(published_.load(std::memory_order_acquire)); }  // [published]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

 private:
  // One line for all that a holder writes: the worker that gets the lock gets the tail with it.
  alignas(kCacheLine) Lock<Platform> lock_;
  typename Platform::template Atomic<Lsn> tail_;
  alignas(kCacheLine)
      typename Platform::template Atomic<Lsn> published_;  // the holder writes, the drainer reads
};
static_assert(LogBufferAlgorithm<Mutex<>>);

}  // namespace muster
