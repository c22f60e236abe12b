#include "engine/lsm/levels.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/lsm/level_iterator.h"

namespace muster::lsm {
namespace {

bool is_newer(const TablePtr& a, const TablePtr& b) {
  const TableInfo& left = a->info();
  const TableInfo& right = b->info();
  return left.greatest_lsn != right.greatest_lsn ? left.greatest_lsn > right.greatest_lsn
                                                 : left.number > right.number;
}

bool has_smaller_keys(const TablePtr& a, const TablePtr& b) {
  return compare_keys(a->info().smallest, b->info().smallest) < 0;
}

/// The first table of a sorted level whose keys do not all lie below `key`.
auto first_up_to(const Levels::Level& level, Bytes key) {
  return std::ranges::partition_point(
      level, [&](const TablePtr& table) { return compare_keys(table->info().largest, key) < 0; });
}

}  // namespace

Table::~Table() {
  if (file_ == nullptr || keep_.load(std::memory_order_relaxed)) return;  // [keep]
  const std::filesystem::path path = file_->path();
  file_.reset();
  remove_leftover(path);
}

TableInfo info_of(const TableProperties& properties) {
  return {.number = properties.number,
          .bytes = properties.file_bytes,
          .entries = properties.entries,
          .tombstones = properties.tombstones,
          .least_lsn = properties.least_lsn,
          .greatest_lsn = properties.greatest_lsn,
          .smallest = properties.smallest,
          .largest = properties.largest};
}

void require_told(const TableFile& file, const TableInfo& info) {
  if (info_of(file.properties()) == info) return;
  throw DamageError(fmt::format(
      "{} at byte 0: tells of other entries than the manifest says of table {}: {} from LSN {} to {}",
      file.path().string(), info.number, info.entries, info.least_lsn, info.greatest_lsn));
}

TablePtr open_table(const std::filesystem::path& directory, const TableInfo& info, BlockCache& cache) {
  std::unique_ptr<TableFile> file = TableFile::open(table_path(directory, info.number), cache, info.number);
  require_told(*file, info);
  auto table = std::make_shared<const Table>(info, std::move(file));
  table->keep_file();
  return table;
}

Levels::Levels() {
  const auto empty = std::make_shared<const Level>();
  levels_.fill(empty);
}

Levels Levels::after(const ManifestEdit& edit, std::span<const TablePtr> tables) const {
  std::map<std::uint64_t, TablePtr> known;
  for (const TablePtr& table : tables) known.emplace(table->info().number, table);
  const std::set<std::uint64_t> removed(edit.removed.begin(), edit.removed.end());
  std::array<Level, kLevels> levels;
  std::array<bool, kLevels> changed{};
  for (unsigned number = 0; number < kLevels; ++number) {
    for (const TablePtr& table : level(number)) {
      if (!removed.contains(table->info().number)) {
        levels[number].push_back(table);
      } else {
        known.emplace(table->info().number, table);
        changed[number] = true;
      }
    }
  }
  for (const PlacedTable& added : edit.added) {
    levels[added.level].push_back(known.at(added.table.number));
    changed[added.level] = true;
  }
  Levels next = *this;
  for (unsigned number = 0; number < kLevels; ++number) {
    if (!changed[number]) continue;
    std::ranges::sort(levels[number], number == 0 ? is_newer : has_smaller_keys);
    next.levels_[number] = std::make_shared<const Level>(std::move(levels[number]));
  }
  return next;
}

std::size_t Levels::tables() const {
  std::size_t tables = 0;
  for (const auto& level : levels_) tables += level->size();
  return tables;
}

std::uint64_t Levels::bytes(unsigned number) const {
  std::uint64_t bytes = 0;
  for (const TablePtr& table : level(number)) bytes += table->info().bytes;
  return bytes;
}

bool Levels::find(Bytes key, std::vector<std::byte>& value, bool& tombstone, Lsn& lsn) const {
  bool found = false;
  std::vector<std::byte> other_value;
  visit_holders(key, [&](const Table& table, unsigned level) {
    if (!found) {
      found = table.file().find(key, value, tombstone, lsn);
      return true;
    }
    // Tables of level 0 may have been filled beside each other, so that only the LSN tells which entry is newer.
    if (level > 0 || lsn >= table.info().greatest_lsn) return false;
    bool other_tombstone = false;
    Lsn other_lsn = 0;
    if (table.file().find(key, other_value, other_tombstone, other_lsn) && other_lsn > lsn) {
      value.swap(other_value);
      tombstone = other_tombstone;
      lsn = other_lsn;
    }
    return true;
  });
  return found;
}

std::vector<std::unique_ptr<EntryIterator>> Levels::iterators(Caching caching) const {
  std::vector<std::unique_ptr<EntryIterator>> iterators;
  for (const TablePtr& table : level(0)) iterators.push_back(table->file().iterator(caching));
  for (unsigned number = 1; number < kLevels; ++number) {
    if (!level(number).empty()) iterators.push_back(std::make_unique<LevelIterator>(level(number), caching));
  }
  return iterators;
}

std::vector<TablePtr> Levels::overlapping(unsigned number, Bytes smallest, Bytes largest) const {
  std::vector<TablePtr> tables;
  const Level& all = level(number);
  const auto begins_within = [&](const TablePtr& table) {
    return compare_keys(table->info().smallest, largest) <= 0;
  };
  if (number == 0) {
    std::ranges::copy_if(all, std::back_inserter(tables), [&](const TablePtr& table) {
      return begins_within(table) && compare_keys(smallest, table->info().largest) <= 0;
    });
    return tables;
  }
  for (auto table = first_up_to(all, smallest); table != all.end() && begins_within(*table); ++table) {
    tables.push_back(*table);
  }
  return tables;
}

bool Levels::may_hold_below(unsigned number, Bytes key) const {
  for (unsigned below = number + 1; below < kLevels; ++below) {
    if (holder(below, key) != nullptr) return true;
  }
  return false;
}

const TablePtr* Levels::holder(unsigned number, Bytes key) const {
  const auto table = first_up_to(level(number), key);
  return table != level(number).end() && (*table)->may_hold(key) ? &*table : nullptr;
}

}  // namespace muster::lsm
