#include "engine/txn/redo_workers.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "engine/index/redo.h"
#include "engine/txn/lock_name.h"

namespace muster {
namespace {

constexpr std::uint64_t kEnd = ~std::uint64_t{0};  // in place of the number of filled batches

TableId table_of(const auto& page_change) {
  return std::visit([](const auto& change) { return change.table; }, page_change.change);
}
PageNumber page_of(const auto& page_change) {
  return std::visit([](const auto& change) { return change.page; }, page_change.change);
}

}  // namespace

/// Changes and the bytes that they point to.
class RedoWorkers::Batch {
 public:
  bool is_empty() const { return changes_.empty(); }
  /// An empty one takes everything.
  bool has_room(std::size_t bytes) const {
    return is_empty() || (changes_.size() < kChangesMax && bytes_.size() + bytes <= bytes_.capacity());
  }
  /// Before the first change.
  void reserve(std::size_t bytes) { bytes_.reserve(std::max(bytes, kBatchBytes)); }
  void add(PageChange change) { changes_.push_back(std::move(change)); }
  /// A copy that lasts until clear().
  Bytes keep(Bytes from) {
    bytes_.insert(bytes_.end(), from.begin(), from.end());
    return Bytes(bytes_).last(from.size());
  }
  void clear() {
    changes_.clear();
    bytes_.clear();
  }
  const std::vector<PageChange>& changes() const { return changes_; }

 private:
  static constexpr std::size_t kChangesMax = 512;

