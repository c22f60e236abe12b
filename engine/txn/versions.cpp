#include "engine/txn/versions.h"

#include <algorithm>
#include <new>

namespace muster {
namespace {

/// relaxed: CommitClock publishes it.
void raise(std::atomic<Lsn>& end, Lsn to) {
  Lsn now = end.load(std::memory_order_relaxed);
  while (now < to && !end.compare_exchange_weak(now, to, std::memory_order_relaxed)) {}
}

/// Versions lie one after the other, each at an address that is aligned for one.
constexpr std::size_t rounded(std::size_t bytes) {
  return (bytes + alignof(Version) - 1) / alignof(Version) * alignof(Version);
}

}  // namespace

Version::Version(LockName its_name, const RecordChange& change, Stamp by)
    : overwritten(by),
      name(its_name),
      table(change.table),
      key_bytes(static_cast<std::uint16_t>(change.key.size())),
      before_bytes(static_cast<std::uint16_t>(change.before.size())),
      absent(change.kind == ChangeKind::insert) {
  std::byte* const at = reinterpret_cast<std::byte*>(this + 1);
  std::ranges::copy(change.key, at);
  std::ranges::copy(change.before, at + key_bytes);
}

bool Version::is_of(TableId of_table, Bytes of_key) const {
  return table == of_table && std::ranges::equal(key(), of_key);
}

std::size_t Version::bytes_for(const RecordChange& change) {
  return rounded(sizeof(Version) + change.key.size() + change.before.size());
}

// --- one session's ---

VersionQueue::~VersionQueue() {
  for (Chunk* list : {first_chunk_, spare_}) {
    while (list != nullptr) {
      Chunk* const next = list->next;
      delete list;
      store_.count_memory(-static_cast<std::int64_t>(sizeof(Chunk)));
      list = next;
    }
  }
}

void VersionQueue::make_room(const RecordChange& change) {
  const std::size_t bytes = Version::bytes_for(change);
  if (last_chunk_ == nullptr || last_chunk_->used + bytes > Chunk::kBytes) next_chunk();
}

void VersionQueue::next_chunk() {
  Chunk* chunk = spare_;
  if (chunk != nullptr) {
    spare_ = chunk->next;
    --spares_;
    chunk->next = nullptr;
    chunk->used = 0;
  } else {
    chunk = new Chunk;
    store_.count_memory(sizeof(Chunk));
  }
  (last_chunk_ != nullptr ? last_chunk_->next : first_chunk_) = chunk;
  last_chunk_ = chunk;
}

Version& VersionQueue::add(LockName name, const RecordChange& change, Stamp by) {
  const std::size_t bytes = Version::bytes_for(change);
  Version* const version = ::new (last_chunk_->bytes + last_chunk_->used) Version(name, change, by);
  last_chunk_->used += bytes;
  ++last_chunk_->live;
  (newest_ != nullptr ? newest_->written_next : oldest_) = version;
  newest_ = version;
  if (first_linked_ == nullptr) first_linked_ = version;
  ++linked_;
  count(versions_, 1);
  count(bytes_, bytes);
  return *version;
}

void VersionQueue::collect(Timestamp horizon) {
  while (oldest_ != first_linked_ && oldest_->retired < horizon) free_first();
  Version* const first = first_linked_;
  while (first_linked_ != nullptr) {
    const Stamp stamp = first_linked_->overwritten.load(std::memory_order_relaxed);  // [stamp]
    if (stamp.is_above(horizon)) break;
    unlink_first();
  }
  left_ = linked_;
  if (first == first_linked_) return;
  // A reader that stands on one of them, or is about to, has a snapshot that is no younger.
  const Timestamp now = store_.clock_.pass();
  for (Version* version = first; version != first_linked_; version = version->written_next)
    version->retired = now;
}

void VersionQueue::unlink_first() {
  store_.unlink(*first_linked_);
  first_linked_ = first_linked_->written_next;
  --linked_;
}

void VersionQueue::free_first() {
  Version* const version = oldest_;
  const std::size_t bytes =
      rounded(sizeof(Version) + std::size_t{version->key_bytes} + std::size_t{version->before_bytes});
  oldest_ = version->written_next;
  if (oldest_ == nullptr) newest_ = nullptr;
  version->~Version();
  count(versions_, ~std::uint64_t{0});  // one less
  count(bytes_, ~std::uint64_t{bytes} + 1);
  Chunk* const chunk = first_chunk_;
  if (--chunk->live > 0) return;
  if (chunk == last_chunk_) {
    chunk->used = 0;
  } else {
    first_chunk_ = chunk->next;
    put_aside(chunk);
  }
}

void VersionQueue::put_aside(Chunk* chunk) {
  if (spares_ == kSparesMax) {
    delete chunk;
    store_.count_memory(-static_cast<std::int64_t>(sizeof(Chunk)));
    return;
  }
  chunk->next = spare_;
  spare_ = chunk;
  ++spares_;
}

void VersionQueue::clear() {
  while (first_linked_ != nullptr) unlink_first();
  while (oldest_ != nullptr) free_first();
  left_ = 0;
}

// --- all sessions' ---

VersionStore::~VersionStore() = default;

std::unique_ptr<VersionQueue> VersionStore::join() {
  auto queue = std::make_unique<VersionQueue>(*this);
  const std::lock_guard guard(sessions_);
  if (!owned_) {
    owned_ = std::make_unique<Buckets>(memory_placement_, MemoryRegion::locks, std::size_t{1} << kBucketBits);
    buckets_.store(owned_.get(), std::memory_order_release);  // pairs with has(), which joins nothing
  }
  queues_.push_back(queue.get());
  return queue;
}

void VersionStore::leave(std::unique_ptr<VersionQueue> queue) {
  queue->collect(snapshots_.horizon());
  const std::lock_guard guard(sessions_);
  std::erase(queues_, queue.get());
  if (!queue->empty()) left_.push_back(std::move(queue));
  if (queues_.empty()) {
    for (const auto& each : left_) each->clear();
    left_.clear();
  }
  has_left_.store(!left_.empty(), std::memory_order_relaxed);
}

void VersionStore::collect(VersionQueue& queue) {
  const Timestamp horizon = snapshots_.horizon();
  queue.collect(horizon);
  if (!has_left_.load(std::memory_order_relaxed)) return;
  const std::unique_lock guard(sessions_, std::try_to_lock);
  if (!guard.owns_lock()) return;  // another session collects, joins or leaves
  for (const auto& each : left_) each->collect(horizon);
  std::erase_if(left_, [](const auto& each) { return each->empty(); });
  has_left_.store(!left_.empty(), std::memory_order_relaxed);
}

/// The link that leads to the record's newest version; it leads nowhere when there is none. Under the latch.
std::atomic<Version*>* VersionStore::link_to(Bucket& bucket, LockName name, TableId table, Bytes key) {
  std::atomic<Version*>* link = &bucket.first;
  // relaxed: the latch keeps all links as they are.
  for (Version* at; (at = link->load(std::memory_order_relaxed)) != nullptr; link = &at->next_record) {
    if (at->name == name && at->is_of(table, key)) break;
  }
  return link;
}

Version* VersionStore::keep(VersionQueue& queue, const RecordChange& change, Stamp by) {
  const LockName name = lock_name(change.table, change.key);
  Bucket& bucket = bucket_of(*owned_, name);
  const std::lock_guard guard(bucket.latch);  // [latch]
  std::atomic<Version*>* const link = link_to(bucket, name, change.table, change.key);
  Version* const newest = link->load(std::memory_order_relaxed);  // relaxed: the latch
  if (newest != nullptr && newest->overwritten.load(std::memory_order_relaxed) == by)
    return nullptr;  // [stamp]
  Version& version = queue.add(name, change, by);
  if (newest != nullptr) {
    newest->newer = &version;
    version.older.store(newest, std::memory_order_relaxed);  // relaxed: the last store publishes it
    version.next_record.store(newest->next_record.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  link->store(&version, std::memory_order_release);  // [link]
  return &version;
}

/// Unlinks the version with all older ones of its record, which were overwritten longer ago. When another session comes to
/// one of these, it finds it unlinked.
void VersionStore::unlink(Version& version) {
  Bucket& bucket = bucket_of(*owned_, version.name);
  const std::lock_guard guard(bucket.latch);  // [latch]
  if (!version.linked) return;
  if (version.newer != nullptr) {
    version.newer->older.store(nullptr, std::memory_order_relaxed);  // relaxed: it leads nowhere
  } else {
    link_to(bucket, version.name, version.table, version.key())
        ->store(version.next_record.load(std::memory_order_relaxed), std::memory_order_release);  // [link]
  }
  // relaxed: the latch keeps all links as they are.
  for (Version* each = &version; each != nullptr; each = each->older.load(std::memory_order_relaxed))
    each->linked = false;
}

void VersionStore::stamp(const WrittenVersions& written, Stamp stamp, Lsn end) {
  Version* version = written.first;
  // Does not read the last one's link: its session may have written on.
  for (std::size_t left = written.count; left > 0; --left) {
    version->overwritten.store(stamp, std::memory_order_relaxed);  // [stamp]
    if (end != 0) raise(bucket_of(*owned_, version->name).end, end);
    if (left > 1) version = version->written_next;
  }
}

void VersionStore::roll_back(const WrittenVersions& written) noexcept {
  if (written.count == 0) return;
  const Timestamp now = clock_.take();
  stamp(written, Stamp::rolled_back(now), 0);
  clock_.finish(now);
}

const Version* VersionStore::newest(const Bucket& bucket, LockName name, TableId table, Bytes key,
                                    std::uint32_t& steps) {
  const Version* at = bucket.first.load(std::memory_order_acquire);  // [link]
  while (at != nullptr) {
    ++steps;
    if (at->name == name && at->is_of(table, key)) break;
    at = at->next_record.load(std::memory_order_acquire);  // [link]
  }
  return at;
}

VersionStore::View VersionStore::look(TableId table, Bytes key, Timestamp snapshot, Stamp by) const {
  View view;
  const Version* oldest = nullptr;
  const LockName name = lock_name(table, key);
  const Bucket& bucket = bucket_of(*owned_, name);
  view.depends_on = bucket.end.load(std::memory_order_relaxed);  // [stamp]
  const Version* at = newest(bucket, name, table, key, view.steps);
  while (at != nullptr) {
    const Stamp stamp = at->overwritten.load(std::memory_order_relaxed);  // [stamp]
    if (stamp == by) {
      view.shows = View::Shows::own;  // the newest: it holds the record's lock
      return view;
    }
    if (!stamp.is_above(snapshot)) break;
    oldest = at;
    at = at->older.load(std::memory_order_acquire);  // [link]
    if (at != nullptr) ++view.steps;
  }
  if (oldest == nullptr) return view;
  view.shows = oldest->absent ? View::Shows::absent : View::Shows::before;
  view.value = oldest->before();
  return view;
}

bool VersionStore::is_overwritten_above(TableId table, Bytes key, Timestamp snapshot, Stamp by) const {
  std::uint32_t steps = 0;
  const LockName name = lock_name(table, key);
  const Version* at = newest(bucket_of(*owned_, name), name, table, key, steps);
  for (; at != nullptr; at = at->older.load(std::memory_order_acquire)) {  // [link]
    const Stamp stamp = at->overwritten.load(std::memory_order_relaxed);   // [stamp]
    if (stamp == by || !stamp.is_above(snapshot)) return false;
    if (!stamp.was_rolled_back()) return true;
  }
  return false;
}

bool VersionStore::has(TableId table, Bytes key) const {
  Buckets* const buckets = buckets_.load(std::memory_order_acquire);  // pairs with join()
  if (buckets == nullptr) return false;
  const LockName name = lock_name(table, key);
  Bucket& bucket = bucket_of(*buckets, name);
  const std::lock_guard guard(bucket.latch);  // [latch]: nothing that it reads is freed meanwhile
  return link_to(bucket, name, table, key)->load(std::memory_order_relaxed) != nullptr;
}

void VersionStore::count_memory(std::int64_t bytes) {
  const std::uint64_t now = memory_.fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed) +
                            static_cast<std::uint64_t>(bytes);
  std::uint64_t peak = memory_peak_.load(std::memory_order_relaxed);
  while (now > peak && bytes > 0 &&
         !memory_peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {}
}

VersionStatistics VersionStore::statistics() const {
  VersionStatistics all;
  const std::lock_guard guard(sessions_);
  const auto add = [&](const VersionQueue& queue) {
    all.versions += queue.versions();
    all.bytes += queue.bytes();
  };
  for (const VersionQueue* queue : queues_) add(*queue);
  for (const auto& queue : left_) add(*queue);
  all.memory_bytes = memory_.load(std::memory_order_relaxed);
  all.memory_bytes_peak = memory_peak_.load(std::memory_order_relaxed);
  const Timestamp horizon = snapshots_.horizon();  // before visible(), which can only have risen since
  all.oldest_snapshot_age = clock_.visible() - horizon;
  return all;
}

}  // namespace muster
