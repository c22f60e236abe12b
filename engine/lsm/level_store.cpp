#include "engine/lsm/level_store.h"

#include <set>

namespace muster::lsm {

LevelStore::LevelStore(std::filesystem::path directory, Manifest manifest)
    : directory_(std::move(directory)),
      next_number_(manifest.state().next_file()),
      manifest_(std::move(manifest)),
      levels_(std::make_shared<const Levels>()),
      flushed_(manifest_.state().flushed()) {}

std::unique_ptr<LevelStore> LevelStore::create(const std::filesystem::path& directory) {
  return std::unique_ptr<LevelStore>(new LevelStore(directory, Manifest::create(directory)));
}

std::unique_ptr<LevelStore> LevelStore::open(const std::filesystem::path& directory, BlockCache& cache) {
  std::unique_ptr<LevelStore> store(new LevelStore(directory, Manifest::open(directory)));
  const ManifestEdit whole = store->manifest_.state().whole();
  std::vector<TablePtr> tables;
  for (const PlacedTable& placed : whole.added) tables.push_back(open_table(directory, placed.table, cache));
  store->levels_ = std::make_shared<const Levels>(store->levels_->after(whole, tables));
  return store;
}

void LevelStore::make_durable() {
  const std::lock_guard guard(edit_mutex_);
  manifest_.make_durable();
}

std::shared_ptr<const Levels> LevelStore::levels() const {
  const std::lock_guard guard(levels_mutex_);
  return levels_;
}

Lsn LevelStore::flushed() const {
  const std::lock_guard guard(levels_mutex_);
  return flushed_;
}

void LevelStore::add_flushed(const std::vector<TablePtr>& tables, Lsn flushed) {
  ManifestEdit edit{.flushed = flushed};
  for (const TablePtr& table : tables) edit.added.push_back({.level = 0, .table = table->info()});
  apply(std::move(edit), tables);
}

std::shared_ptr<const Compaction> LevelStore::begin_compaction(const Picker& picker) {
  const std::lock_guard guard(picking_mutex_);
  const RunningCompactions at_work = running();  // before the levels: those that have ended since are in them
  std::optional<Compaction> picked = picker(*levels(), at_work, cursors_);
  if (!picked) return nullptr;
  if (picked->cursor) cursors_[picked->from] = picked->cursor;
  const auto compaction = std::make_shared<const Compaction>(std::move(*picked));
  compactions_.push_back(compaction);
  return compaction;
}

void LevelStore::finish_compaction(const Compaction& compaction, const std::vector<TablePtr>& outputs) {
  const std::vector<TablePtr>& tables = compaction.moves ? compaction.inputs : outputs;
  ManifestEdit edit;
  std::uint64_t bytes = 0;
  for (const TablePtr& table : compaction.inputs) {
    edit.removed.push_back(table->info().number);
    bytes += table->info().bytes;
  }
  for (const TablePtr& table : tables) edit.added.push_back({.level = compaction.to, .table = table->info()});
  apply(std::move(edit), tables);
  if (compaction.moves) {
    traffic_.moved.fetch_add(bytes, std::memory_order_relaxed);
    return;
  }
  traffic_.compactions.fetch_add(1, std::memory_order_relaxed);
  for (const TablePtr& table : compaction.inputs) table->remove_file_at_end();
}

void LevelStore::apply(ManifestEdit edit, const std::vector<TablePtr>& tables) {
  const std::lock_guard guard(edit_mutex_);
  edit.next_file = next_number_.load(std::memory_order_relaxed);  // the tables' numbers were taken before
  if (!tables.empty()) sync_directory(directory_);
  const auto keep = [&] {
    for (const TablePtr& table : tables) table->keep_file();
  };
  auto next = std::make_shared<const Levels>(levels()->after(edit, tables));
  try {
    manifest_.apply(edit);
  } catch (...) {
    if (manifest_.is_in_doubt()) keep();
    throw;
  }
  keep();
  const std::lock_guard levels_guard(levels_mutex_);
  levels_.swap(next);
  flushed_ = manifest_.state().flushed();
}

RunningCompactions LevelStore::running() {
  RunningCompactions running;
  std::erase_if(compactions_, [&](const auto& weak) {
    if (auto compaction = weak.lock()) running.push_back(std::move(compaction));
    return weak.expired();
  });
  return running;
}

}  // namespace muster::lsm
