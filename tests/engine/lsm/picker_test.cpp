#include <algorithm>
#include <map>
#include <random>

#include "engine/lsm/compaction_picker.h"
#include "tests/catch.h"
#include "tests/engine/lsm/manifest_testing.h"

namespace muster::lsm {
namespace {

using test::placed;

constexpr std::uint64_t kEntryBytes = 100;

Key numbered_key(unsigned number) {
  return {static_cast<std::byte>(number >> 8U), static_cast<std::byte>(number & 0xffU)};
}

using Running = std::vector<std::shared_ptr<const Compaction>>;

/// A tree of tables without files: what its pickers decide is done to lists of keys and LSNs.
class PlannedTree {
 public:
  using Entries = std::map<unsigned, Lsn>;

  explicit PlannedTree(std::uint64_t seed) : random(seed) {}

  void flush() {
    Entries entries;
    const std::uint64_t size = 1 + random() % 20;
    const unsigned base =
        random() % 3 == 0 ? static_cast<unsigned>(random() % 300) : 0;  // some lie close together
    const unsigned span = base == 0 ? 300 : 10;
    while (entries.size() < std::min<std::uint64_t>(size, span)) {
      const unsigned key = base + static_cast<unsigned>(random() % span);
      entries[key] = newest[key] = ++lsn;
    }
    ManifestEdit edit;
    add(edit, 0, entries);
    apply(edit);
  }

  void finish(const Compaction& compaction) {
    ManifestEdit edit;
    Entries merged;
    for (const TablePtr& table : compaction.inputs) {
      const std::uint64_t number = table->info().number;
      edit.removed.push_back(number);
      if (compaction.moves) edit.added.push_back({.level = compaction.to, .table = table->info()});
      for (const auto& [key, entry] : entries_of[number]) merged[key] = std::max(merged[key], entry);
    }
    Entries output;
    for (const auto& [key, entry] : merged) {
      if (compaction.moves) break;
      output[key] = entry;
      if (output.size() * kEntryBytes < compaction.output_bytes) continue;
      add(edit, compaction.to, output);
      output.clear();
    }
    if (!output.empty()) add(edit, compaction.to, output);
    apply(edit);
  }

  /// Whether each key's newest entry is there, and above all older ones where levels are sorted.
  bool is_whole() const {
    for (const auto& [key, entry] : newest) {
      Lsn found = 0;
      Lsn above = ~Lsn{0};  // the oldest of the levels above
      bool sorted = true;
      for (unsigned number = 0; number < kLevels; ++number) {
        Lsn oldest = above;
        for (const TablePtr& table : levels.level(number)) {
          const Entries& entries = entries_of.at(table->info().number);
          const auto at = entries.find(key);
          if (at == entries.end()) continue;
          found = std::max(found, at->second);
          oldest = std::min(oldest, at->second);
          sorted &= at->second < above;
        }
        above = oldest;
      }
      if (found != entry || !sorted) return false;
    }
    return true;
  }

  std::mt19937_64 random;
  Levels levels;
  ManifestState state;  // refuses levels whose tables overlap
  std::map<std::uint64_t, Entries> entries_of;
  Entries newest;
  Lsn lsn = 0;

 private:
  void add(ManifestEdit& edit, unsigned level, const Entries& entries) {
    Lsn least = ~Lsn{0};
    Lsn greatest = 0;
    for (const auto& [key, entry] : entries) {
      least = std::min(least, entry);
      greatest = std::max(greatest, entry);
    }
    edit.added.push_back({.level = level,
                          .table = {.number = ++number_,
                                    .bytes = entries.size() * kEntryBytes,
                                    .entries = entries.size(),
                                    .tombstones = random() % 2,
                                    .least_lsn = least,
                                    .greatest_lsn = greatest,
                                    .smallest = numbered_key(entries.begin()->first),
                                    .largest = numbered_key(entries.rbegin()->first)}});
    entries_of[number_] = entries;
  }
  void apply(ManifestEdit& edit) {
    edit.next_file = number_ + 1;
    state.apply(edit);
    std::vector<TablePtr> tables;
    for (const PlacedTable& added : edit.added) tables.push_back(std::make_shared<const Table>(added.table));
    levels = levels.after(edit, tables);
  }

