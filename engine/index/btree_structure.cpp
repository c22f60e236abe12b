#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <numeric>
#include <system_error>

#include "engine/error.h"
#include "engine/index/btree.h"
#include "engine/index/structure_change.h"

namespace muster {
namespace {

/// What a merge must leave free, or the next insertion would split the page again.
constexpr std::size_t kMergedFreeMin = kPageCapacity / 8;

std::array<std::byte, sizeof(PageNumber)> bytes_of(PageNumber page) {
  return std::bit_cast<std::array<std::byte, sizeof(PageNumber)>>(page);
}

std::optional<Bytes> upper_of(const PageView& page, const PageShape& shape) {
  return shape.bounded ? std::optional(page.upper_fence(shape)) : std::nullopt;
}

/// The shortest string in (left, right]: separates what is smaller than `right` from the rest.
std::vector<std::byte> separator_between(Bytes left, Bytes right) {
  std::size_t common = 0;
  while (common < left.size() && left[common] == right[common]) ++common;
  return {right.begin(), right.begin() + static_cast<std::ptrdiff_t>(common) + 1};
}

/// Where a page may be cut, best first: cut i puts `sizes[0, i)` to the left. An append at the tree's end
/// leaves the old page full, so that loading in key order fills the pages.
std::vector<std::uint32_t> cuts_by_preference(const std::vector<std::size_t>& sizes, bool appending) {
  const std::size_t total = std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
  std::vector<std::pair<std::size_t, std::uint32_t>> cuts;  // imbalance, cut
  std::size_t left = 0;
  for (std::uint32_t cut = 1; cut < sizes.size(); ++cut) {
    left += sizes[cut - 1];
    const bool preferred = appending && cut + 1 == sizes.size();
    cuts.emplace_back(preferred ? 0 : 1 + (2 * left > total ? 2 * left - total : total - 2 * left), cut);
  }
  std::sort(cuts.begin(), cuts.end());
  std::vector<std::uint32_t> order;
  for (const auto& [imbalance, cut] : cuts) order.push_back(cut);
  return order;
}

/// A page in two, in private memory.
struct Halves {
  struct alignas(kWordBytes) Page {
    std::array<std::byte, kPageBytes> bytes{};
  };
  Page left, right;
  std::vector<std::byte> separator;

