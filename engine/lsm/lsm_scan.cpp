#include "engine/lsm/lsm_scan.h"

#include <algorithm>

#include "engine/lsm/lsm_access.h"
#include "engine/lsm/newest_iterator.h"

namespace muster::lsm {

bool LsmTable::Scan::run(const std::function<bool(const TableRecord& record)>& visit) {
  do {
    fill();
    for (at_ = 0; at_ < rows_.size(); ++at_) {
      const Row& row = rows_[at_];
      const TableRecord record{.key = key_of(row),
                               .value = value_of(row),
                               .ghost = row.ghost,
                               .stays = !row.ghost,
                               .position = this};
      if (!visit(record)) return false;
      if (row.ghost) {
        ghosts_.push_back({{record.key.begin(), record.key.end()}, row.lsn});
      } else {
        floor_.assign(record.key.begin(), record.key.end());
        above_floor_ = true;
        ghosts_.clear();
        current_.clear();
        is_mixed_ = false;
      }
    }
  } while (!at_end_);
  return true;
}

/// Copies the next rows, and waits for insertions among them that were under way before. Such an insertion may have locked a gap that
/// has vanished with its ghost; then the scan's own locks do not keep the insertion out. The scan need not wait for insertions that
/// are announced later. While the view stays the same no ghost vanishes, so later insertions meet the scan's locks. If the view has
/// changed, fill() begins again.
void LsmTable::Scan::fill() {
  if (!rows_.empty()) {
    const Bytes last = key_of(rows_.back());
    cursor_.assign(last.begin(), last.end());
    above_cursor_ = true;
    rows_wanted_ = std::min(2 * rows_wanted_, kRowsMax);
  }
  std::vector<PendingInsertions::Seen> seen;
  Signature before;
  do {
    before = table_.read(signature_of);
    PendingInsertions::fence();
    table_.insertions_.note(cursor_, seen);
    do {
      table_.read([&](const TreeView& view) {
        copy(view);
        return true;
      });
    } while (!insertions_ended(seen));
  } while (signature_ != before);
}

void LsmTable::Scan::copy(const TreeView& view) {
  const Signature signature = signature_of(view);
  if (signature != signature_ && !ghosts_.empty()) is_mixed_ = true;
  signature_ = signature;
  rows_.clear();
  bytes_.clear();
  const std::unique_ptr<EntryIterator> at = entries(view);
  at->seek(cursor_);
  if (above_cursor_ && at->valid() && compare_keys(at->entry().key, cursor_) == 0) at->next();
  for (; at->valid() && rows_.size() < rows_wanted_ && bytes_.size() < kBytesMax; at->next()) {
    const Entry entry = at->entry();
    const std::size_t key_begin = bytes_.size(), value_begin = key_begin + entry.key.size();
    rows_.push_back({key_begin, value_begin, value_begin + entry.value.size(), entry.lsn, entry.tombstone});
    bytes_.insert(bytes_.end(), entry.key.begin(), entry.key.end());
    bytes_.insert(bytes_.end(), entry.value.begin(), entry.value.end());
  }
  at_end_ = !at->valid();
}

/// Waits for the insertions whose key lies among the rows, and forgets them. False: there were such, so that the rows have to be
/// read again.
bool LsmTable::Scan::insertions_ended(std::vector<PendingInsertions::Seen>& seen) const {
  return std::erase_if(seen, [&](const PendingInsertions::Seen& insertion) {
           if (!at_end_ && compare_keys(insertion.key, key_of(rows_.back())) > 0) return false;
           table_.insertions_.wait(insertion);
           return true;
         }) == 0;
}

bool LsmTable::Scan::is_current() const {
  PendingInsertions::fence();
  const Bytes key = key_of(rows_[at_]);
  if (table_.insertions_.any(floor_, above_floor_, key)) return false;
  return table_.read([&](const TreeView& view) {
    if (!is_current_in(view)) return false;
    current_.assign(key.begin(), key.end());
    current_in_ = signature_of(view);
    is_mixed_ = false;
    return true;
  });
}

bool LsmTable::Scan::is_current_in(const TreeView& view) const {
  const Signature now = signature_of(view);
  const Bytes above = !current_.empty() && now == current_in_ ? Bytes(current_) : Bytes(floor_);
  if (is_mixed_ || now != signature_) return shows(*entries(view), above);
  for (std::uint32_t i = 0; i < view.count; ++i) {
    NewestIterator newest(view.memtables[i].memtable->iterator());
    if (!shows(newest, above)) return false;
  }
  return true;
}

/// Whether the scan has shown all that `entries` has above the key and up to the current row, or something newer.
bool LsmTable::Scan::shows(EntryIterator& entries, Bytes above) const {
  const Bytes last = key_of(rows_[at_]);
  const bool includes_key = above.data() == floor_.data() && !above_floor_;
  entries.seek(above);
  if (!includes_key && entries.valid() && compare_keys(entries.entry().key, above) == 0) entries.next();
  for (; entries.valid() && compare_keys(entries.entry().key, last) <= 0; entries.next()) {
    if (!has_shown(entries.entry())) return false;
  }
  return true;
}

bool LsmTable::Scan::has_shown(const Entry& entry) const {
  const Row& row = rows_[at_];
  if (compare_keys(entry.key, key_of(row)) == 0) return entry.lsn <= row.lsn;
  const auto ghost = std::ranges::lower_bound(
      ghosts_, entry.key, [](Bytes a, Bytes b) { return compare_keys(a, b) < 0; },
      [](const Ghost& its) { return Bytes(its.key); });
  return ghost != ghosts_.end() && compare_keys(ghost->key, entry.key) == 0 && entry.lsn <= ghost->lsn;
}

}  // namespace muster::lsm
