#include "engine/txn/lock_manager.h"

#include <algorithm>

namespace muster {
namespace {

bool compatible(const LockQueue& queue, LockMode mode) {
  if (queue.granted_count == 0) return true;
  return mode != LockMode::exclusive && queue.upgrades == 0 && queue.granted->mode == mode;
}

/// Whether a holder has what it asks for.
bool covers(const LockRequest* held, LockMode mode) {
  return held != nullptr && (held->mode == mode || held->mode == LockMode::exclusive);
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

LockManager::LockManager(const MemoryPlacement* memory)
    : buckets_(memory, MemoryRegion::locks, std::size_t{1} << kBucketBits) {}

bool LockManager::acquire(LockHolder& holder, LockName name, LockMode mode) {
  LockRequest* const held = holder.find(name);
  if (covers(held, mode)) return true;

  LockRequest& request = held != nullptr ? *held : holder.take(name, mode);
  Bucket& bucket = bucket_of(name);
  bool search;
  {
    const std::lock_guard guard(bucket.latch);
    if (grant_or_queue(bucket, holder, request, held != nullptr)) return true;
    holder.granted_.store(
        0, std::memory_order_relaxed);  // relaxed: read again by this thread, or after the latch
    // seq_cst: of all that close one cycle together, the last in the single order of these stores sees that
    // the holder it waits for waits too, and searches.
    holder.waiting_.store(name, std::memory_order_seq_cst);
    search = some_holder_waits(bucket, request);
  }
  if (search) {
    const std::lock_guard guard(search_);
    if (closes_cycle(holder) && withdraw(holder, request)) return false;
  }

  // A lock is often held for less than it takes to fall asleep. acquire: pairs with wake(), so that what the
  // last holder did under the lock is seen.
  Backoff backoff;
  for (int i = 0; i < 8 && holder.granted_.load(std::memory_order_acquire) == 0; ++i) backoff.pause();
  while (holder.granted_.load(std::memory_order_acquire) == 0)
    holder.granted_.wait(0, std::memory_order_acquire);
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
    // Under the latch, so that a search never takes for waiting who has been granted. relaxed: the latch
    // orders.
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
    holder->granted_.store(1, std::memory_order_release);  // release: pairs with the waiter's loads
    holder->granted_.notify_one();  // only the address is used, should the holder be gone already
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

void LockManager::forget(const LockHolder&) {
  const std::lock_guard guard(search_);
}

/// Whether the wait may be the last edge of a cycle: whoever begins to wait later looks for itself.
bool LockManager::some_holder_waits(Bucket& bucket, const LockRequest& request) {
  const LockQueue& queue = (*find(bucket, request.name))->queue;
  for (const LockRequest* granted = queue.granted; granted != nullptr; granted = granted->next) {
    if (granted->holder != request.holder && granted->holder->waits()) return true;
  }
  return false;
}

/// Follows "waits for" from `waiter`. Who waits for a lock waits, directly or through others in the same
/// queue, for all who hold it, and through the others for nobody else; so the holders are edges enough. The
/// graph is read one lock at a time, but a transaction that waits keeps what it holds, and serials tell
/// whether it is still the same transaction: a cycle that is found is there when the last of its edges is
/// read.
bool LockManager::closes_cycle(const LockHolder& waiter) {
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

/// A wish that was queued.
void LockManager::take_out(LockHolder& holder, LockQueue& queue, LockRequest& request) {
  if (request.upgrading) {
    request.upgrading = false;
    --queue.upgrades;
  } else {
    unlink_waiting(queue, request);
    holder.give_back(request);
  }
}

/// False: the wish has been granted meanwhile.
bool LockManager::withdraw(LockHolder& holder, LockRequest& request) {
  LockRequest* woken = nullptr;
  {
    Bucket& bucket = bucket_of(request.name);
    const std::lock_guard guard(bucket.latch);
    if (holder.waiting_.load(std::memory_order_relaxed) == 0)
      return false;  // relaxed: written under this latch
    holder.waiting_.store(0, std::memory_order_relaxed);
    LockQueue& queue = (*find(bucket, request.name))->queue;
    take_out(holder, queue, request);
    grant_next(bucket, queue, woken);
  }
  wake(woken);
  return true;
}

}  // namespace muster
