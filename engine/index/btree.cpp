#include "engine/index/btree.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <span>
#include <string>
#include <utility>

#include "algorithms/parts/backoff.h"
#include "engine/error.h"
#include "engine/index/structure_change.h"
#include "engine/storage/page_words.h"

namespace muster {
namespace {

/// Fetches a page's header and first slots while its state word is still on its way.
void prefetch(const std::byte* page) {
  __builtin_prefetch(page);
  __builtin_prefetch(page + 64);
  __builtin_prefetch(page + 128);
}

/// Whether the leaves have not changed since the caller read them. The caller has taken a latch or a lock since.
bool unchanged(std::span<const OptimisticGuard> leaves) {
  // seq_cst, pairs with itself: an insertion has latched the lower leaf, and a scan has seen a change of the upper one. Either
  // the scan sees that latch, or the insertion sees that change.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return std::ranges::all_of(leaves, &OptimisticGuard::valid);
}

}  // namespace

bool BTree::Leaves::is_current() const {
  return guards.size() == 1 ? guards.front().valid() : unchanged(guards);
}

void BTree::create(BufferManager& buffers, TableId table, ChangeLog& log) {
  ExclusiveGuard header(buffers, buffers.space(table), kHeader);
  ExclusiveGuard root(buffers, buffers.space(table), kRoot);
  StructureChange change(table);
  change.replace(header).format_header(kRoot + 1, 0);
  change.replace(root).format_tree_page(0, {}, std::nullopt);
  change.commit(log);
}

BTree::BTree(BufferManager& buffers, TableId table, ReadLatch read_latch)
    : buffers_(&buffers), space_(&buffers.space(table)), read_latch_(read_latch) {
  const SharedGuard header(buffers, *space_, kHeader);
  if (PageView(header.bytes()).shape().kind != PageKind::header)
    throw damage(kHeader, "is not a tree's header");
}

DamageError BTree::damage(PageNumber page, const char* what) const {
  const Lsn lsn = page < space_->pages_max() ? load_word(space_->page(page)) : 0;
  return space_->damage(page, lsn, what);
}

std::optional<OptimisticGuard> BTree::descend(Bytes key) const {
  OptimisticGuard node(*buffers_, *space_, kRoot);
  for (;;) {
    const PageView page(node.bytes());
    const PageShape shape = page.shape();
    if (shape.kind == PageKind::leaf) return node;
    const PageNumber child = page.child_for(shape, key);
    if (!node.valid()) return std::nullopt;
    if (shape.kind != PageKind::inner) throw damage(node.page(), "is not a tree page");
    if (child >= space_->pages_max()) throw damage(node.page(), "has a child that cannot be");
    prefetch(space_->page(child));
    const OptimisticGuard next(*buffers_, *space_, child);
    if (!node.valid()) return std::nullopt;  // the child's version is from a time when it was the child
    node = next;
  }
}

template <class Guard>
Guard BTree::latch_leaf(Bytes key) const {
  Guard node(*buffers_, *space_, kRoot);
  for (;;) {
    const PageView page(node.bytes());
    const PageShape shape = page.shape();
    if (shape.kind == PageKind::leaf) return node;
    if (shape.kind != PageKind::inner) throw damage(node.page(), "is not a tree page");
    const PageNumber child = page.child_for(shape, key);
    if (child >= space_->pages_max()) throw damage(node.page(), "has a child that cannot be");
    prefetch(space_->page(child));
    Guard next(*buffers_, *space_, child);  // while `node` holds still: it is the child
    node = std::move(next);
  }
}

template <class Guard>
Status BTree::find_latched(Bytes key, std::vector<std::byte>& value) const {
  const Guard leaf = latch_leaf<Guard>(key);
  const PageView page(leaf.bytes());
  const PagePosition position = page.search(page.shape(), key);
  if (!position.equal || page.is_ghost(position.index)) return Status::not_found;
  page.copy_value(position.index, value);
  return Status::ok;
}

Status BTree::find(Bytes key, std::vector<std::byte>& value) const {
  if (read_latch_ == ReadLatch::shared) return find_latched<SharedGuard>(key, value);
  if (read_latch_ == ReadLatch::exclusive) return find_latched<ExclusiveReadGuard>(key, value);
  for (Backoff backoff;; backoff.pause()) {
    const auto leaf = descend(key);
    if (!leaf) continue;
    const PageView page(leaf->bytes());
    const PagePosition position = page.search(page.shape(), key);
    const bool found = position.equal && !page.is_ghost(position.index);
    if (found) page.copy_value(position.index, value);
    if (leaf->valid()) return found ? Status::ok : Status::not_found;
  }
}

Status BTree::insert(Bytes key, Bytes value, ChangeLog& log) {
  check_record(key, value);
  for (Backoff backoff;; backoff.pause()) {
    const auto leaf = descend(key);
    if (!leaf) continue;
    PageEditor page(space_->page(leaf->page()));
    const PageShape shape = page.shape();
    const PagePosition position = page.search(shape, key);
    const bool revives = position.equal && page.is_ghost(position.index);
    const std::size_t old_bytes = revives ? page.record_bytes_at(position.index) : 0;
    if (!leaf->valid()) continue;
    if (position.equal && !revives) return Status::already_exists;
    if (page.free_bytes(shape) + old_bytes < record_bytes(key.size() - shape.prefix, value.size())) {
      make_room(*leaf, key, value.size(), log);
      continue;
    }
    // If the successor is in another leaf, look for it while no latch is held.
    const bool is_last = position.index == shape.slots;
    const Successor beyond = is_last && shape.bounded ? successor_of(key) : Successor();
    ExclusiveGuard guard(*leaf);
    if (!guard.owns()) continue;
    if (!revives) {
      const auto successor = is_last ? beyond.key : page.key(shape, position.index);
      const Bytes successor_bytes(successor);
      const bool exists = !is_last || beyond.exists;
      if (!log.may_insert(space_->id(), key, exists ? &successor_bytes : nullptr)) return Status::conflict;
      if (!beyond.leaves.guards.empty() && !unchanged(std::span(beyond.leaves.guards).subspan(1))) continue;
    }
    const Lsn lsn = log.change({.table = space_->id(),
                                .page = guard.page(),
                                .kind = ChangeKind::insert,
                                .key = key,
                                .before = {},
                                .after = value});
    if (revives) {
      page.revive(position.index, value);
    } else {
      page.insert(position.index, key, value);
    }
    page.set_lsn(lsn);
    guard.mark_changed();
    return Status::ok;
  }
}

Status BTree::update(Bytes key, Bytes value, ChangeLog& log) {
  check_record(key, value);
  for (Backoff backoff;; backoff.pause()) {
    const auto leaf = descend(key);
    if (!leaf) continue;
    PageEditor page(space_->page(leaf->page()));
    const PageShape shape = page.shape();
    const PagePosition position = page.search(shape, key);
    const bool found = position.equal && !page.is_ghost(position.index);
    const std::size_t old_bytes = found ? page.record_bytes_at(position.index) : 0;
    if (!leaf->valid()) continue;
    if (!found) return Status::not_found;
    if (page.free_bytes(shape) + old_bytes < record_bytes(key.size() - shape.prefix, value.size())) {
      make_room(*leaf, key, value.size(), log);
      continue;
    }
    ExclusiveGuard guard(*leaf);
    if (!guard.owns()) continue;
    const Lsn lsn = log.change({.table = space_->id(),
                                .page = guard.page(),
                                .kind = ChangeKind::update,
                                .key = key,
                                .before = page.value(position.index),
                                .after = value});
    page.update(position.index, value);
    page.set_lsn(lsn);
    guard.mark_changed();
    return Status::ok;
  }
}

/// Changes a record that needs no more room. `change` runs under the leaf's latch: it logs, changes the page, and returns
/// the LSN; or it throws before it has done either.
template <class Change>
Status BTree::change_in_place(Bytes key, Change change) {
  for (Backoff backoff;; backoff.pause()) {
    const auto leaf = descend(key);
    if (!leaf) continue;
    PageEditor page(space_->page(leaf->page()));
    const PagePosition position = page.search(page.shape(), key);
    const bool found = position.equal && !page.is_ghost(position.index);
    if (!leaf->valid()) continue;
    if (!found) return Status::not_found;
    ExclusiveGuard guard(*leaf);
    if (!guard.owns()) continue;
    page.set_lsn(change(page, guard.page(), position.index));
    guard.mark_changed();
    return Status::ok;
  }
}

Status BTree::remove(Bytes key, ChangeLog& log) {
  check_record(key, {});
  return change_in_place(key, [&](PageEditor& page, PageNumber number, std::uint32_t index) {
    const Lsn lsn = log.change({.table = space_->id(),
                                .page = number,
                                .kind = ChangeKind::remove,
                                .key = key,
                                .before = page.value(index),
                                .after = {}});
    page.make_ghost(index);
    return lsn;
  });
}

Status BTree::increment(Bytes key, const Increment& what, ChangeLog& log) {
  const Increment inverse = what.inverse();
  return change_in_place(key, [&](PageEditor& page, PageNumber number, std::uint32_t index) {
    require_number(what.offset, page.value_size(index));
    const Lsn lsn = log.change({.table = space_->id(),
                                .page = number,
                                .kind = ChangeKind::increment,
                                .key = key,
                                .before = inverse.bytes(),
                                .after = what.bytes()});
    page.increment(index, what.offset, what.by);
    return lsn;
  });
}

void BTree::reclaim(Bytes key, ChangeLog& log) {
  for (Backoff backoff;; backoff.pause()) {
    const auto leaf = descend(key);
    if (!leaf) continue;
    const PageView page(leaf->bytes());
    const PagePosition position = page.search(page.shape(), key);
    const bool ghost = position.equal && page.is_ghost(position.index);
    if (!leaf->valid()) continue;
    if (!ghost) return;
    ExclusiveGuard guard(*leaf);
    if (!guard.owns()) continue;
    reclaim_leaf(std::move(guard), key, log);
    return;
  }
}

/// Takes away the ghosts that may go, and merges the leaf if little is left. False: there is none.
bool BTree::reclaim_leaf(ExclusiveGuard leaf, Bytes key, ChangeLog& log) {
  PageEditor page(leaf.bytes());
  const PageShape shape = page.shape();
  Reclaim ghosts{.table = space_->id(), .page = leaf.page(), .slots = {}};
  for (std::uint32_t index = 0; index < shape.slots; ++index) {
    if (!page.is_ghost(index) || !log.may_reclaim(space_->id(), page.key(shape, index))) continue;
    ghosts.slots.push_back(static_cast<std::uint16_t>(index));
  }
  if (ghosts.slots.empty()) return false;
  const std::size_t content_before = page.content_bytes();
  const Lsn lsn = log.reclaim(ghosts);
  page.remove(ghosts.slots);
  page.set_lsn(lsn);
  leaf.mark_changed();
  const std::size_t content = page.content_bytes();
  leaf.release();
  // Once on the way down and once at the end: a neighbour without room is not asked every time.
  if (content == 0 || (content < kContentMin && content_before >= kContentMin)) shrink(key, log);
  return true;
}

/// Makes a whole copy of the leaf for `key`; returns nothing when a page changed on the way.
std::optional<OptimisticGuard> BTree::copy_leaf(Bytes key, std::span<std::byte, kPageBytes> copy) const {
  const auto copied = [&](const auto& leaf) {
    copy_from_page(copy.data(), leaf.bytes(), kPageBytes);
    return OptimisticGuard(leaf);
  };
  switch (read_latch_) {
    case ReadLatch::shared:
      return copied(latch_leaf<SharedGuard>(key));
    case ReadLatch::exclusive:
      return copied(latch_leaf<ExclusiveReadGuard>(key));
    case ReadLatch::optimistic:
      break;
  }
  const auto leaf = descend(key);
  if (!leaf) return std::nullopt;
  copied(*leaf);
  return leaf->valid() ? leaf : std::nullopt;
}

bool BTree::scan(Bytes from, const std::function<bool(const TableRecord& record)>& visit) const {
  Leaves leaves;
  return walk(from, leaves, visit);
}

/// As scan(). `leaves` are those that the walk has read since the last visit, or since it began.
bool BTree::walk(Bytes from, Leaves& leaves,
                 const std::function<bool(const TableRecord& record)>& visit) const {
  alignas(kWordBytes) std::array<std::byte, kPageBytes> copy;
  std::vector<std::byte> cursor(from.begin(), from.end());
  for (Backoff backoff;;) {
    const auto leaf = copy_leaf(cursor, copy);
    if (!leaf) {
      backoff.pause();
      continue;
    }
    backoff = Backoff();
    leaves.guards.push_back(*leaf);
    const PageView page(copy.data());
    const PageShape shape = page.shape();
    for (std::uint32_t index = page.search(shape, cursor).index; index < shape.slots; ++index) {
      const std::vector<std::byte> key = page.key(shape, index);
      const TableRecord record{
          .key = key, .value = page.value(index), .ghost = page.is_ghost(index), .position = &leaves};
      if (!visit(record)) return false;
      leaves.guards.erase(leaves.guards.begin(), leaves.guards.end() - 1);
    }
    if (!shape.bounded) return true;
    const Bytes next = page.upper_fence(shape);
    cursor.assign(next.begin(), next.end());
  }
}

BTree::Successor BTree::successor_of(Bytes key) const {
  Successor found;
  walk(key, found.leaves, [&](const TableRecord& record) {
    found.key.assign(record.key.begin(), record.key.end());
    found.exists = true;
    return false;
  });
  return found;
}

bool BTree::next_key(Bytes key, std::vector<std::byte>& next) const {
  bool found = false;
  scan(key, [&](const TableRecord& record) {
    if (std::ranges::equal(record.key, key)) return true;
    next.assign(record.key.begin(), record.key.end());
    found = true;
    return false;
  });
  return found;
}

}  // namespace muster
