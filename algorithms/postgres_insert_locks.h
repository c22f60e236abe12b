#pragma once

#include <algorithm>
#include <vector>

#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// PostgreSQL's WAL insertion locks: a worker that appends holds one of a few, and each says how far its holder may be.
///
/// Protocol    reserve  take the insertion lock that this worker used last; if it has to wait for that, it tries the
///                      next one next time. Spinlock: begin = tail, tail += size. Say in the insertion lock's word
///                      that its holder is at begin; wait for room
///             publish  release the lock: word = free, the end of the record
///             advance  cutoff = tail, read before the first lock
///                      boundary = minimum of the cutoff and of what the held locks' words say
/// Progress    reserve blocking: both kinds of lock. publish and advance wait-free, one read a lock.
/// Invariants  A word's LSN is at or below the begin of its holder's open reservation: from the moment that the
///             lock is taken, when it still is the end of what was last appended under it. A holder that waits
///             for room has its own begin there, so that the boundary reaches what everybody waits for; it
///             holds no other lock then. Workers have no state that the scan reads: a worker that is idle, newly
///             attached or gone holds no lock, and so holds nothing back.
/// Why it is right
///             A reservation below the cutoff was made under the lock of its word. The scan, which comes after
///             the cutoff, finds that lock as it was taken for that reservation or later: held, and the
///             boundary stays at or below; or free or taken anew, and the reservation has been published.
/// Ordering    [word] stored with release, loaded by the scan with acquire: the copies made under the lock so
///                    far are visible, also those of earlier holders. Taken with acquire, so that they come
///                    before what this holder stores; taking is a read-modify-write, which carries on what
///                    the release before it began. A look at whether it is free: relaxed.
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

/// A lock's word: bit 63 says that it is held, the rest is an LSN.
inline constexpr std::uint64_t kHeld = std::uint64_t{1} << 63;

template <class Platform>
struct alignas(kCacheLine) InsertLock {
  typename Platform::template Atomic<std::uint64_t> word;  // [word] its holder writes, the scan reads
};

template <class Platform>
struct Worker {
  std::uint32_t held = 0;    // the lock of the open reservation
  std::uint32_t to_try = 0;  // the lock to try next
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace postgres_insert_locks

template <class Platform, template <class> class Lock>
class PostgresInsertLocks : public LogBufferBase<Platform, postgres_insert_locks::Worker<Platform>> {
  using Worker = postgres_insert_locks::Worker<Platform>;
  using InsertLock = postgres_insert_locks::InsertLock<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr std::uint32_t kMaxLocks = 256;
  static constexpr AlgorithmInfo info{.name = "postgres_insert_locks",
                                      .title = "PostgreSQL insertion locks",
                                      .source = "PostgreSQL, src/backend/access/transam/xlog.c",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::by_taker};

  explicit PostgresInsertLocks(const LogBufferOptions& options)
      : Base(options), locks_(checked(options.insert_locks)), tail_(options.start) {
    tail_.describe("tail");
    for (std::uint32_t i = 0; i < locks_.size(); ++i) {
      locks_[i].word.describe("word", i);
      locks_[i].word.store(options.start, std::memory_order_relaxed);  // free; before any thread shares it
    }
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].to_try = w % count();
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    take_lock(self);
    const Lsn begin = take_space(size);
    locks_[self.held].word.store(held(begin), std::memory_order_release);  // [word]
    ring_.wait_for_room(begin + size, self.room);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    InsertLock& lock = locks_[workers_[worker].held];
    lock.word.store(reservation.end(), std::memory_order_release);  // [word]
  }

  Lsn advance() {
    Lsn boundary = tail_.load(std::memory_order_acquire);  // [tail] the cutoff, before the scan
    for (const InsertLock& lock : locks_) {
      const std::uint64_t word = lock.word.load(std::memory_order_acquire);  // [word]
      if (is_held(word)) boundary = std::min(boundary, lsn(word));
    }
    return this->found(std::max(boundary, this->last_found()));
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  static constexpr std::uint64_t held(Lsn lsn) { return lsn | postgres_insert_locks::kHeld; }
  static constexpr bool is_held(std::uint64_t word) { return (word & postgres_insert_locks::kHeld) != 0; }
  static constexpr Lsn lsn(std::uint64_t word) { return word & ~postgres_insert_locks::kHeld; }

  static std::uint32_t checked(std::uint32_t locks) {
    if (locks == 0 || locks > kMaxLocks) reject("insert_locks", locks, "1 to " + std::to_string(kMaxLocks));
    return locks;
  }

  std::uint32_t count() const { return static_cast<std::uint32_t>(locks_.size()); }

  void take_lock(Worker& self) {
    self.held = self.to_try;
    auto& word = locks_[self.held].word;
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    const auto is_free = [](std::uint64_t now) { return !is_held(now); };
    while (is_held(seen) || !try_take(word, seen)) {
      self.to_try = (self.held + 1) % count();
      Platform::await(word, is_free, std::memory_order_relaxed, WaitFor::lock);
      seen = word.load(std::memory_order_relaxed);
    }
  }

  /// `seen` is free; it is what is there now, if that is something else.
  static bool try_take(auto& word, std::uint64_t& seen) {
    return word.compare_exchange(seen, held(seen), std::memory_order_acquire,
                                 std::memory_order_relaxed);  // [word]
  }

  Lsn take_space(std::uint32_t size) {
    space_.lock();
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    tail_.store(begin + size, std::memory_order_release);  // [tail]
    space_.unlock();
    return begin;
  }

  std::vector<InsertLock> locks_;
  // One line for the spinlock and what it guards: a worker that gets the one gets the other.
  alignas(kCacheLine) Lock<Platform> space_;
  typename Platform::template Atomic<Lsn> tail_;  // [tail]
};
static_assert(LogBufferAlgorithm<PostgresInsertLocks<>>);

}  // namespace muster