  bool build(const PageView& page, const PageShape& shape, std::uint32_t left_end,
             std::uint32_t right_begin) {
    PageEditor smaller(left.bytes.data());
    PageEditor greater(right.bytes.data());
    smaller.format_tree_page(shape.level, page.lower_fence(shape), separator);
    greater.format_tree_page(shape.level, separator, upper_of(page, shape));
    return smaller.append(page, 0, left_end) && greater.append(page, right_begin, shape.slots);
  }
};

/// The record that finds no room takes part in the decision: it may become the only one of a half.
void split_leaf(const PageView& page, const PageShape& shape, Bytes key, std::size_t value_bytes,
                Halves& halves) {
  const PagePosition position = page.search(shape, key);
  std::vector<std::size_t> sizes;
  for (std::uint32_t index = 0; index < shape.slots; ++index) sizes.push_back(page.record_bytes_at(index));
  const std::size_t wanted = record_bytes(key.size() - shape.prefix, value_bytes);
  if (position.equal) {
    sizes[position.index] = wanted;
  } else {
    sizes.insert(sizes.begin() + position.index, wanted);
  }
  const auto key_at = [&](std::uint32_t virtual_index) -> std::vector<std::byte> {
    if (!position.equal && virtual_index == position.index) return {key.begin(), key.end()};
    return page.key(shape, virtual_index - (!position.equal && virtual_index > position.index ? 1 : 0));
  };
  const bool appending = !shape.bounded && !position.equal && position.index == shape.slots;
  for (const std::uint32_t cut : cuts_by_preference(sizes, appending)) {
    halves.separator = separator_between(key_at(cut - 1), key_at(cut));
    const std::uint32_t records_left = cut - (!position.equal && position.index < cut ? 1 : 0);
    if (halves.build(page, shape, records_left, records_left)) return;
  }
  assert(false);  // a cut through records of at most 1544 bytes leaves halves that fit beside any fences
}

/// One separator moves up; its child becomes the last one of the left half.
void split_inner(const PageView& page, const PageShape& shape, Bytes key, Halves& halves) {
  std::vector<std::size_t>
      sizes;  // all but the last separator: none may move up that leaves a half without any
  for (std::uint32_t index = 0; index + 1 < shape.slots; ++index)
    sizes.push_back(page.record_bytes_at(index));
  const bool appending = !shape.bounded && page.search(shape, key).index == shape.slots;
  for (const std::uint32_t cut : cuts_by_preference(sizes, appending)) {
    halves.separator = page.key(shape, cut);
    if (!halves.build(page, shape, cut, cut + 1)) continue;
    PageEditor(halves.left.bytes.data()).set_link(page.child_at(shape, cut));
    PageEditor(halves.right.bytes.data()).set_link(page.link());
    return;
  }
  assert(false);  // a full inner page has four separators at least
}

}  // namespace

/// Inner pages hold still while the header is latched, so one latch at a time is enough.
BTree::Path BTree::path_to(Bytes key) const {
  Path path{kRoot};
  for (;;) {
    const SharedGuard guard(*buffers_, *space_, path.back());
    const PageView page(guard.bytes());
    const PageShape shape = page.shape();
    if (shape.kind == PageKind::leaf) return path;
    if (shape.kind != PageKind::inner) throw damage(guard.page(), "is not a tree page");
    path.push_back(page.child_for(shape, key));
    if (path.back() >= space_->pages_max()) throw damage(guard.page(), "has a child that cannot be");
  }
}

/// Takes a page off the free list or the table's end, in the header's new state.
ExclusiveGuard BTree::allocate(PageEditor header) const {
  const PageNumber pages = header.link();
  if (header.first_free() != 0) {
    ExclusiveGuard guard = latch(header.first_free());
    const PageView page(guard.bytes());
    if (page.shape().kind != PageKind::free) throw damage(guard.page(), "is on the free list and not free");
    header.format_header(pages, page.link());
    return guard;
  }
  if (pages >= space_->pages_max()) {
    throw std::system_error(ENOSPC, std::generic_category(), fmt::format("table {}", space_->id()));
  }
  header.format_header(pages + 1, 0);
  return latch(pages);
}

/// Takes ghosts out of the leaf for `key`; without any, splits it, or the lowest page above it whose parent has room. The
/// caller tries again.
void BTree::make_room(const OptimisticGuard& leaf, Bytes key, std::size_t value_bytes, ChangeLog& log) {
  ExclusiveGuard guard(leaf);
  if (!guard.owns() || reclaim_leaf(std::move(guard), key, log)) return;
  ExclusiveGuard header = latch(kHeader);
  const Path path = path_to(key);
  for (std::size_t depth = path.size(); depth-- > 0;) {
    if (split(path, depth, header, key, value_bytes, log)) return;
  }
}

/// False, with nothing done, when the parent has no room for one more separator.
bool BTree::split(const Path& path, std::size_t depth, ExclusiveGuard& header, Bytes key,
                  std::size_t value_bytes, ChangeLog& log) {
  ExclusiveGuard parent;
  if (readers_couple() && depth > 0) parent = latch(path[depth - 1]);
  ExclusiveGuard node = latch(path[depth]);
  const PageView page(node.bytes());
  const PageShape shape = page.shape();
  const auto halves = std::make_unique<Halves>();
  if (shape.kind == PageKind::leaf) {
    const PagePosition position = page.search(shape, key);
    const std::size_t old_bytes = position.equal ? page.record_bytes_at(position.index) : 0;
    const std::size_t wanted = record_bytes(key.size() - shape.prefix, value_bytes);
    if (page.free_bytes(shape) + old_bytes >= wanted) return true;  // somebody else was here first
    split_leaf(page, shape, key, value_bytes, *halves);
  } else {
    split_inner(page, shape, key, *halves);
  }

  StructureChange change(space_->id());
  ExclusiveGuard left, right;
  if (depth == 0) {
    PageEditor header_after = change.modify(header);
    left = allocate(header_after);
    right = allocate(header_after);
    PageEditor root = change.replace(node);
    root.format_tree_page(shape.level + 1, {}, std::nullopt);
    root.set_link(right.page());
    root.insert(0, halves->separator, bytes_of(left.page()));
    change.replace(left).install(PageView(halves->left.bytes.data()).image());
  } else {
    if (!parent.owns()) parent = latch(path[depth - 1]);
    PageEditor parent_after = change.modify(parent);
    std::uint32_t at = 0;
    if (parent_after.child_for(parent_after.shape(), key, &at) != node.page()) {
      throw damage(parent.page(), "does not lead to its child");
    }
    if (!parent_after.insert(at, halves->separator, bytes_of(node.page()))) return false;
    right = allocate(change.modify(header));
    parent_after.set_child_at(at + 1, right.page());
    change.replace(node).install(PageView(halves->left.bytes.data()).image());
  }
  change.replace(right).install(PageView(halves->right.bytes.data()).image());
  change.commit(log);
  return true;
}

/// Merges the leaf for `key` and what is above it as far as pages have become small.
void BTree::shrink(Bytes key, ChangeLog& log) {
  ExclusiveGuard header = latch(kHeader);
  const Path path = path_to(key);
  for (std::size_t depth = path.size(); --depth > 0;) {
    if (!merge(path, depth, header, key, log)) return;
  }
  collapse_root(header, log);
}

/// Unites a small page with a neighbour under the same parent, the right one first; false if it stays.
bool BTree::merge(const Path& path, std::size_t depth, ExclusiveGuard& header, Bytes key, ChangeLog& log) {
  ExclusiveGuard parent;
  if (readers_couple()) parent = latch(path[depth - 1]);
  ExclusiveGuard node = latch(path[depth]);
  if (PageView(node.bytes()).content_bytes() >= kContentMin) return false;
  if (!parent.owns()) parent = latch(path[depth - 1]);
  const PageView above(parent.bytes());
  const PageShape shape = above.shape();
  std::uint32_t at = 0;
  if (above.child_for(shape, key, &at) != node.page())
    throw damage(parent.page(), "does not lead to its child");
  if (at < shape.slots) {
    ExclusiveGuard right = latch(above.child_at(shape, at + 1));
    if (unite(parent, at, node, right, header, log)) return true;
  }
  if (at > 0) {
    ExclusiveGuard left = latch(above.child_at(shape, at - 1));
    if (unite(parent, at - 1, left, node, header, log)) return true;
  }
  return false;
}

/// `at` is the separator between the two. Everything moves to the left page, the right one becomes free.
bool BTree::unite(ExclusiveGuard& parent, std::uint32_t at, ExclusiveGuard& left, ExclusiveGuard& right,
                  ExclusiveGuard& header, ChangeLog& log) {
  const PageView smaller(left.bytes()), greater(right.bytes());
  const PageShape smaller_shape = smaller.shape(), greater_shape = greater.shape();
  StructureChange change(space_->id());
  PageEditor parent_after = change.modify(parent);
  const std::vector<std::byte> separator = parent_after.key(parent_after.shape(), at);

  PageEditor united = change.replace(left);
  united.format_tree_page(smaller_shape.level, smaller.lower_fence(smaller_shape),
                          upper_of(greater, greater_shape));
  if (!united.append(smaller, 0, smaller_shape.slots)) return false;
  if (smaller_shape.kind == PageKind::inner) {
    if (!united.insert(smaller_shape.slots, separator, bytes_of(smaller.link()))) return false;
    united.set_link(greater.link());
  }
  if (!united.append(greater, 0, greater_shape.slots)) return false;
  const bool both_hold_some = smaller_shape.slots > 0 && greater_shape.slots > 0;
  if (both_hold_some && united.free_bytes(united.shape()) < kMergedFreeMin) return false;

  parent_after.remove(at);
  parent_after.set_child_at(at, left.page());
  PageEditor header_after = change.modify(header);
  change.replace(right).format_free(header_after.first_free());
  header_after.format_header(header_after.link(), right.page());
  change.commit(log);
  return true;
}

/// A root with a single child becomes that child.
void BTree::collapse_root(ExclusiveGuard& header, ChangeLog& log) {
  for (;;) {
    ExclusiveGuard root = latch(kRoot);
    const PageView page(root.bytes());
    const PageShape shape = page.shape();
    if (shape.kind != PageKind::inner || shape.slots > 0) return;
    ExclusiveGuard child = latch(page.link());
    StructureChange change(space_->id());
    change.replace(root).install(PageView(child.bytes()).image());
    PageEditor header_after = change.modify(header);
    change.replace(child).format_free(header_after.first_free());
    header_after.format_header(header_after.link(), child.page());
    change.commit(log);
  }
}

}  // namespace muster
