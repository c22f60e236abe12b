#include "engine/lsm_tables.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <vector>

#include "engine/error.h"
#include "engine/io/file.h"

namespace muster {

namespace fs = std::filesystem;

fs::path tree_path(const fs::path& database, TableId id) {
  return database / fmt::format("{}{}", id, kTreeSuffix);
}

fs::path LsmTables::path_of(TableId id) const {
  return tree_path(directory_, id);
}

std::unique_ptr<Table> LsmTables::open(TableId id, Lsn redo_from, bool was_clean) {
  const fs::path path = path_of(id);
  if (!fs::exists(path))
    throw DamageError(fmt::format("{}: the directory of a table is missing", path.string()));
  if (!was_clean) {
    for (const auto& entry : fs::directory_iterator(path)) File::open(entry.path(), O_RDONLY).forget_cached();
  }
  auto table = make(id, redo_from);
  adopt(id, *table);
  return table;
}

std::unique_ptr<lsm::LsmTable> LsmTables::create(TableId id) {
  remove_tree(path_of(id));
  lsm::LsmTable::create(path_of(id));
  auto table = make(id, 0);
  table->begin_writing();
  if (may_drop_) table->start(may_drop_);
  return table;
}

std::unique_ptr<lsm::LsmTable> LsmTables::make(TableId id, Lsn redo_from) {
  return std::make_unique<lsm::LsmTable>(
      path_of(id), id,
      lsm::TreeSurroundings{
          .cache = cache_, .options = options_, .flush_log = flush_log_, .log_end = log_end_},
      redo_from);
}

void LsmTables::adopt(TableId id, lsm::LsmTable& table) {
  const std::lock_guard guard(mutex_);
  tables_[id] = &table;
}

/// The mutex is not held while a table is at work: a new one may come meanwhile.
template <class Visit>
void LsmTables::for_each(Visit visit) const {
  std::vector<SelfStoredTable*> tables;
  {
    const std::lock_guard guard(mutex_);
    for (const auto& [id, table] : tables_) tables.push_back(table);
  }
  for (SelfStoredTable* const table : tables) visit(static_cast<lsm::LsmTable&>(*table));
}

void LsmTables::begin_writing() {
  for_each([](lsm::LsmTable& table) { table.begin_writing(); });
}

void LsmTables::start(lsm::LsmTable::MayDrop may_drop) {
  may_drop_ = std::move(may_drop);
  for_each([this](lsm::LsmTable& table) { table.start(may_drop_); });
}

void LsmTables::stop() noexcept {
  for (const auto& [id, table] : tables_) table->stop();
}

LsmTables::~LsmTables() {
  if (!is_temporary_) return;
  for (const auto& [id, table] : tables_) {
    try {
      remove_tree(path_of(id));
    } catch (const std::exception&) {  // what stays is overwritten by the next database there
    }
  }
}

Lsn LsmTables::write_back() {
  Lsn needed_from = ~Lsn{0};
  for_each([&](lsm::LsmTable& table) { needed_from = std::min(needed_from, table.write_back()); });
  return needed_from;
}

lsm::LsmStatistics LsmTables::statistics() const {
  lsm::LsmStatistics sum;
  for_each([&](const lsm::LsmTable& table) {
    const lsm::LsmStatistics its = table.statistics();
    sum.flushes += its.flushes;
    sum.compactions += its.compactions;
    sum.slowed += its.slowed;
    sum.stopped += its.stopped;
    sum.flush_bytes += its.flush_bytes;
    sum.compaction_bytes += its.compaction_bytes;
    sum.files += its.files;
    sum.file_bytes += its.file_bytes;
  });
  return sum;
}

}  // namespace muster