  std::uint64_t number_ = 0;
};

const LeveledOptions kLeveled{
    .level0_tables = 3, .level1_bytes = 20 * kEntryBytes, .growth = 2, .output_bytes = 7 * kEntryBytes};
const SizeTieredOptions kSizeTiered{.tables_min = 3, .tables_max = 5, .small_bytes = 5 * kEntryBytes};

std::optional<Compaction> pick(bool leveled, const PlannedTree& tree, const Running& running,
                               const Cursors& cursors) {
  return leveled ? pick_leveled(tree.levels, kLeveled, running, cursors)
                 : pick_size_tiered(tree.levels, kSizeTiered, running);
}

/// What is wrong with picking `compaction` beside the running ones.
std::string wrong(const Levels& levels, const Compaction& compaction, const Running& running) {
  if (compaction.inputs.empty()) return "no input";
  for (const TablePtr& table : compaction.inputs) {
    if (compare_keys(table->info().smallest, compaction.smallest) < 0) return "a key below the range";
    if (compare_keys(table->info().largest, compaction.largest) > 0) return "a key above the range";
    for (const auto& other : running) {
      if (std::ranges::count(other->inputs, table) != 0) return "a table in two compactions";
    }
  }
  if (compaction.to == 0) return "";
  for (const TablePtr& table : levels.overlapping(compaction.to, compaction.smallest, compaction.largest)) {
    if (std::ranges::count(compaction.inputs, table) == 0) return "an overlapping table below is left out";
  }
  for (const auto& other : running) {
    if (other->to == compaction.to && compare_keys(other->smallest, compaction.largest) <= 0 &&
        compare_keys(compaction.smallest, other->largest) <= 0) {
      return "outputs lie across each other";
    }
  }
  return "";
}

}  // namespace

TEST_CASE(
    "pickers: beside flushes and each other, compactions lose nothing and share no table; alone, they come "
    "to an end") {
  const bool leveled = GENERATE(true, false);
  const std::uint64_t seed = GENERATE(1, 2, 3, 4, 5, 6, 7, 8);
  INFO("leveled " << leveled << ", seed " << seed);
  PlannedTree tree(seed);
  Running running;
  Cursors cursors;
  std::size_t most_at_once = 0;
  std::size_t moves = 0;
  const auto begin = [&] {
    auto compaction = pick(leveled, tree, running, cursors);
    if (!compaction) return false;
    REQUIRE(wrong(tree.levels, *compaction, running) == "");
    moves += compaction->moves;
    if (compaction->cursor) cursors[compaction->from] = compaction->cursor;
    running.push_back(std::make_shared<const Compaction>(std::move(*compaction)));
    most_at_once = std::max(most_at_once, running.size());
    return true;
  };
  const auto finish = [&] {
    const std::size_t which = tree.random() % running.size();
    tree.finish(*running[which]);
    running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
    REQUIRE(tree.is_whole());
  };
  for (int step = 0; step < 600; ++step) {
    const std::uint64_t dice = tree.random() % 4;
    if (dice < 2) tree.flush();
    if (dice == 2) begin();
    if (dice == 3 && !running.empty()) finish();
  }
  for (int steps = 0; begin() || !running.empty(); ++steps) {
    if (!running.empty()) finish();
    REQUIRE(steps < 2000);
  }
  CHECK(most_at_once >= 2);
  if (!leveled) {
    CHECK(tree.levels.level(0).size() < 40);
    return;
  }
  CHECK(moves > 0);
  CHECK(tree.levels.level(0).size() < kLeveled.level0_tables);
  std::uint64_t target = kLeveled.level1_bytes;
  for (unsigned number = 1; number + 1 < kLevels; ++number, target *= kLeveled.growth) {
    CHECK(tree.levels.bytes(number) <= target);
  }
}

TEST_CASE("pick_leveled: of level 0 it takes the oldest table and what overlaps, also through others") {
  Levels levels;
  ManifestEdit edit;
  std::vector<TablePtr> tables;
  const auto add = [&](const PlacedTable& table) {
    edit.added.push_back(table);
    tables.push_back(std::make_shared<const Table>(table.table));
  };
  add(placed(0, 11, "c", "f"));
  add(placed(0, 12, "x", "z"));
  add(placed(0, 13, "e", "k"));
  add(placed(0, 14, "j", "m"));
  add(placed(1, 1, "a", "b"));
  add(placed(1, 2, "d", "n"));
  add(placed(1, 3, "o", "p"));
  const auto picked = pick_leveled(levels.after(edit, tables), {.level0_tables = 4}, {}, {});
  REQUIRE(picked);
  std::vector<std::uint64_t> numbers;
  for (const TablePtr& table : picked->inputs) numbers.push_back(table->info().number);
  std::ranges::sort(numbers);
  CHECK(numbers == std::vector<std::uint64_t>{2, 11, 13, 14});
  CHECK(picked->smallest == test::key("c"));
  CHECK(picked->largest == test::key("n"));
  CHECK_FALSE(picked->moves);
  CHECK_FALSE(pick_leveled(levels.after(edit, tables), {.level0_tables = 5}, {}, {}));
}

TEST_CASE("pick_leveled: in a level it goes round and round") {
  Levels levels;
  ManifestEdit edit;
  std::vector<TablePtr> tables;
  for (std::uint64_t n = 0; n < 4; ++n) {
    const std::string key(1, static_cast<char>('a' + n));
    edit.added.push_back(placed(1, n + 1, key, key, 1000));
    edit.added.push_back(placed(2, n + 11, key, key, 1000));
  }
  for (const PlacedTable& added : edit.added) tables.push_back(std::make_shared<const Table>(added.table));
  levels = levels.after(edit, tables);
  Cursors cursors;
  std::vector<std::uint64_t> picked;
  for (int n = 0; n < 6; ++n) {
    const auto compaction = pick_leveled(levels, {.level1_bytes = 3999}, {}, cursors);
    REQUIRE(compaction);
    REQUIRE(compaction->inputs.size() == 2);
    picked.push_back(compaction->inputs.front()->info().number);
    cursors[1] = compaction->cursor;
  }
  CHECK(picked == std::vector<std::uint64_t>{1, 2, 3, 4, 1, 2});
}

TEST_CASE("pick_size_tiered: a tree that was leveled first gets all its tables into level 0") {
  ManifestEdit edit;
  edit.added = {placed(0, 9, "a", "z"), placed(1, 1, "a", "b"), placed(2, 2, "a", "c")};
  std::vector<TablePtr> tables;
  for (const PlacedTable& added : edit.added) tables.push_back(std::make_shared<const Table>(added.table));
  const auto picked = pick_size_tiered(Levels().after(edit, tables), {}, {});
  REQUIRE(picked);
  CHECK(picked->moves);
  CHECK(picked->to == 0);
  CHECK(picked->inputs.size() == 2);
}

}  // namespace muster::lsm
