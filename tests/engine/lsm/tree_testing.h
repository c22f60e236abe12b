#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/lsm/compaction.h"
#include "engine/lsm/level_store.h"
#include "engine/lsm/memtable.h"
#include "engine/lsm/merging_iterator.h"
#include "engine/lsm/newest_iterator.h"
#include "tests/engine/lsm/manifest_testing.h"
#include "tests/temporary_directory.h"

namespace muster::lsm::test {

inline std::string text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A tree in a directory of its own, one memtable, and beside both a std::map of what they hold.
class TestTree {
 public:
  TestTree() : store(LevelStore::create(directory.path())) {}

  void put(const std::string& name, const std::string& value) {
    add(name, false, value);
    model[name] = value;
  }
  void remove(const std::string& name) {
    add(name, true, "");
    model.erase(name);
  }
  void flush() {
    NewestIterator entries(memtable->iterator());
    const auto tables = write_tables(entries, [](const Entry&) { return true; }, 1U << 30U, writing(),
                                     store->traffic().flush_written, {});
    store->add_flushed(*tables, std::max(lsn, store->flushed()));
    memtable = std::make_unique<Memtable>();
  }
  /// Everything anew from the disk. The memtable is empty.
  void reopen() {
    store.reset();
    store = LevelStore::open(directory.path(), cache);
    store->make_durable();
  }
  TableWriting writing() {
    return {.directory = directory.path(),
            .cache = cache,
            .options = {.compression = Compression::none, .block_bytes = 256},
            .new_number = [this] { return store->new_number(); }};
  }
  /// One compaction; false: there was none to do.
  bool compact(const LevelStore::Picker& picker) {
    const auto compaction = store->begin_compaction(picker);
    if (compaction == nullptr) return false;
    run(*compaction);
    return true;
  }
  void run(const Compaction& compaction) {
    std::vector<TablePtr> outputs;
    if (!compaction.moves) {
      outputs =
          run_compaction(compaction, *store->levels(), writing(), may_drop, store->traffic(), {}).value();
    }
    store->finish_compaction(compaction, outputs);
  }

  /// What the levels show of a key: its value, "-" for a removal, nothing for no entry.
  std::string found(const std::string& name) const { return found(*store->levels(), name); }
  static std::string found(const Levels& levels, const std::string& name) {
    std::vector<std::byte> value;
    bool tombstone = false;
    Lsn at = 0;
    if (!levels.find(key(name), value, tombstone, at)) return "";
    return tombstone ? "-" : text(value);
  }
  /// All that the levels show by one iterator, without removals.
  static std::map<std::string, std::string> content(const Levels& levels) {
    std::map<std::string, std::string> content;
    NewestIterator all(std::make_unique<MergingIterator>(levels.iterators()));
    for (all.seek_to_first(); all.valid(); all.next()) {
      if (!all.entry().tombstone) content[text(all.entry().key)] = text(all.entry().value);
    }
    return content;
  }
  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }
  std::uint64_t tombstones() const {
    std::uint64_t tombstones = 0;
    for (unsigned number = 0; number < kLevels; ++number) {
      for (const TablePtr& table : store->levels()->level(number)) tombstones += table->info().tombstones;
    }
    return tombstones;
  }

  TemporaryDirectory directory;
  BlockCache cache{1U << 20U};
  std::unique_ptr<LevelStore> store;
  std::unique_ptr<Memtable> memtable = std::make_unique<Memtable>();
  std::map<std::string, std::string> model;
  MayDrop may_drop = [](const Entry&) { return true; };
  Lsn lsn = 0;

 private:
  void add(const std::string& name, bool tombstone, const std::string& value) {
    lsn += 10;
    memtable->add(
        {.key = key(name), .lsn = lsn, .tombstone = tombstone, .value = std::as_bytes(std::span(value))});
  }
};

/// Picks all tables of the levels `from` and `to`.
inline LevelStore::Picker all_of(unsigned from, unsigned to) {
  return [=](const Levels& levels, const RunningCompactions&, const Cursors&) {
    Compaction compaction{.from = from, .to = to};
    compaction.inputs = levels.level(from);
    const Levels::Level& lower = levels.level(to);
    if (from != to) compaction.inputs.insert(compaction.inputs.end(), lower.begin(), lower.end());
    compaction.smallest = key("");
    compaction.largest = key("zzzzzzzz");
    return std::optional(compaction);
  };
}

inline LevelStore::Picker small_leveled() {
  return [](const Levels& levels, const RunningCompactions& running, const Cursors& cursors) {
    return pick_leveled(levels, {.level0_tables = 2, .level1_bytes = 4000, .growth = 3, .output_bytes = 1500},
                        running, cursors);
  };
}

inline LevelStore::Picker small_tiered() {
  return [](const Levels& levels, const RunningCompactions& running, const Cursors&) {
    return pick_size_tiered(levels, {.tables_min = 3, .small_bytes = 500}, running);
  };
}

}  // namespace muster::lsm::test
