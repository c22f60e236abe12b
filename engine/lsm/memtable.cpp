#include "engine/lsm/memtable.h"

#include <algorithm>
#include <cassert>

namespace muster::lsm {
namespace {

class Iterator final : public EntryIterator {
 public:
  explicit Iterator(const SkipList& list) : list_(list) {}

  bool valid() const override { return node_ != nullptr; }
  void seek_to_first() override { node_ = list_.first(); }
  void seek_to_last() override { node_ = list_.last(); }
  void seek(Bytes key) override { node_ = list_.at_least(key, SkipList::kNewest); }
  void seek_below(Bytes key) override { node_ = list_.before(key, SkipList::kNewest); }
  void next() override { node_ = node_->next(); }
  void previous() override { node_ = list_.before(node_->key(), node_->lsn()); }  // nodes have no link back
  Entry entry() const override { return node_->entry(); }

 private:
  const SkipList& list_;
  const SkipList::Node* node_ = nullptr;
};

/// Counts and bounds publish nothing, hence relaxed.
void lower(std::atomic<Lsn>& bound, Lsn lsn) {
  Lsn known = bound.load(std::memory_order_relaxed);
  while (lsn < known && !bound.compare_exchange_weak(known, lsn, std::memory_order_relaxed)) {}
}
void raise(std::atomic<Lsn>& bound, Lsn lsn) {
  Lsn known = bound.load(std::memory_order_relaxed);
  while (lsn > known && !bound.compare_exchange_weak(known, lsn, std::memory_order_relaxed)) {}
}

}  // namespace

bool Memtable::add(const Entry& entry) {
  assert(entry.lsn > 0);
  Counts& counts = counts_.here();
  lower(counts.least, entry.lsn);
  raise(counts.greatest, entry.lsn);
  if (!list_.insert(entry)) return false;
  counts.entries.fetch_add(1, std::memory_order_relaxed);
  return true;
}

std::optional<Entry> Memtable::find(Bytes key) const {
  const SkipList::Node* const node = list_.at_least(key, SkipList::kNewest);
  if (node == nullptr || compare_keys(node->key(), key) != 0) return std::nullopt;
  return node->entry();
}

std::unique_ptr<EntryIterator> Memtable::iterator() const {
  return std::make_unique<Iterator>(list_);
}

std::size_t Memtable::entries() const {
  std::size_t sum = 0;
  counts_.for_each([&sum](const Counts& counts) { sum += counts.entries.load(std::memory_order_relaxed); });
  return sum;
}

Lsn Memtable::least_lsn() const {
  Lsn least = kNone;
  counts_.for_each([&least](const Counts& counts) {
    least = std::min(least, counts.least.load(std::memory_order_relaxed));
  });
  return least == kNone ? 0 : least;
}

Lsn Memtable::greatest_lsn() const {
  Lsn greatest = 0;
  counts_.for_each([&greatest](const Counts& counts) {
    greatest = std::max(greatest, counts.greatest.load(std::memory_order_relaxed));
  });
  return greatest;
}

}  // namespace muster::lsm