  std::vector<PageChange> changes_;
  std::vector<std::byte> bytes_;  // never grows while there are changes
};

struct RedoWorkers::Worker {
  std::array<Batch, kBatches> batches;  // a ring
  std::exception_ptr failure;           // the worker's until its batch is [emptied], as is what follows
  std::uint64_t failed_at = 0;
  Counts counts;
  alignas(kCacheLine) std::atomic<std::uint64_t> filled{0};   // [filled] written by the reader
  alignas(kCacheLine) std::atomic<std::uint64_t> emptied{0};  // [emptied] written by the worker
  std::jthread thread;                                        // last: it uses the others
};

RedoWorkers::RedoWorkers(BufferManager& buffers, const SelfStoredTables& self_stored, std::uint32_t workers)
    : buffers_(buffers), self_stored_(self_stored) {
  if (workers == 0) workers = std::max(1U, std::thread::hardware_concurrency());
  workers = std::min(workers, kWorkersMax);
  for (std::uint32_t i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>());
}

RedoWorkers::~RedoWorkers() {
  for (const auto& worker : workers_) {
    worker->filled.store(kEnd, std::memory_order_relaxed);  // relaxed: no batch comes with it
    worker->filled.notify_one();
  }
}

void RedoWorkers::add(const RecordChange& change, Lsn record_end) {
  const std::uint64_t page_or_key =
      self_stored(change.table) != nullptr ? lock_name(change.table, change.key) : change.page;
  Batch& batch = room_in(worker_of(change.table, page_or_key), change.key.size() + change.after.size());
  const Bytes key = batch.keep(change.key);
  batch.add({added_++, record_end,
             RecordChange{change.table, change.page, change.kind, key, {}, batch.keep(change.after)}});
}

void RedoWorkers::add(const PageImage& image, Lsn record_end) {
  Batch& batch = room_in(worker_of(image.table, image.page), image.bytes.size());
  batch.add({added_++, record_end, PageImage{image.table, image.page, batch.keep(image.bytes)}});
}

void RedoWorkers::add(Reclaim reclaim, Lsn record_end) {
  Batch& batch = room_in(worker_of(reclaim.table, reclaim.page), 0);
  batch.add({added_++, record_end, std::move(reclaim)});
}

RedoWorkers::Counts RedoWorkers::drain() {
  for (const auto& worker : workers_) hand_over(*worker);
  Counts sum;
  const Worker* first = nullptr;
  for (const auto& worker : workers_) {
    const std::uint64_t filled = worker->filled.load(std::memory_order_relaxed);  // relaxed: the reader's own
    wait_until_emptied(*worker, filled);
    sum.redone += worker->counts.redone;
    sum.up_to_date += worker->counts.up_to_date;
    if (worker->failure && (first == nullptr || worker->failed_at < first->failed_at)) first = worker.get();
  }
  if (first != nullptr) std::rethrow_exception(first->failure);
  return sum;
}

SelfStoredTable* RedoWorkers::self_stored(TableId table) const {
  const auto found = self_stored_.find(table);
  return found != self_stored_.end() ? found->second : nullptr;
}

RedoWorkers::Worker& RedoWorkers::worker_of(TableId table, std::uint64_t page_or_key) {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;  // spreads neighbours (Knuth, multiplicative hashing)
  const std::uint64_t hash = (page_or_key ^ std::uint64_t{table} << 40) * kGolden;
  return *workers_[(hash >> 32) % workers_.size()];
}

/// The batch that takes the next change of so many bytes.
RedoWorkers::Batch& RedoWorkers::room_in(Worker& worker, std::size_t bytes) {
  if (failed_.load(std::memory_order_relaxed)) drain();
  if (!open_batch(worker).has_room(bytes)) hand_over(worker);
  Batch& batch = open_batch(worker);
  if (batch.is_empty()) batch.reserve(bytes);
  return batch;
}

/// The one that the reader fills, once the worker has emptied it.
RedoWorkers::Batch& RedoWorkers::open_batch(Worker& worker) {
  const std::uint64_t filled = worker.filled.load(std::memory_order_relaxed);  // relaxed: the reader's own
  if (filled >= kBatches) wait_until_emptied(worker, filled - kBatches + 1);
  return worker.batches[filled % kBatches];
}

/// Until the worker is done with the first `batches`.
void RedoWorkers::wait_until_emptied(Worker& worker, std::uint64_t batches) {
  for (;;) {
    const std::uint64_t emptied = worker.emptied.load(std::memory_order_acquire);  // [emptied]
    if (emptied >= batches) return;
    worker.emptied.wait(emptied, std::memory_order_relaxed);  // the load above acquires
  }
}

/// Gives the worker the open batch, if there is anything in it.
void RedoWorkers::hand_over(Worker& worker) {
  if (open_batch(worker).is_empty()) return;
  worker.filled.fetch_add(1, std::memory_order_release);  // [filled]
  worker.filled.notify_one();
  if (!worker.thread.joinable()) {
    worker.thread = std::jthread([this, &worker] { run(worker); });
  }
}

void RedoWorkers::run(Worker& worker) {
  for (std::uint64_t emptied = 0;;) {
    worker.filled.wait(emptied, std::memory_order_relaxed);             // the load acquires
    if (worker.filled.load(std::memory_order_acquire) == kEnd) return;  // [filled]
    Batch& batch = worker.batches[emptied % kBatches];
    if (!worker.failure) redo(worker, batch);
    batch.clear();
    worker.emptied.store(++emptied, std::memory_order_release);  // [emptied]
    worker.emptied.notify_one();
  }
}

bool RedoWorkers::redo(const auto& change, Lsn record_end) {
  if constexpr (std::is_same_v<decltype(change), const RecordChange&>) {
    if (SelfStoredTable* const table = self_stored(change.table)) return table->redo(change, record_end);
  }
  return muster::redo(buffers_, change, record_end);
}

void RedoWorkers::redo(Worker& worker, const Batch& batch) {
  // Many reads are on their way before the first is waited for.
  for (const PageChange& some : batch.changes()) {
    if (self_stored(table_of(some)) == nullptr) buffers_.prefetch(table_of(some), page_of(some));
  }
  for (const PageChange& some : batch.changes()) {
    const auto apply = [&](const auto& change) { return redo(change, some.record_end); };
    try {
      ++(std::visit(apply, some.change) ? worker.counts.redone : worker.counts.up_to_date);
    } catch (...) {
      worker.failure = std::current_exception();
      worker.failed_at = some.number;
      failed_.store(true, std::memory_order_relaxed);
      return;
    }
  }
}

}  // namespace muster
