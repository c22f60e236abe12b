#pragma once

#include <chrono>
#include <mutex>
#include <vector>

#include "algorithms/parts/placed_array.h"
#include "engine/spin_latch.h"
#include "engine/txn/deadlock_policy.h"
#include "engine/txn/lock_holder.h"

namespace muster {

/// Locks on names, for records and for the gaps between them (lock_name.h).
///
/// Modes       Shared and add are each compatible with themselves, exclusive with nothing. A holder that asks
///             for a second mode gets exclusive.
/// Queues      First come, first served; a holder that wants exclusive goes before all that wait.
/// Contention  Locks live in buckets, each with a latch that is held for a few memory accesses. There is no
///             shared state beside them on any path that does not block. No allocation once the holder has
///             seen a transaction of this size. A waiter sleeps on a word of its own.
/// Deadlock    By policy. wait_for_graph: a transaction that is about to wait looks whether that closes a cycle in the wait-for
///             graph, and if so is the victim itself. A cycle is closed by its last wait, so each is found, and one
///             victim breaks every cycle that this wait closes. The alternative, the youngest of the cycle, would
///             have to be woken and would make the waiter wait on; it promises no more progress, since each deadlock
///             lets all but one go on. Only one that waits for another that waits searches, under a mutex, so that
///             of two that close one cycle together only one is the victim.
///             wait_die and wound_wait: a request looks at the granted and the earlier waiting requests that conflict with
///             it. Under wait_die each wait leads from an older transaction to a younger one, under wound_wait from a younger
///             to an older one, so there is no cycle. A wounded transaction learns of it while it waits, or when it asks for
///             its next lock; if it asks for no more locks, it commits.
/// Dependence  Locks may be released before the commit that they protected is durable. Each bucket keeps the
///             largest end of such a commit, and the next to get a lock there depends on it. A bucket has many
///             names, so this errs on the safe side.
class LockManager {
 public:
  /// `memory` is told where the buckets lie; null: it is not reported. `memory` outlives this.
  explicit LockManager(const MemoryPlacement* memory = nullptr, DeadlockOptions deadlock = {});

  /// A transaction begins. `again`: the holder repeats a transaction that was rolled back. It keeps that one's age, so that it
  /// becomes the oldest in the end and is not rolled back any more.
  void begins(LockHolder& holder, bool again) const {
    const bool ages =
        deadlock_.policy == DeadlockPolicy::wait_die || deadlock_.policy == DeadlockPolicy::wound_wait;
    if (!ages || again) return;
    // The clock, not a counter: no line that all sessions write.
    holder.begun_ = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }

  /// False: the transaction has to be rolled back. Then the holder has what it had before.
  bool acquire(LockHolder& holder, LockName name, LockMode mode);
  /// False: it would have to wait. Then the holder has what it had before.
  bool try_acquire(LockHolder& holder, LockName name, LockMode mode);

  /// Releases one lock before the transaction's end. No later holder depends on what the lock protected.
  void release_early(LockHolder& holder, LockName name);
  /// Turns an exclusive lock of the holder into a shared one. No later holder depends on what the lock protected.
  void weaken(LockHolder& holder, LockName name);

  /// Ends the holder's transaction and releases its locks. `commit_end`: where its commit record ends: a
  /// transaction that sees what it wrote depends on that; 0 where none can see anything that is not durable.
  void release_all(LockHolder& holder, Lsn commit_end);

  /// Ends the holder's transaction, releases the shared locks, and hands the others over to the
  /// caller, chained by held_next. No deadlock goes through them: their owner waits for nothing but the log.
  LockRequest* release_shared(LockHolder& holder);
  /// Releases a chain. The requests are the holder's again once it takes them back.
  void release(LockRequest* chain, Lsn commit_end);

  /// Whether no transaction holds the lock or waits for it, and one that takes it would not depend on a commit that ends above
  /// `durable`.
  bool is_free(LockName name, Lsn durable);

  /// Whether the holder waits for a lock until another transaction acts. False for a holder that is about to become a
  /// deadlock's victim. Any thread, while the holder lives.
  bool waits(LockHolder& holder);

  /// Call before destroying a holder, which must hold nothing: no search for a deadlock looks at it any more.
  void forget(const LockHolder& holder);

 private:
  struct alignas(64) Bucket {  // one line; a pair would double the table, and neighbours seldom meet
    SpinLatch latch;
    Lsn released = 0;              ///< largest end of a commit whose locks were released here
    LockRequest* first = nullptr;  ///< front requests of the locks here, by queue.next_in_bucket
  };
  struct Visit {
    LockHolder* holder;
    std::uint64_t serial;
  };

  Bucket& bucket_of(LockName name) { return buckets_[name >> (64 - kBucketBits)]; }
  static LockRequest** find(Bucket& bucket, LockName name);
  static bool grant_or_queue(Bucket& bucket, LockHolder& holder, LockRequest& request, bool upgrades);
  static void take_out(LockHolder& holder, LockQueue& queue, LockRequest& request);
  static bool admit(Bucket& bucket, LockRequest& request);
  static bool upgrade(Bucket& bucket, LockRequest& request);
  static void leave(Bucket& bucket, LockRequest& request, LockRequest*& woken);
  static void grant_next(const Bucket& bucket, LockQueue& queue, LockRequest*& woken);
  static void wake(LockRequest* woken);
  static bool some_holder_waits(Bucket& bucket, const LockRequest& request);
  void release_one(LockRequest& request, Lsn commit_end);
  template <class Visitor>
  static void for_each_ahead(const LockQueue& queue, const LockRequest& request, Visitor visit);
  bool has_to_look(Bucket& bucket, const LockRequest& request) const;
  bool dies(Bucket& bucket, const LockRequest& request) const;
  bool is_wounded(const LockHolder& holder) const;
  bool resolve(LockHolder& holder, LockRequest& request);
  bool closes_cycle(LockHolder& waiter);
  void wound_younger(const LockHolder& holder, const LockRequest& request);
  bool wait(LockHolder& holder, LockRequest& request);
  bool withdraw(LockHolder& holder, LockRequest& request);

  static constexpr unsigned kBucketBits = 16;

  const DeadlockOptions deadlock_;
  PlacedArray<Bucket> buckets_;
  alignas(kCacheLine) std::mutex search_;  // taken before a latch, never while holding one
  std::vector<Visit> to_visit_;            // guarded by search_
};

}  // namespace muster
