#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "engine/txn/lock_mode.h"
#include "engine/txn/lock_name.h"

namespace muster {

class LockHolder;
struct LockRequest;

/// The state of one lock, kept in the first of its granted requests and moved on when that one leaves, so
/// that a lock takes no memory of its own. There is one as long as there is a request, and there is no
/// waiting request without a granted one.
struct LockQueue {
  LockRequest* next_in_bucket = nullptr;
  LockRequest* granted = nullptr;  ///< in no order, except that the first keeps this
  std::uint32_t granted_count = 0;
  std::uint32_t upgrades = 0;      ///< of the granted ones, how many wait to become exclusive
  LockRequest* waiting = nullptr;  ///< first come, first served
  LockRequest* waiting_last = nullptr;
};

/// One holder's wish for one lock. Everything is guarded by the bucket's latch from the moment that the
/// request is queued until it has left, except `held_next`, which belongs to the chain's owner.
struct LockRequest {
  LockName name = 0;
  LockHolder* holder = nullptr;
  std::uint64_t serial = 0;          ///< of the holder's transaction; the holder has gone on when it differs
  std::uint64_t begun = 0;           ///< when the holder's transaction began
  LockMode mode = LockMode::shared;  ///< granted, or wanted by one that waits
  bool upgrading = false;            ///< granted, waits to become exclusive
  Lsn depends_on = 0;                ///< set when it is granted after a wait
  LockRequest* previous = nullptr;   ///< among the granted or among the waiting
  LockRequest* next = nullptr;
  LockRequest* wake_next = nullptr;
  LockRequest* held_next = nullptr;  ///< in the chain of what a transaction holds, or among the free
  LockQueue queue;                   ///< in the first granted request only
};

/// One session's side of the lock manager: the locks of its current transaction and the place where it waits.
/// Requests and the table of what is held are used again, so that a transaction allocates nothing once it has
/// seen one of its size. Used by one thread; the atomics are what others may look at.
class LockHolder {
 public:
  LockHolder();
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;

  /// Whatever the current transaction has seen is durable once the log is durable up to here.
  Lsn depends_on() const { return depends_on_; }
  /// Whether it waits for a lock at this moment. Any thread.
  bool waits() const {
    return waiting_.load(std::memory_order_seq_cst) != 0;  // seq_cst: see LockManager::acquire()
  }
  /// How the current transaction holds the lock, if it does.
  std::optional<LockMode> mode_of(LockName name) const {
    const LockRequest* const held = find(name);
    return held != nullptr ? std::optional(held->mode) : std::nullopt;
  }
  /// Takes back the requests of a chain whose locks have been released.
  void take_back(LockRequest* chain);

 private:
  friend class LockManager;

  LockRequest* find(LockName name) const;
  /// Also makes room in the table, so that hold() cannot fail.
  LockRequest& take(LockName name, LockMode mode);
  void hold(LockRequest& request);
  void drop(LockRequest& request);  ///< the opposite of hold()
  void give_back(LockRequest& request);
  /// The transaction is over: what it still holds belongs to the owner of the chain.
  LockRequest* end_transaction();

  struct Slot {
    LockName name = 0;
    std::uint64_t serial = 0;  ///< a slot of an earlier transaction is empty
    LockRequest* request = nullptr;
  };
  void grow();
  void put(LockRequest& request);
  void clear_slot_of(const LockRequest& request);

  std::vector<Slot> table_;  // open addressing, a power of two, at most half full
  std::size_t held_count_ = 0;
  LockRequest* held_ = nullptr;  // newest first
  LockRequest* free_ = nullptr;
  std::deque<LockRequest> requests_;
  Lsn depends_on_ = 0;
  std::uint64_t begun_ = 0;

  /// Number of the current transaction. Written by the holder alone.
  alignas(kCacheLine) std::atomic<std::uint64_t> serial_{1};
  /// Name of the lock that it waits for, 0 for none. Written under that lock's latch.
  std::atomic<LockName> waiting_{0};
  /// The word that it sleeps on.
  std::atomic<std::uint32_t> wait_{kAwake};
  static constexpr std::uint32_t kAwake = 0, kAsleep = 1, kGranted = 2;
  /// The serial of a transaction that must roll back (DeadlockPolicy::wound_wait). Older transactions' threads write it.
  std::atomic<std::uint64_t> wounded_{0};
};

}  // namespace muster
