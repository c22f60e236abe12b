#include "engine/lsm/tree_parts.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "engine/lsm/newest_iterator.h"

namespace muster::lsm {
namespace {

/// So that small memtables, as tests have them, are made of several chunks.
std::size_t chunk_bytes(std::size_t memtable_bytes) {
  return std::clamp(std::bit_floor(memtable_bytes / 8), Arena::kChunkBytesMin, Arena::kHugePageBytes);
}

}  // namespace

TreeParts::TreeParts(const std::filesystem::path& directory, TreeSurroundings surroundings)
    : surroundings_(std::move(surroundings)),
      store_(LevelStore::open(directory, surroundings_.cache)),
      writing_{.directory = directory,
               .cache = surroundings_.cache,
               .options = {.compression = options().compression, .bloom_bits = options().bloom_bits},
               .new_number = [this] { return store_->new_number(); }} {}

Lsn TreeParts::reserved() {
  const Lsn redo_from = redo_from_.load(std::memory_order_relaxed);
  const Lsn lsn = std::max(redo_from != 0 ? redo_from : surroundings_.log_end(), store_->flushed());
  const std::lock_guard guard(lowers_mutex_);
  lowers_.push_back(lsn);
  return lsn;
}

TreeParts::Memtable* TreeParts::make_memtable() {
  return new Memtable(next_memtable_.fetch_add(1, std::memory_order_relaxed),
                      chunk_bytes(options().memtable_bytes));
}

TreeParts::Table* TreeParts::write_table(const Memtable& memtable) {
  {
    const std::lock_guard guard(lowers_mutex_);
    flushed_to_ = lowers_.front();
    if (memtable.entries() == 0) {
      lowers_.pop_front();
      return nullptr;
    }
  }
  // The WAL rule. Nor may the log end below what the manifest calls flushed: the next opening would give these LSNs out again,
  // and redo would pass over their records.
  try {
    surroundings_.flush_log(std::max(memtable.greatest_lsn(), flushed_to_));
  } catch (...) {
    log_failed_.store(true, std::memory_order_relaxed);
    throw;
  }
  NewestIterator entries(memtable.iterator());
  const auto all = [](const Entry&) { return true; };
  auto files = write_tables(entries, all, std::numeric_limits<std::uint64_t>::max(), writing_,
                            store_->traffic().flush_written, stop_.get_token());
  if (!files) throw Stopped();
  flushed_.files = std::move(*files);
  return &flushed_;
}

TreeParts::Job TreeParts::pick(const Tables&,
                               const std::vector<const Table*>& /*busy: the store knows them*/) {
  Job job;
  job.compaction = store_->begin_compaction(
      [this](const Levels& levels, const RunningCompactions& running, const Cursors& cursors) {
        return pick_next(levels, running, cursors);
      });
  job.levels = store_->levels();
  if (job.compaction) job.inputs.push_back(&claim_);
  return job;
}

std::optional<Compaction> TreeParts::pick_next(const Levels& levels, const RunningCompactions& running,
                                               const Cursors& cursors) const {
  if (options().compaction == CompactionPolicy::size_tiered)
    return pick_size_tiered(levels, {.small_bytes = options().memtable_bytes / 8}, running);
  // Level 1 is as large as the tables of level 0 that begin a compaction, so that it does not have to be rewritten often.
  const LeveledOptions leveled{.level1_bytes = 4 * options().memtable_bytes,
                               .output_bytes = options().memtable_bytes / 2};
  return pick_leveled(levels, leveled, running, cursors);
}

void TreeParts::merge(Job& job) {
  if (job.compaction->moves) return;
  auto made =
      run_compaction(*job.compaction, *job.levels, writing_, may_drop_, store_->traffic(), stop_.get_token());
  if (!made) throw Stopped();
  job.made = std::move(*made);
}

void TreeParts::edit(const Table&) {
  // If the edit fails, the files go with `files`: a flush that is tried again needs their room.
  const std::vector<TablePtr> files = std::exchange(flushed_.files, {});
  store_->add_flushed(files, flushed_to_);
  const std::lock_guard guard(lowers_mutex_);
  lowers_.pop_front();  // not before: a flush that fails is tried again
}

void TreeParts::edit(const Job& job) {
  store_->finish_compaction(*job.compaction, job.made);
}

}  // namespace muster::lsm
