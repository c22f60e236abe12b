#include "engine/txn/lock_manager.h"

#include <algorithm>
#include <functional>

#include "engine/log/futex.h"

namespace muster {
namespace {

bool compatible(const LockQueue& queue, LockMode mode) {
  if (queue.granted_count == 0) return true;
  return mode != LockMode::exclusive && queue.upgrades == 0 && queue.granted->mode == mode;
}

/// Whether the held lock, if there is one, already gives what is asked for.
bool covers(const LockRequest* held, LockMode mode) {
  return held != nullptr && (held->mode == mode || held->mode == LockMode::exclusive);
}

/// The mode that a request has or, if it upgrades, wants.
LockMode wanted(const LockRequest& request) {
  return request.upgrading ? LockMode::exclusive : request.mode;
}

bool is_older(const LockRequest& a, const LockRequest& b) {
  return a.begun != b.begun ? a.begun < b.begun : std::less<>()(a.holder, b.holder);
}

void link_granted(LockQueue& queue, LockRequest& request) {
  // Behind the first one, which keeps the queue.
  request.previous = queue.granted;
  request.next = queue.granted != nullptr ? queue.granted->next : nullptr;
  if (request.next != nullptr) request.next->previous = &request;
  (queue.granted != nullptr ? queue.granted->next : queue.granted) = &request;
  ++queue.granted_count;
}

void unlink_granted(LockQueue& queue, LockRequest& request) {
  (request.previous != nullptr ? request.previous->next : queue.granted) = request.next;
  if (request.next != nullptr) request.next->previous = request.previous;
  --queue.granted_count;
}

void link_waiting(LockQueue& queue, LockRequest& request) {
  request.previous = queue.waiting_last;
  request.next = nullptr;
  (queue.waiting_last != nullptr ? queue.waiting_last->next : queue.waiting) = &request;
  queue.waiting_last = &request;
}

void unlink_waiting(LockQueue& queue, LockRequest& request) {
  (request.previous != nullptr ? request.previous->next : queue.waiting) = request.next;
  (request.next != nullptr ? request.next->previous : queue.waiting_last) = request.previous;
}

}  // namespace

LockManager::LockManager(const MemoryPlacement* memory, DeadlockOptions deadlock)
    : deadlock_(deadlock), buckets_(memory, MemoryRegion::locks, std::size_t{1} << kBucketBits) {}

bool LockManager::acquire(LockHolder& holder, LockName name, LockMode mode) {
  if (deadlock_.policy == DeadlockPolicy::no_wait) return try_acquire(holder, name, mode);
  if (is_wounded(holder)) return false;
  LockRequest* const held = holder.find(name);
  if (covers(held, mode)) return true;

  LockRequest& request = held != nullptr ? *held : holder.take(name, mode);
  Bucket& bucket = bucket_of(name);
  bool look;
  {
    const std::lock_guard guard(bucket.latch);
    if (grant_or_queue(bucket, holder, request, held != nullptr)) return true;
    if (dies(bucket, request)) {
      take_out(holder, (*find(bucket, name))->queue, request);
      return false;
    }
    // relaxed: read again by this thread, or after the latch
    holder.wait_.store(LockHolder::kAwake, std::memory_order_relaxed);
    // seq_cst: of all that close one cycle together, the last in the single order of these stores sees that
    // the holder it waits for waits too, and searches.
    holder.waiting_.store(name, std::memory_order_seq_cst);
    look = has_to_look(bucket, request);
  }
  if (look && !resolve(holder, request)) return false;
  if (!wait(holder, request)) return false;
  holder.depends_on_ = std::max(holder.depends_on_, request.depends_on);
  if (held == nullptr) holder.hold(request);
  return true;
}

bool LockManager::try_acquire(LockHolder& holder, LockName name, LockMode mode) {
  LockRequest* const held = holder.find(name);
  if (covers(held, mode)) return true;

  LockRequest& request = held != nullptr ? *held : holder.take(name, mode);
  Bucket& bucket = bucket_of(name);
  const std::lock_guard guard(bucket.latch);
  if (grant_or_queue(bucket, holder, request, held != nullptr)) return true;
  take_out(holder, (*find(bucket, name))->queue, request);
  return false;
}

bool LockManager::grant_or_queue(Bucket& bucket, LockHolder& holder, LockRequest& request, bool upgrades) {
  if (!(upgrades ? upgrade(bucket, request) : admit(bucket, request))) return false;
  holder.depends_on_ = std::max(holder.depends_on_, bucket.released);
  if (!upgrades) holder.hold(request);
  return true;
}

/// The link that leads to the lock's front request; it leads nowhere when there is no such lock.
LockRequest** LockManager::find(Bucket& bucket, LockName name) {
  LockRequest** link = &bucket.first;
  while (*link != nullptr && (*link)->name != name) link = &(*link)->queue.next_in_bucket;
  return link;
}

bool LockManager::admit(Bucket& bucket, LockRequest& request) {
  LockRequest** const link = find(bucket, request.name);
  if (*link == nullptr) {
    request.queue = {};
    link_granted(request.queue, request);
    *link = &request;
    return true;
  }
  LockQueue& queue = (*link)->queue;
  if (queue.waiting == nullptr && compatible(queue, request.mode)) {
    link_granted(queue, request);
    return true;
  }
  link_waiting(queue, request);
  return false;
}

bool LockManager::upgrade(Bucket& bucket, LockRequest& request) {
  LockQueue& queue = (*find(bucket, request.name))->queue;
  if (queue.granted_count == 1) {
    request.mode = LockMode::exclusive;
    return true;
  }
  request.upgrading = true;
  ++queue.upgrades;
  return false;
}

void LockManager::grant_next(const Bucket& bucket, LockQueue& queue, LockRequest*& woken) {
  const auto grant = [&](LockRequest& request) {
    request.depends_on = bucket.released;
    // Under the latch, so that a search never sees a holder wait whose request is granted. relaxed: the latch orders.
    request.holder->waiting_.store(0, std::memory_order_relaxed);
    request.wake_next = woken;
    woken = &request;
  };
  if (queue.upgrades != 0 && queue.granted_count == 1) {
    queue.granted->mode = LockMode::exclusive;
    queue.granted->upgrading = false;
    queue.upgrades = 0;
    grant(*queue.granted);
  }
  while (queue.waiting != nullptr && compatible(queue, queue.waiting->mode)) {
    LockRequest& next = *queue.waiting;
    unlink_waiting(queue, next);
    link_granted(queue, next);
    grant(next);
  }
}

/// Takes a granted request out and lets others in.
void LockManager::leave(Bucket& bucket, LockRequest& request, LockRequest*& woken) {
  LockRequest** const link = find(bucket, request.name);
  LockQueue queue = (*link)->queue;
  unlink_granted(queue, request);
  grant_next(bucket, queue, woken);
  if (queue.granted == nullptr) {
    *link = queue.next_in_bucket;
  } else {
    *link = queue.granted;
    queue.granted->queue = queue;
  }
}

/// With no latch held: a system call is long.
void LockManager::wake(LockRequest* woken) {
  while (woken != nullptr) {
    LockHolder* const holder = woken->holder;
    woken = woken->wake_next;  // first: once granted, the request is its holder's again
    // release: pairs with the waiter's loads. Then only the address is used, should the holder be gone already.
    const std::uint32_t before = holder->wait_.exchange(LockHolder::kGranted, std::memory_order_release);
    if (before == LockHolder::kAsleep) futex_wake_one(holder->wait_);
  }
}

void LockManager::release_one(LockRequest& request, Lsn commit_end) {
  LockRequest* woken = nullptr;
  {
    Bucket& bucket = bucket_of(request.name);
    const std::lock_guard guard(bucket.latch);
    if (request.mode != LockMode::shared) bucket.released = std::max(bucket.released, commit_end);
    leave(bucket, request, woken);
  }
  wake(woken);
}

void LockManager::release(LockRequest* chain, Lsn commit_end) {
  for (; chain != nullptr; chain = chain->held_next) release_one(*chain, commit_end);
}

void LockManager::release_early(LockHolder& holder, LockName name) {
  LockRequest& request = *holder.find(name);
  holder.drop(request);
  release_one(request, 0);
  holder.give_back(request);
}

void LockManager::weaken(LockHolder& holder, LockName name) {
  LockRequest* woken = nullptr;
  {
    Bucket& bucket = bucket_of(name);
    const std::lock_guard guard(bucket.latch);
    holder.find(name)->mode = LockMode::shared;
    grant_next(bucket, (*find(bucket, name))->queue, woken);
  }
  wake(woken);
}

void LockManager::release_all(LockHolder& holder, Lsn commit_end) {
  LockRequest* const chain = holder.end_transaction();
  release(chain, commit_end);
  holder.take_back(chain);
}

LockRequest* LockManager::release_shared(LockHolder& holder) {
  LockRequest* kept = nullptr;
  for (LockRequest* request = holder.end_transaction(); request != nullptr;) {
    LockRequest* const next = request->held_next;
    if (request->mode != LockMode::shared) {
      request->held_next = kept;
      kept = request;
    } else {
      release_one(*request, 0);
      holder.give_back(*request);
    }
    request = next;
  }
  return kept;
}

bool LockManager::is_free(LockName name, Lsn durable) {
  Bucket& bucket = bucket_of(name);
  const std::lock_guard guard(bucket.latch);
  return bucket.released <= durable && *find(bucket, name) == nullptr;
}

bool LockManager::waits(LockHolder& holder) {
  const std::lock_guard guard(search_);
  // waits() again at the end: another thread may have granted the lock meanwhile.
  return holder.waits() && !closes_cycle(holder) && holder.waits();
}

void LockManager::forget(const LockHolder&) {
  const std::lock_guard guard(search_);
}

/// Whether the wait may be the last edge of a cycle. A transaction that begins to wait later looks for itself.
bool LockManager::some_holder_waits(Bucket& bucket, const LockRequest& request) {
  const LockQueue& queue = (*find(bucket, request.name))->queue;
  for (const LockRequest* granted = queue.granted; granted != nullptr; granted = granted->next) {
    if (granted->holder != request.holder && granted->holder->waits()) return true;
  }
  return false;
}

/// Visits the granted and the earlier waiting requests that conflict with this one. Skips requests whose transactions have
/// committed and wait for the log only.
template <class Visitor>
void LockManager::for_each_ahead(const LockQueue& queue, const LockRequest& request, Visitor visit) {
  const auto look = [&](LockRequest& other) {
    const bool together = wanted(other) == wanted(request) && wanted(request) != LockMode::exclusive;
    if (&other != &request && !together) visit(other);
  };
  for (LockRequest* granted = queue.granted; granted != nullptr; granted = granted->next) {
    // relaxed: see closes_cycle()
    if (granted->holder->serial_.load(std::memory_order_relaxed) == granted->serial) look(*granted);
  }
  if (request.upgrading) return;  // goes before all that wait
  for (LockRequest* waiting = queue.waiting; waiting != &request; waiting = waiting->next) look(*waiting);
}

/// Whether the request must not wait, since it would wait for an older transaction (wait_die) or block an older one that
/// waits already (wound_wait).
bool LockManager::dies(Bucket& bucket, const LockRequest& request) const {
  const LockQueue& queue = (*find(bucket, request.name))->queue;
  bool found = false;
  if (deadlock_.policy == DeadlockPolicy::wait_die) {
    for_each_ahead(queue, request,
                   [&](const LockRequest& other) { found = found || is_older(other, request); });
  } else if (deadlock_.policy == DeadlockPolicy::wound_wait && request.upgrading) {
    // An upgrade goes before the requests that wait. They wait for it from now on, and could not wound it when they came.
    for (const LockRequest* waiting = queue.waiting; waiting != nullptr; waiting = waiting->next)
      found = found || is_older(*waiting, request);
  }
  return found;
}

bool LockManager::has_to_look(Bucket& bucket, const LockRequest& request) const {
  if (deadlock_.policy == DeadlockPolicy::wait_for_graph) return some_holder_waits(bucket, request);
  if (deadlock_.policy != DeadlockPolicy::wound_wait) return false;
  bool found = false;
  for_each_ahead((*find(bucket, request.name))->queue, request,
                 [&](const LockRequest& other) { found = found || is_older(request, other); });
  return found;
}

/// Breaks the deadlock that this wait closes or may close. Holds the mutex, so that no session destroys a holder which this
/// looks at. False: the request has been withdrawn.
bool LockManager::resolve(LockHolder& holder, LockRequest& request) {
  const std::lock_guard guard(search_);
  if (deadlock_.policy == DeadlockPolicy::wound_wait) {
    wound_younger(holder, request);
    return true;
  }
  return !closes_cycle(holder) || !withdraw(holder, request);
}

void LockManager::wound_younger(const LockHolder& holder, const LockRequest& request) {
  to_visit_.clear();
  {
    Bucket& bucket = bucket_of(request.name);
    const std::lock_guard guard(bucket.latch);
    if (!holder.waits()) return;  // granted meanwhile
    for_each_ahead((*find(bucket, request.name))->queue, request, [&](const LockRequest& other) {
      if (is_older(request, other)) to_visit_.push_back({other.holder, other.serial});
    });
  }
  for (const Visit& younger : to_visit_) {
    LockHolder& victim = *younger.holder;
    // seq_cst, all four accesses: either the victim, which stores that it sleeps, sees the wound, or this thread sees that the
    // victim sleeps. If the victim's transaction has ended meanwhile, its serial has changed, and the wound has no effect.
    victim.wounded_.store(younger.serial, std::memory_order_seq_cst);
    std::uint32_t asleep = LockHolder::kAsleep;
    if (victim.wait_.compare_exchange_strong(asleep, LockHolder::kAwake, std::memory_order_seq_cst))
      futex_wake_one(victim.wait_);
  }
}

/// Whether an older transaction has wounded this thread's own.
bool LockManager::is_wounded(const LockHolder& holder) const {
  return deadlock_.policy == DeadlockPolicy::wound_wait &&
         holder.wounded_.load(std::memory_order_seq_cst) ==   // see wound_younger()
             holder.serial_.load(std::memory_order_relaxed);  // relaxed: this thread wrote it
}

/// Waits until the request is granted. False: it has been withdrawn, since the transaction was wounded or waited too long.
bool LockManager::wait(LockHolder& holder, LockRequest& request) {
  using Clock = std::chrono::steady_clock;
  const bool is_timed = deadlock_.policy == DeadlockPolicy::timeout;
  const auto granted = [&] {
    // acquire: pairs with wake(), so that what the last holder did under the lock is seen.
    return holder.wait_.load(std::memory_order_acquire) == LockHolder::kGranted;
  };
  const Clock::time_point until = is_timed ? Clock::now() + deadlock_.timeout : Clock::time_point();
  // A lock is often held for less than it takes to fall asleep.
  Backoff backoff;
  for (int i = 0; i < 8 && !granted(); ++i) backoff.pause();
  while (!granted()) {
    const auto left = is_timed ? until - Clock::now() : Clock::duration(-1);
    const bool is_late = is_timed && left.count() <= 0;
    // If withdraw() returns false, the request has been granted, and wake() is about to come.
    if ((is_late || is_wounded(holder)) && withdraw(holder, request)) return false;
    std::uint32_t word = LockHolder::kAwake;
    holder.wait_.compare_exchange_strong(word, LockHolder::kAsleep,
                                         std::memory_order_seq_cst);  // wound_younger()
    if (word == LockHolder::kGranted || (is_wounded(holder) && holder.waits())) continue;
    futex_wait(holder.wait_, LockHolder::kAsleep, is_late ? Clock::duration(-1) : left);
  }
  return true;
}

/// Follows "waits for" from `waiter`. A transaction that waits for a lock waits, directly or through requests in the
/// same queue, for all its holders, and through these requests for no other; so the holders are edges enough. The
/// graph is read one lock at a time, but a transaction that waits keeps what it holds, and serials tell
/// whether it is still the same transaction: a cycle that is found is there when the last of its edges is
/// read.
bool LockManager::closes_cycle(LockHolder& waiter) {
  to_visit_.clear();
  // relaxed: this thread's own.
  to_visit_.push_back({&waiter, waiter.serial_.load(std::memory_order_relaxed)});
  for (std::size_t visited = 0; visited < to_visit_.size(); ++visited) {
    const Visit visit = to_visit_[visited];
    const LockName name = visit.holder->waiting_.load(std::memory_order_seq_cst);  // seq_cst: see acquire()
    if (name == 0) continue;
    Bucket& bucket = bucket_of(name);
    const std::lock_guard guard(bucket.latch);
    // Still waiting for this lock, in this transaction? relaxed: waiting_ is written under this latch, and
    // the serial cannot change while its holder waits.
    if (visit.holder->waiting_.load(std::memory_order_relaxed) != name) continue;
    if (visit.holder->serial_.load(std::memory_order_relaxed) != visit.serial) continue;
    const LockQueue& queue = (*find(bucket, name))->queue;
    for (const LockRequest* granted = queue.granted; granted != nullptr; granted = granted->next) {
      // relaxed: while the request is granted, the serial either is its own for good or has moved on for
      // good.
      const bool of_current = granted->holder->serial_.load(std::memory_order_relaxed) == granted->serial;
      if (!of_current || granted->holder == visit.holder) continue;
      if (granted->holder == &waiter) return true;
      const auto same = [&](const Visit& v) { return v.holder == granted->holder; };
      if (std::none_of(to_visit_.begin(), to_visit_.end(), same)) {
        to_visit_.push_back({granted->holder, granted->serial});
      }
    }
  }
  return false;
}

/// Takes a request that waits, or an upgrade, out of the queue.
void LockManager::take_out(LockHolder& holder, LockQueue& queue, LockRequest& request) {
  if (request.upgrading) {
    request.upgrading = false;
    --queue.upgrades;
  } else {
    unlink_waiting(queue, request);
    holder.give_back(request);
  }
}

/// False: another thread has granted the request meanwhile.
bool LockManager::withdraw(LockHolder& holder, LockRequest& request) {
  LockRequest* woken = nullptr;
  {
    Bucket& bucket = bucket_of(request.name);
    const std::lock_guard guard(bucket.latch);
    // relaxed: written under this latch
    if (holder.waiting_.load(std::memory_order_relaxed) == 0) return false;
    holder.waiting_.store(0, std::memory_order_relaxed);
    LockQueue& queue = (*find(bucket, request.name))->queue;
    take_out(holder, queue, request);
    grant_next(bucket, queue, woken);
  }
  wake(woken);
  return true;
}

}  // namespace muster
