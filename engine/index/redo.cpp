#include "engine/index/redo.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/error.h"
#include "engine/number.h"
#include "engine/storage/guards.h"
#include "engine/storage/slotted_page.h"

namespace muster {
namespace {

ExclusiveGuard fix(BufferManager& buffers, TableId table, PageNumber page, Lsn record_end) {
  if (!buffers.is_open(table) || page >= buffers.space(table).pages_max()) {
    throw DamageError(fmt::format("the log record that ends at {} changes page {} of table {}: there is none",
                                  record_end, page, table));
  }
  return {buffers, buffers.space(table), page};
}

/// A torn page may lead a change to anywhere. One that is dirty has been looked at since it was read.
void require_sound(BufferManager& buffers, TableId table, const ExclusiveGuard& guard, Lsn record_end) {
  // relaxed: the latch is held
  const bool dirty = is_dirty(buffers.space(table).state(guard.page()).load(std::memory_order_relaxed));
  const PageView page(guard.bytes());
  if (dirty || page.is_sound()) return;
  throw buffers.space(table).damage(
      guard.page(), page.lsn(),
      fmt::format("is torn: its parts do not fit each other, and the log record that ends at {} changes it",
                  record_end));
}

/// After a failed sync the kernel shows what was never written: a page that seems to be up to date may be so in
/// the page cache only.
bool written_again(ExclusiveGuard& guard) {
  guard.mark_changed();
  return false;
}

bool apply(PageEditor page, const RecordChange& change) {
  const PageShape shape = page.shape();
  if (shape.kind != PageKind::leaf) return false;
  const PagePosition position = page.search(shape, change.key);
  const bool ghost = position.equal && page.is_ghost(position.index);
  if ((position.equal && !ghost) != (change.kind != ChangeKind::insert)) return false;
  switch (change.kind) {
    case ChangeKind::insert:
      return ghost ? page.revive(position.index, change.after)
                   : page.insert(position.index, change.key, change.after);
    case ChangeKind::update:
      return page.update(position.index, change.after);
    case ChangeKind::remove:
      page.make_ghost(position.index);
      return true;
    case ChangeKind::increment: {
      const Increment what = Increment::of(change.after);
      return page.increment(position.index, what.offset, what.by);
    }
  }
  return false;
}

bool apply(PageEditor page, const Reclaim& reclaim) {
  const PageShape shape = page.shape();
  if (shape.kind != PageKind::leaf) return false;
  const auto gone = [&](std::uint16_t slot) { return slot >= shape.slots || !page.is_ghost(slot); };
  const bool rises = std::ranges::is_sorted(reclaim.slots, std::ranges::less_equal{});
  if (!rises || std::ranges::any_of(reclaim.slots, gone)) return false;
  page.remove(reclaim.slots);
  return true;
}

/// `change` is what apply() takes.
template <class Change>
bool redo_change(BufferManager& buffers, const Change& change, Lsn record_end) {
  ExclusiveGuard guard = fix(buffers, change.table, change.page, record_end);
  PageEditor page(guard.bytes());
  require_sound(buffers, change.table, guard, record_end);
  if (page.lsn() >= record_end) return written_again(guard);
  if (!apply(page, change)) {
    throw buffers.space(change.table)
        .damage(change.page, page.lsn(),
                fmt::format("does not fit the log record that ends at {}", record_end));
  }
  page.set_lsn(record_end);
  guard.mark_changed();
  return true;
}

}  // namespace

bool redo(BufferManager& buffers, const RecordChange& change, Lsn record_end) {
  return redo_change(buffers, change, record_end);
}

bool redo(BufferManager& buffers, const Reclaim& reclaim, Lsn record_end) {
  return redo_change(buffers, reclaim, record_end);
}

bool redo(BufferManager& buffers, const PageImage& image, Lsn record_end) {
  ExclusiveGuard guard = fix(buffers, image.table, image.page, record_end);
  PageEditor page(guard.bytes());
  if (page.lsn() >= record_end) {
    require_sound(buffers, image.table, guard, record_end);
    return written_again(guard);
  }
  page.install(image.bytes);
  page.set_lsn(record_end);
  guard.mark_changed();
  return true;
}

}  // namespace muster
