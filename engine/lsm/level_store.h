#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/lsm/compaction_picker.h"
#include "engine/lsm/levels.h"
#include "engine/lsm/manifest.h"
#include "engine/lsm/traffic.h"

namespace muster::lsm {

/// The tables of one tree: the levels of now, their manifest, and which compactions are at work. Any number of threads.
///
/// A reader takes levels() and keeps it as long as it reads: the files of its tables stay. An edit makes new levels, first in the
/// manifest, then here. Only after that is the file of a table that it removed let go, by the last that holds it.
class LevelStore {
 public:
  using Picker =
      std::function<std::optional<Compaction>(const Levels&, const RunningCompactions&, const Cursors&)>;

  /// Makes an empty tree in a directory that is there. Durable when it returns.
  static std::unique_ptr<LevelStore> create(const std::filesystem::path& directory);
  /// Changes nothing on the disk. Throws DamageError as Manifest::open() and open_table() do. The cache outlives all tables.
  static std::unique_ptr<LevelStore> open(const std::filesystem::path& directory, BlockCache& cache);
  /// Behind open(), before the first edit: as Manifest::make_durable().
  void make_durable();

  std::shared_ptr<const Levels> levels() const;
  /// The tree needs the log from here on.
  Lsn flushed() const;
  /// For a table's file; never the same again.
  std::uint64_t new_number() {
    return next_number_.fetch_add(
        1, std::memory_order_relaxed);  // unique by atomicity alone: it publishes nothing
  }

  /// Adds what a memtable was written to, none if it was empty, to level 0. Durable when it returns; then `flushed`
  /// counts. Throws std::system_error; then the levels are as before, and the files go with `tables` unless the manifest is in doubt.
  void add_flushed(const std::vector<TablePtr>& tables, Lsn flushed);

  /// Picks a compaction, which is at work as long as the pointer is held; null: there is none to do.
  std::shared_ptr<const Compaction> begin_compaction(const Picker& picker);
  /// Puts `outputs` in place of the inputs; of a compaction that moves, none. Throws as add_flushed() does.
  void finish_compaction(const Compaction& compaction, const std::vector<TablePtr>& outputs);

  /// As Manifest::is_in_doubt().
  bool is_in_doubt() const {
    const std::lock_guard guard(edit_mutex_);
    return manifest_.is_in_doubt();
  }

  Traffic& traffic() { return traffic_; }
  const Traffic& traffic() const { return traffic_; }

 private:
  LevelStore(std::filesystem::path directory, Manifest manifest);
  void apply(ManifestEdit edit, const std::vector<TablePtr>& tables);
  RunningCompactions running();

  const std::filesystem::path directory_;
  std::atomic<std::uint64_t> next_number_;
  Traffic traffic_;

  mutable std::mutex edit_mutex_;  // one edit at a time, through its sync; taken before levels_mutex_
  Manifest manifest_;

  std::mutex picking_mutex_;  // guards what follows; a thread that picks waits for no edit's sync
  Cursors cursors_;
  std::vector<std::weak_ptr<const Compaction>> compactions_;

  mutable std::mutex levels_mutex_;  // for as long as a pointer is copied
  std::shared_ptr<const Levels> levels_;
  Lsn flushed_ = 0;
};

}  // namespace muster::lsm
