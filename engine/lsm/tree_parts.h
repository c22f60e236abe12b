#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include "engine/lsm/compaction.h"
#include "engine/lsm/level_store.h"
#include "engine/lsm/lsm_options.h"
#include "engine/lsm/memtable.h"
#include "engine/lsm/parts.h"

namespace muster::lsm {

/// What a tree needs of the database that it is part of.
struct TreeSurroundings {
  BlockCache& cache;
  LsmOptions options;
  std::function<void(Lsn)> flush_log;  ///< returns once the log is durable up to there
  std::function<Lsn()> log_end;        ///< what the log has reserved
};

/// The background has been told to stop. No error: what it was at begins anew with the next opening.
class Stopped : public std::runtime_error {
 public:
  Stopped() : std::runtime_error("the tree's background work was stopped") {}
};

/// What Coordination works on: memtables, and the files and the manifest of a LevelStore. One flush and one compaction at a time.
class TreeParts {
 public:
  class NumberedMemtable : public lsm::Memtable {
   public:
    NumberedMemtable(std::uint64_t its_number, std::size_t chunk_bytes)
        : lsm::Memtable(chunk_bytes), number(its_number) {}
    const std::uint64_t number;  ///< rising; never used again
  };
  using Memtable = NumberedMemtable;

  /// What a memtable became. Of a compaction: its claim, no more.
  struct Table {
    std::vector<TablePtr> files;
  };
  struct Job {
    std::vector<Table*> inputs;  ///< the claim
    std::vector<Table*> outputs;
    std::shared_ptr<const Compaction> compaction;
    std::shared_ptr<const Levels> levels;
    std::vector<TablePtr> made;
  };
  /// The levels as the store has them. A change may bring that of another thread along, whose own change then brings nothing.
  struct Tables {
    std::shared_ptr<const Levels> levels;
    std::uint64_t generation = 0;
    const LevelStore* store = nullptr;

    void add(const Table&) { take(); }
    void replace(const Job&) { take(); }

   private:
    void take() {
      levels = store->levels();
      ++generation;
    }
  };
  static constexpr std::size_t kMemtables = 4;

  /// Opens the tree in the directory, and changes nothing there. Throws DamageError, std::system_error.
  TreeParts(const std::filesystem::path& directory, TreeSurroundings surroundings);

  /// Before the first flush and the first compaction. Throws std::system_error.
  void begin_writing() { store_->make_durable(); }

  const LevelStore& store() const { return *store_; }
  Tables tables() const { return {.levels = store_->levels(), .store = store_.get()}; }
  const LsmOptions& options() const { return surroundings_.options; }
  const std::filesystem::path& directory() const { return writing_.directory; }
  /// The log has failed, which is final. Room that comes later mends nothing.
  bool log_has_failed() const { return log_failed_.load(std::memory_order_relaxed); }
  /// Before compactions.
  void set_may_drop(MayDrop may_drop) { may_drop_ = std::move(may_drop); }
  /// While restart redoes the log: all records below are redone.
  void redo_from(Lsn lsn) { redo_from_.store(lsn, std::memory_order_relaxed); }
  void redo_ended() { redo_from_.store(0, std::memory_order_relaxed); }
  /// Flushes and compactions throw Stopped from now on.
  void stop() { stop_.request_stop(); }

  // For Coordination: see LsmParts.
  Lsn reserved();
  Memtable* make_memtable();
  Table* write_table(const Memtable& memtable);
  void sync(Table&) {}  // LevelStore does both
  Job pick(const Tables&, const std::vector<const Table*>& busy);
  void merge(Job& job);
  void edit(const Table& table);
  void edit(const Job& job);
  const View<TreeParts>* keep(const View<TreeParts>& view) { return new View<TreeParts>(view); }
  void discard(const View<TreeParts>* view) { delete view; }
  void discard(Memtable* memtable) { delete memtable; }
  void discard(Table*) {}

 private:
  std::optional<Compaction> pick_next(const Levels& levels, const RunningCompactions& running,
                                      const Cursors& cursors) const;

  const TreeSurroundings surroundings_;
  const std::unique_ptr<LevelStore> store_;
  const TableWriting writing_;
  MayDrop may_drop_;
  std::stop_source stop_;
  std::atomic<Lsn> redo_from_{0};  // relaxed: set before other threads come, and when they have gone
  // relaxed: the flush that sets it reads it in its own thread; a compaction may see it late
  std::atomic<bool> log_failed_{false};
  std::atomic<std::uint64_t> next_memtable_{1};  // relaxed: unique by atomicity alone
  std::mutex lowers_mutex_;
  std::deque<Lsn>
      lowers_;  // of the memtables that are not flushed, without the oldest: where the one before is complete
  Table claim_;         // one compaction at a time is at work
  Table flushed_;       // one memtable at a time is written
  Lsn flushed_to_ = 0;  // likewise
};

using TreeView = View<TreeParts>;

}  // namespace muster::lsm
