#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "engine/error.h"
#include "engine/index/btree.h"

namespace muster {

struct BTree::Checker {
  const BTree& tree;
  TreeShape found{};
  std::set<PageNumber> seen{};

  SharedGuard visit(PageNumber page) {
    if (page >= tree.space_->pages_max() || !seen.insert(page).second)
      throw tree.damage(page, "is used twice");
    return {*tree.buffers_, *tree.space_, page};
  }

  void require_sound(PageNumber number, const PageView& page) const {
    if (!page.is_sound()) throw tree.damage(number, "is torn: its parts do not fit each other");
  }

  static int order(Bytes a, Bytes b) {
    const std::size_t shared = std::min(a.size(), b.size());
    const int common = shared == 0 ? 0 : std::memcmp(a.data(), b.data(), shared);  // an empty one may be null
    return common != 0 ? common : (a.size() < b.size() ? -1 : (a.size() > b.size() ? 1 : 0));
  }

  void walk_tree(PageNumber number, std::uint32_t level, Bytes lower, std::optional<Bytes> upper) {
    const SharedGuard guard = visit(number);
    const PageView page(guard.bytes());
    require_sound(number, page);
    const PageShape shape = page.shape();
    if (shape.kind != (level == 0 ? PageKind::leaf : PageKind::inner) || shape.level != level) {
      throw tree.damage(number, "is of the wrong kind or level");
    }
    if (order(page.lower_fence(shape), lower) != 0 || shape.bounded != upper.has_value() ||
        (upper && order(page.upper_fence(shape), *upper) != 0)) {
      throw tree.damage(number, "has fences that are not its parent's separators");
    }
    check_records(number, page, shape);
    if (level == 0) {
      ++found.leaves;
      count_records(page, shape);
      return;
    }
    ++found.inner_pages;
    std::vector<std::byte> begin(lower.begin(), lower.end());
    for (std::uint32_t index = 0; index < shape.slots; ++index) {
      const std::vector<std::byte> end = page.key(shape, index);
      walk_tree(page.child_at(shape, index), level - 1, begin, end);
      begin = end;
    }
    walk_tree(page.link(), level - 1, begin, upper);
  }

  void check_records(PageNumber number, const PageView& page, const PageShape& shape) const {
    const auto wrong = [&](const char* what) { return tree.damage(number, what); };
    std::vector<std::byte> last;
    for (std::uint32_t index = 0; index < shape.slots; ++index) {
      const std::vector<std::byte> key = page.key(shape, index);
      if (index > 0 && order(last, key) >= 0) throw wrong("has keys out of order");
      if (order(key, page.lower_fence(shape)) < 0 ||
          (shape.bounded && order(key, page.upper_fence(shape)) >= 0)) {
        throw wrong("has a key outside its fences");
      }
      last = key;
    }
  }

  void count_records(const PageView& page, const PageShape& shape) {
    for (std::uint32_t index = 0; index < shape.slots; ++index)
      ++(page.is_ghost(index) ? found.ghosts : found.records);
  }

  void walk_free_list(PageNumber first) {
    for (PageNumber next = first; next != 0;) {
      const SharedGuard guard = visit(next);
      const PageView page(guard.bytes());
      require_sound(next, page);
      if (page.shape().kind != PageKind::free) throw tree.damage(next, "is on the free list and not free");
      ++found.free_pages;
      next = page.link();
    }
  }
};

TreeShape BTree::check() const {
  Checker checker{*this};
  PageNumber pages = 0;
  PageNumber first_free = 0;
  {
    const SharedGuard header = checker.visit(kHeader);
    checker.require_sound(kHeader, PageView(header.bytes()));
    pages = PageView(header.bytes()).link();
    first_free = PageView(header.bytes()).first_free();
  }
  {
    const SharedGuard root(*buffers_, *space_, kRoot);
    checker.found.levels = PageView(root.bytes()).shape().level + 1;
  }
  checker.walk_tree(kRoot, checker.found.levels - 1, {}, std::nullopt);
  checker.walk_free_list(first_free);
  if (checker.seen.size() != pages) throw damage(kHeader, "counts pages that nothing leads to");
  return checker.found;
}

}  // namespace muster
