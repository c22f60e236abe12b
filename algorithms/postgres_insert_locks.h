#pragma once

#include <algorithm>

#include "algorithms/parts/insert_locks.h"
#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// PostgreSQL's WAL insertion locks: a worker that appends holds one of a few, and each says how far its holder may be.
///
/// Protocol    reserve  take an insertion lock. Spinlock: begin = tail, tail += size. Tell that the lock's holder is
///                      at begin; wait for room
///             publish  release the lock
///             advance  cutoff = tail, read before the first lock
///                      boundary = minimum of the cutoff and of what the held locks' words say
///             The insertion locks are parts/insert_locks.h, which two algorithms share.
/// Progress    reserve blocking: both kinds of lock. publish and advance wait-free, one read a lock.
/// Invariants  A word's LSN is at or below the begin of its holder's open reservation. A holder that waits for room has
///             its own begin there, so that the boundary reaches what everybody waits for; it
///             holds no other lock then. Workers have no state that the scan reads: a worker that is idle, newly
///             attached or gone holds no lock, and so holds nothing back.
/// Why it is right
///             A reservation below the cutoff was made under the lock of its word. The scan, which comes after
///             the cutoff, finds that lock as it was taken for that reservation or later: held, and the
///             boundary stays at or below; or free or taken anew, and the reservation has been published.
/// Ordering    [word] insert_locks.h.
///             [tail] released under the spinlock, the cutoff's load acquired: a drainer that sees the range sees
///                    its lock taken. Under the spinlock: relaxed.
/// Source      PostgreSQL, src/backend/access/transam/xlog.c: WALInsertLockAcquire,
///             ReserveXLogInsertLocation, WaitXLogInsertionsToFinish; 8 locks (NUM_XLOGINSERT_LOCKS).
/// Differs     PostgreSQL waits for laggards below what it is to write, and an insertion tells its position only
///             where it comes to a page that has to be made ready; here every one tells it, on a cache line that it
///             owns, and the scan never waits. The state of the lock and the position are one word, which a store
///             sets free: two locked instructions an append, where PostgreSQL has four. Its lock puts waiters to
///             sleep in a queue; here they wait as everybody does here. The spinlock is kept, or another lock
///             in its place, though without PostgreSQL's pointer to the record before a fetch-add would do; the scan
///             does not take it.
///             No pages: PostgreSQL's inserter writes out an old one where it needs room, which is the drainer's here.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class PostgresInsertLocks;

namespace postgres_insert_locks {

template <class Platform>
struct Worker {
  typename InsertLocks<Platform>::Holder holder;
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace postgres_insert_locks

template <class Platform, template <class> class Lock>
class PostgresInsertLocks : public LogBufferBase<Platform, postgres_insert_locks::Worker<Platform>> {
  using Worker = postgres_insert_locks::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "postgres_insert_locks",
                                      .title = "PostgreSQL insertion locks",
                                      .source = "PostgreSQL, src/backend/access/transam/xlog.c",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::by_taker};

  explicit PostgresInsertLocks(const LogBufferOptions& options)
      : Base(options), locks_(options, "insert_locks", options.insert_locks), tail_(options.start) {
    tail_.describe("tail");
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].holder = locks_.first_of(w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    locks_.take(self.holder);
    const Lsn begin = take_space(size);
    locks_.tell(self.holder, begin);
    ring_.wait_for_room(begin + size, self.room);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    locks_.release(workers_[worker].holder, reservation.end());
  }

  Lsn advance() {
    const Lsn cutoff = tail_.load(std::memory_order_acquire);  // [tail] before the scan
    return this->found(std::max(locks_.lowest(cutoff), this->last_found()));
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  Lsn take_space(std::uint32_t size) {
    space_.lock();
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    tail_.store(begin + size, std::memory_order_release);  // [tail]
    space_.unlock();
    return begin;
  }

  InsertLocks<Platform> locks_;
  // One line for the spinlock and what it guards: a worker that gets the one gets the other.
  alignas(kCacheLine) Lock<Platform> space_;
  typename Platform::template Atomic<Lsn> tail_;  // [tail]
};
static_assert(LogBufferAlgorithm<PostgresInsertLocks<>>);

}  // namespace muster
