#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "engine/lsm/entry.h"
#include "engine/lsm/manifest_state.h"
#include "engine/lsm/table_file.h"

namespace muster::lsm {

/// A table of a tree, as all that read it share it. Its last holder closes the file, and removes it if no manifest names it.
class Table {
 public:
  /// A table without a file, for a plan that looks at no entry.
  explicit Table(TableInfo info) : info_(std::move(info)) {}
  /// `file` is the one that `info` tells of. Until keep_file() it is removed at the end.
  Table(TableInfo info, std::unique_ptr<TableFile> file) : info_(std::move(info)), file_(std::move(file)) {}
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  const TableInfo& info() const { return info_; }
  const TableFile& file() const { return *file_; }
  bool may_hold(Bytes key) const {
    return compare_keys(info_.smallest, key) <= 0 && compare_keys(key, info_.largest) <= 0;
  }

  /// A manifest may name the file, or does not any more. By a holder of the table.
  void keep_file() const { keep_.store(true, std::memory_order_relaxed); }  // [keep]
  void remove_file_at_end() const { keep_.store(false, std::memory_order_relaxed); }

 private:
  const TableInfo info_;
  std::unique_ptr<TableFile> file_;
  // [keep] relaxed: a holder writes it, the last holder reads it, and the shared pointer's count orders the two.
  mutable std::atomic<bool> keep_{false};
};
using TablePtr = std::shared_ptr<const Table>;

/// Opens the file of a table that a manifest names. Throws as TableFile::open() does, and DamageError where the file tells
/// of other entries than `info`.
TablePtr open_table(const std::filesystem::path& directory, const TableInfo& info, BlockCache& cache);
TableInfo info_of(const TableProperties& properties);
/// Throws DamageError where the file tells of other entries than `info`.
void require_told(const TableFile& file, const TableInfo& info);

/// Which tables a tree has in which level: a value that does not change. Any number of threads.
///
/// Invariants  Level 0 holds tables that may overlap, in falling order of their greatest LSN. Each other level is sorted by key,
///             and no two of its tables overlap.
///             Of a key, a level holds newer entries than those below it (those of greater number). While restart redoes the
///             log, level 0 may hold older ones; the redo of the newer entries ends that.
class Levels {
 public:
  using Level = std::vector<TablePtr>;

  Levels();
  /// What an edit makes of it. `tables` has those that the edit adds and this value does not have.
  Levels after(const ManifestEdit& edit, std::span<const TablePtr> tables) const;

  const Level& level(unsigned number) const { return *levels_[number]; }
  std::size_t tables() const;
  std::uint64_t bytes(unsigned level) const;  ///< of its files

  /// Calls `visit(const Table&, unsigned level)` for each table whose key range holds the key, until it returns false. The order
  /// is that of the levels, and in level 0 that of the greatest LSNs.
  template <class Visit>
  void visit_holders(Bytes key, Visit visit) const;
  /// The newest entry of the key; true if there is one. Then a removal has an empty `value`. Throws as TableFile::find() does.
  bool find(Bytes key, std::vector<std::byte>& value, bool& tombstone, Lsn& lsn) const;
  /// Over all entries of all levels, for a MergingIterator: one a table of level 0, one a level below. This value outlives them.
  std::vector<std::unique_ptr<EntryIterator>> iterators(Caching caching = Caching::fill) const;

  /// Whether a table of a level below (of greater number) may hold the key.
  bool may_hold_below(unsigned level, Bytes key) const;
  /// The tables of a level that overlap [smallest, largest].
  std::vector<TablePtr> overlapping(unsigned level, Bytes smallest, Bytes largest) const;

 private:
  const TablePtr* holder(unsigned level, Bytes key) const;

  std::array<std::shared_ptr<const Level>, kLevels> levels_;  // what an edit leaves alone is shared
};

template <class Visit>
void Levels::visit_holders(Bytes key, Visit visit) const {
  for (const TablePtr& table : level(0)) {
    if (table->may_hold(key) && !visit(*table, 0U)) return;
  }
  for (unsigned number = 1; number < kLevels; ++number) {
    const TablePtr* table = holder(number, key);
    if (table != nullptr && !visit(**table, number)) return;
  }
}

}  // namespace muster::lsm
