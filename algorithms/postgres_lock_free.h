#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "algorithms/parts/insert_locks.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// The lock-free reservation that was proposed to PostgreSQL: the position is a fetch-add, and each worker writes for
/// the record behind its own where the record before that one begins.
///
/// Protocol    reserve  take an insertion lock; begin = tail.fetch_add(size). Tell that the lock's holder is at begin;
///                      wait for room. Leave begin as the back-link of the record that will begin at the end. Wait for
///                      the back-link that the predecessor leaves for this one, take it, and clear its place
///             publish  release the lock
///             advance  cutoff = tail, read before the first lock
///                      boundary = minimum of the cutoff and of what the held locks' words say
///             The insertion locks are parts/insert_locks.h, which two algorithms share.
/// Progress    reserve blocking: an insertion lock, and a predecessor that has not left its link yet. publish and
///             advance wait-free, one read a lock.
/// Why it is right
///             The boundary: as in postgres_insert_locks; a reservation below the cutoff was made by a fetch-add that
///             the cutoff's load has seen, and the lock was taken before that.
///             Waiting for a link: the predecessor has its lock and its range already. It waits for room and for its own
///             link, of which the first is there before a later record has it, and the second comes by induction from
///             the record at the boundary.
/// Invariants  Links lie in slots, one for every few bytes of two laps of the ring. A slot holds one link at most:
///             - records that begin in the same few bytes follow one another, so that the worker that leaves the later
///               link is the one that takes the earlier link. It takes first and leaves then; all others leave first, or
///               every worker would wait for its predecessor to have waited;
///             - a link one lap of the slots later is left by a worker that has room: the record that the earlier link
///               was for lies below what has been recycled, and its worker has taken the link.
///             A link says for which of a slot's bytes it is.
/// Ordering    [word] insert_locks.h.
///             [tail] fetch-add released, the cutoff's load acquired: a drainer that sees the range sees its lock taken.
///             [link] relaxed: the word is all that it brings. That a place has been cleared before it is used again
///                    comes with the room (ring.h): clear, publish, advance, recycle, reserve.
/// Source      "[RFC] Lock-free XLog Reservation from WAL", pgsql-hackers, January 2025 (Z. Zhou): points 1 to 5 of its
///             proposal; 128 locks.
/// Differs     The proposal writes a link into the header of the successor, in the WAL buffer, and needs it before the
///             successor's copy, for the checksum. Here a record has no header, may be a byte long, and its bytes are its
///             worker's alone, so that links lie beside the ring: a slot of 8 bytes for 64 of log. (A later version of the
///             proposal has a hash table.) What else differs is in postgres_insert_locks.h: positions are always told,
///             waiters do not sleep in a queue, there are no pages.
template <class Platform = NativePlatform>
class PostgresLockFree;

namespace postgres_lock_free {

/// Back-links: for the begin of a record, how long the record before it is.
template <class Platform>
class Links {
 public:
  explicit Links(const LogBufferOptions& options)
      : granule_bits_(
            std::min(kGranuleBits, static_cast<std::uint32_t>(std::countr_zero(options.capacity)) - 2)),
        slots_(2 * options.capacity >> granule_bits_) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) slots_[i].describe("link", i);
    leave(options.start, 0);  // before any thread shares it
  }

  bool share_slot(Lsn one, Lsn other) const { return one >> granule_bits_ == other >> granule_bits_; }

  /// For the record that begins at `lsn`: the one before has `size` bytes.
  void leave(Lsn lsn, std::uint32_t size) {
    slot(lsn).store(((std::uint64_t{size} + 1) << granule_bits_) | place(lsn),
                    std::memory_order_relaxed);  // [link]
  }

  /// Waits for what is left for the record that begins at `lsn`, and clears its place.
  std::uint32_t take(Lsn lsn) {
    auto& link = slot(lsn);
    const auto is_there = [mine = place(lsn), mask = granule() - 1](std::uint64_t word) {
      return word != kNone && (word & mask) == mine;
    };
    Platform::await(link, is_there, std::memory_order_relaxed, WaitFor::predecessor);  // [link]
    const std::uint64_t word = link.load(std::memory_order_relaxed);
    link.store(kNone, std::memory_order_relaxed);  // [link]
    return static_cast<std::uint32_t>((word >> granule_bits_) - 1);
  }

 private:
  static constexpr std::uint32_t kGranuleBits = 6;  // less in a ring of some bytes, as an explorer has it
  static constexpr std::uint64_t kNone = 0;

  std::uint64_t granule() const { return std::uint64_t{1} << granule_bits_; }
  std::uint64_t place(Lsn lsn) const { return lsn & (granule() - 1); }
  auto& slot(Lsn lsn) { return slots_[(lsn >> granule_bits_) & (slots_.size() - 1)]; }

  const std::uint32_t granule_bits_;
  // Not padded: eight to a cache line, which are the links of 512 bytes of log.
  std::vector<typename Platform::template Atomic<std::uint64_t>> slots_;  // [link]
};

template <class Platform>
struct Worker {
  typename InsertLocks<Platform>::Holder holder;
  Lsn previous = 0;
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace postgres_lock_free

template <class Platform>
class PostgresLockFree : public LogBufferBase<Platform, postgres_lock_free::Worker<Platform>> {
  using Worker = postgres_lock_free::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "postgres_lock_free",
                                      .title = "PostgreSQL, lock-free proposal",
                                      .source = "pgsql-hackers, 2025, Lock-free XLog Reservation from WAL",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free};

  explicit PostgresLockFree(const LogBufferOptions& options)
      : Base(options),
        locks_(options, "lock_free_insert_locks", options.lock_free_insert_locks),
        links_(options),
        tail_(options.start) {
    tail_.describe("tail");
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].holder = locks_.first_of(w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    locks_.take(self.holder);
    const Lsn begin = tail_.fetch_add(size, std::memory_order_release);  // [tail]
    const Lsn end = begin + size;
    locks_.tell(self.holder, begin);
    ring_.wait_for_room(end, self.room);
    const bool leaves_first = !links_.share_slot(begin, end);
    if (leaves_first) links_.leave(end, size);
    self.previous = begin - links_.take(begin);
    if (!leaves_first) links_.leave(end, size);
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

  /// Where the record begins that stands before the worker's last reservation; the start before the first one. The
  /// worker's own, for the record's header.
  Lsn previous(WorkerId worker) { return workers_[worker].previous; }

 private:
  InsertLocks<Platform> locks_;
  postgres_lock_free::Links<Platform> links_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;  // [tail] every worker writes
};
static_assert(LogBufferAlgorithm<PostgresLockFree<>>);

}  // namespace muster
