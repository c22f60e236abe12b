#include "engine/lsm/lsm_table.h"

#include <fmt/format.h>

#include <functional>
#include <string_view>

#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/lsm/lsm_access.h"
#include "engine/lsm/lsm_scan.h"
#include "engine/lsm/merging_iterator.h"
#include "engine/lsm/newest_iterator.h"

namespace muster::lsm {

void LsmTable::create(const std::filesystem::path& directory) {
  make_directories(directory);
  LevelStore::create(directory);
}

LsmTable::LsmTable(const std::filesystem::path& directory, TableId id, TreeSurroundings surroundings,
                   Lsn redo_from)
    : id_(id),
      parts_(directory, std::move(surroundings)),
      flushed_(parts_.store().flushed()),
      tree_(parts_, kSlots + 1, kSlots + 1, parts_.tables(), std::max(flushed_, redo_from)) {
  parts_.redo_from(redo_from);
}

void LsmTable::begin_writing() {
  parts_.begin_writing();
  may_write_ = true;
}

LsmTable::~LsmTable() {
  stop();
}

/// Of the newest memtable that has the key, else of the files: of one key, memtables hold newer entries than files.
LsmTable::Newest LsmTable::newest(const TreeView& view, Bytes key, std::vector<std::byte>& buffer) {
  Newest found;
  for (std::uint32_t i = 0; i < view.count; ++i) {
    const std::optional<Entry> entry = view.memtables[i].memtable->find(key);
    if (!entry) continue;
    found.lsn = entry->lsn;
    found.exists = !entry->tombstone;
    found.value = entry->value;
    return found;
  }
  bool tombstone = false;
  if (view.tables.levels->find(key, buffer, tombstone, found.lsn)) {
    found.exists = !tombstone;
    found.value = buffer;
  }
  return found;
}

/// The newest entry of each key of the view.
std::unique_ptr<EntryIterator> LsmTable::entries(const TreeView& view) {
  std::vector<std::unique_ptr<EntryIterator>> sources = view.tables.levels->iterators();
  for (std::uint32_t i = 0; i < view.count; ++i) sources.push_back(view.memtables[i].memtable->iterator());
  return std::make_unique<NewestIterator>(std::make_unique<MergingIterator>(std::move(sources)));
}

Status LsmTable::find(Bytes key, std::vector<std::byte>& value) const {
  return read([&](const TreeView& view) {
    const Newest found = newest(view, key, value);
    if (!found.exists) return Status::not_found;
    if (found.value.data() != value.data()) value.assign(found.value.begin(), found.value.end());
    return Status::ok;
  });
}

/// `change` gets a view and the entry to fill, and returns the entry's LSN, or 0 if nothing changes.
template <class Change>
const TreeParts::Memtable* LsmTable::write(Bytes key, std::uint32_t slot, Change change) {
  const TreeParts::Memtable* full = nullptr;
  {
    const std::lock_guard latch(
        latch_of(key));  // before the section, so that later writers of the key find a later view
    Entry entry{.key = key, .value = {}};
    tree_.write(
        slot, [&](const TreeView& view) { return entry.lsn = change(view, entry); },
        [&](TreeParts::Memtable& memtable,
            Lsn lsn) noexcept {  // only a restart mends a record without its entry
          if (lsn == 0) return;
          memtable.add(entry);
          if (memtable.bytes() >= parts_.options().memtable_bytes) full = &memtable;
        });
  }
  return full;
}

/// A change of a record that is there. `change(value, entry)` logs it, and fills the entry, but for the key.
template <class Change>
Status LsmTable::change_record(Bytes key, const ChangeLog& log, Change change) {
  admit(log);
  Status status = Status::ok;
  std::vector<std::byte> buffer;
  const auto* const full = with_slot([&](std::uint32_t slot) {
    return write(key, slot, [&](const TreeView& view, Entry& entry) -> Lsn {
      const Newest found = newest(view, key, buffer);
      if (!found.exists) {
        status = Status::not_found;
        return 0;
      }
      return change(found.value, entry);
    });
  });
  after_change(full);
  return status;
}

/// Whether the key, which is announced, may be inserted: the tree does not have it, and no transaction has locked its gap.
Status LsmTable::may_insert(const TreeView& view, Bytes key, ChangeLog& log) const {
  if (!log.guards_gaps(id_)) {
    std::vector<std::byte> buffer;
    return newest(view, key, buffer).exists ? Status::already_exists : Status::ok;
  }
  const std::unique_ptr<EntryIterator> next = entries(view);
  next->seek(key);
  if (next->valid() && compare_keys(next->entry().key, key) == 0)
    return next->entry().tombstone ? Status::ok : Status::already_exists;  // a ghost's gap stays as it is
  const Bytes successor = next->valid() ? next->entry().key : Bytes();
  return log.may_insert(id_, key, next->valid() ? &successor : nullptr) ? Status::ok : Status::conflict;
}

Status LsmTable::insert(Bytes key, Bytes value, ChangeLog& log) {
  check_record(key, value);
  admit(log);
  Status status = Status::ok;
  const auto* const full = with_slot([&](std::uint32_t slot) {
    const PendingInsertions::Guard announced(insertions_, slot, key);
    return write(key, slot, [&](const TreeView& view, Entry& entry) -> Lsn {
      status = may_insert(view, key, log);
      if (status != Status::ok) return 0;
      entry.value = value;
      return log.change(
          {.table = id_, .page = 0, .kind = ChangeKind::insert, .key = key, .before = {}, .after = value});
    });
  });
  after_change(full);
  return status;
}

Status LsmTable::update(Bytes key, Bytes value, ChangeLog& log) {
  check_record(key, value);
  return change_record(key, log, [&](Bytes before, Entry& entry) {
    entry.value = value;
    return log.change(
        {.table = id_, .page = 0, .kind = ChangeKind::update, .key = key, .before = before, .after = value});
  });
}

Status LsmTable::remove(Bytes key, ChangeLog& log) {
  check_record(key, {});
  return change_record(key, log, [&](Bytes before, Entry& entry) {
    entry.tombstone = true;
    return log.change(
        {.table = id_, .page = 0, .kind = ChangeKind::remove, .key = key, .before = before, .after = {}});
  });
}

Status LsmTable::increment(Bytes key, const Increment& what, ChangeLog& log) {
  const Increment inverse = what.inverse();
  std::vector<std::byte> sum;
  return change_record(key, log, [&](Bytes before, Entry& entry) {
    require_number(what.offset, before.size());
    sum.assign(before.begin(), before.end());
    add_to_number(std::span(sum).subspan(what.offset), what.by);
    entry.value = sum;
    return log.change({.table = id_,
                       .page = 0,
                       .kind = ChangeKind::increment,
                       .key = key,
                       .before = inverse.bytes(),
                       .after = what.bytes()});
  });
}

bool LsmTable::scan(Bytes from, const std::function<bool(const TableRecord& record)>& visit) const {
  return Scan(*this, from).run(visit);
}

bool LsmTable::next_key(Bytes key, std::vector<std::byte>& next) const {
  return read([&](const TreeView& view) {
    const std::unique_ptr<EntryIterator> at = entries(view);
    at->seek(key);
    if (at->valid() && compare_keys(at->entry().key, key) == 0) at->next();
    if (!at->valid()) return false;
    const Entry found = at->entry();
    next.assign(found.key.begin(), found.key.end());
    return true;
  });
}

bool LsmTable::redo(const RecordChange& change, Lsn record_end) {
  if (record_end <= flushed_) return false;
  bool applied = false;
  std::vector<std::byte> sum, buffer;
  const auto* const full = with_slot([&](std::uint32_t slot) {
    return write(change.key, slot, [&](const TreeView& view, Entry& entry) -> Lsn {
      const Newest found = newest(view, change.key, buffer);
      if (found.lsn >= record_end) return 0;
      entry.tombstone = change.kind == ChangeKind::remove;
      entry.value = change.after;
      if (change.kind == ChangeKind::increment) {
        // A removal above this record may have been dropped by a compaction already, with all that was below.
        if (!found.exists) return 0;
        const Increment what = Increment::of(change.after);
        if (!holds_number(found.value.size(), what.offset)) {
          throw DamageError(fmt::format("table {}: the record does not fit the log record that ends at {}",
                                        id_, record_end));
        }
        sum.assign(found.value.begin(), found.value.end());
        add_to_number(std::span(sum).subspan(what.offset), what.by);
        entry.value = sum;
      }
      applied = true;
      return record_end;
    });
  });
  after_change(full);
  return applied;
}

Lsn LsmTable::newest_change() const {
  return read([this](const TreeView& view) {
    Lsn newest = parts_.store().flushed();
    for (unsigned level = 0; level < kLevels; ++level) {
      for (const TablePtr& table : view.tables.levels->level(level))
        newest = std::max(newest, table->info().greatest_lsn);
    }
    return newest;
  });
}

std::mutex& LsmTable::latch_of(Bytes key) const {
  return latches_[std::hash<std::string_view>()({reinterpret_cast<const char*>(key.data()), key.size()}) %
                  kLatches];
}

void LsmTable::verify() const {
  read([](const TreeView& view) {
    for (unsigned level = 0; level < kLevels; ++level) {
      for (const TablePtr& table : view.tables.levels->level(level)) table->file().verify();
    }
    return true;
  });
}

LsmStatistics LsmTable::statistics() const {
  const Traffic& traffic = parts_.store().traffic();
  const std::shared_ptr<const Levels> levels = parts_.store().levels();
  std::uint64_t file_bytes = 0;
  for (unsigned level = 0; level < kLevels; ++level) file_bytes += levels->bytes(level);
  // relaxed: counts
  return {.flushes = flushes_.load(std::memory_order_relaxed),
          .compactions = traffic.compactions.load(std::memory_order_relaxed),
          .slowed = slowed_.load(std::memory_order_relaxed),
          .stopped = stopped_.load(std::memory_order_relaxed),
          .flush_bytes = traffic.flush_written.load(std::memory_order_relaxed),
          .compaction_bytes = traffic.compaction_written.load(std::memory_order_relaxed),
          .files = levels->tables(),
          .file_bytes = file_bytes};
}

}  // namespace muster::lsm
