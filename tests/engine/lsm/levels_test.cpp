#include "engine/lsm/levels.h"

#include <fmt/format.h>

#include <utility>

#include "engine/error.h"
#include "engine/lsm/level_iterator.h"
#include "tests/catch.h"
#include "tests/engine/lsm/tree_testing.h"

namespace muster::lsm {
namespace {

using test::key;
using test::placed;
using test::TestTree;

/// Level 1 with the keys k010, k012, ..., k048, four a table.
void fill_level_1(TestTree& tree) {
  for (int table = 0; table < 5; ++table) {
    for (int n = 0; n < 4; ++n) tree.put(fmt::format("k{:03}", 10 + table * 8 + n * 2), std::to_string(n));
    tree.flush();
    const auto move = [](const Levels& levels, const RunningCompactions&, const Cursors&) {
      Compaction compaction{.from = 0, .to = 1, .inputs = levels.level(0), .moves = true};
      return std::optional(compaction);
    };
    REQUIRE(tree.compact(move));
  }
}

}  // namespace

TEST_CASE("Levels: an edit makes a new value, shares what it leaves alone, and puts tables in order") {
  ManifestEdit first;
  first.added = {placed(0, 1, "a", "z"), placed(0, 2, "a", "z"), placed(1, 4, "m", "p"),
                 placed(1, 3, "a", "c"), placed(2, 5, "a", "b")};
  std::vector<TablePtr> tables;
  for (const PlacedTable& added : first.added) tables.push_back(std::make_shared<const Table>(added.table));
  const Levels before = Levels().after(first, tables);
  CHECK(before.level(0)[0]->info().number == 2);
  CHECK(before.level(1)[0]->info().number == 3);
  CHECK(before.tables() == 5);

  const ManifestEdit move{.removed = {1, 3}, .added = {placed(2, 3, "a", "c"), placed(0, 9, "a", "b")}};
  const std::vector<TablePtr> added{std::make_shared<const Table>(move.added[1].table)};
  const Levels after = before.after(ManifestEdit{.removed = {1, 5, 3}, .added = move.added}, added);
  CHECK(after.level(0).size() == 2);
  CHECK(after.level(0)[0]->info().number == 9);
  CHECK(after.level(1).size() == 1);
  CHECK(after.level(2).size() == 1);
  CHECK(after.level(2)[0] == before.level(1)[0]);
  CHECK(&after.level(3) == &before.level(3));
  CHECK(before.tables() == 5);
}

TEST_CASE("Levels: the newest entry is found also where tables of level 0 were filled beside each other") {
  TestTree tree;
  tree.put("a", "old");  // LSN 10
  tree.lsn = 990;
  tree.put("b", "late");  // LSN 1000, so that the older table has the greater LSN
  tree.flush();
  tree.lsn = 490;
  tree.put("a", "new");  // LSN 500
  tree.flush();
  REQUIRE(tree.store->levels()->level(0)[0]->info().number == 1);
  CHECK(tree.found("a") == "new");
  CHECK(tree.found("b") == "late");
  CHECK(tree.found("c").empty());
}

TEST_CASE("Levels: a level above is newer, and a removal hides what lies below") {
  TestTree tree;
  tree.put("a", "1");
  tree.put("b", "1");
  tree.flush();
  REQUIRE(tree.compact(test::all_of(0, 2)));
  tree.put("a", "2");
  tree.remove("b");
  tree.flush();
  REQUIRE(tree.compact(test::all_of(0, 1)));
  CHECK(tree.found("a") == "2");
  CHECK(tree.found("b") == "-");
  std::vector<std::pair<std::uint64_t, unsigned>> holders;
  tree.store->levels()->visit_holders(key("a"), [&](const Table& table, unsigned level) {
    holders.emplace_back(table.info().number, level);
    return true;
  });
  CHECK(holders.size() == 2);
  CHECK(holders.front().second == 1);
}

TEST_CASE("LevelIterator: from any key it goes both ways over all tables") {
  TestTree tree;
  fill_level_1(tree);
  const auto levels = tree.store->levels();
  REQUIRE(levels->level(1).size() == 5);
  std::vector<std::string> keys;
  for (const auto& [name, value] : tree.model) keys.push_back(name);
  LevelIterator iterator(levels->level(1), Caching::fill);
  const auto where = [&] { return iterator.valid() ? test::text(iterator.entry().key) : std::string("end"); };
  const auto at = [&](std::ptrdiff_t n) {
    return n < 0 || n >= std::ssize(keys) ? "end" : keys[static_cast<std::size_t>(n)];
  };

  iterator.seek_to_first();
  for (std::ptrdiff_t n = 0; n < std::ssize(keys); ++n, iterator.next()) REQUIRE(where() == at(n));
  CHECK_FALSE(iterator.valid());
  iterator.seek_to_last();
  for (std::ptrdiff_t n = std::ssize(keys); n-- > 0; iterator.previous()) REQUIRE(where() == at(n));
  CHECK_FALSE(iterator.valid());
  for (int n = 8; n <= 50; ++n) {
    const std::string from = fmt::format("k{:03}", n);
    const std::ptrdiff_t first = std::ranges::lower_bound(keys, from) - keys.begin();
    iterator.seek(key(from));
    CHECK(where() == at(first));
    if (iterator.valid()) {
      iterator.previous();
      CHECK(where() == at(first - 1));
    }
    iterator.seek_below(key(from));
    CHECK(where() == at(first - 1));
    if (iterator.valid()) {
      iterator.next();
      CHECK(where() == at(first));
    }
  }
  const Levels::Level none;
  LevelIterator empty(none, Caching::fill);
  empty.seek_to_last();
  CHECK_FALSE(empty.valid());
  empty.seek(key("a"));
  CHECK_FALSE(empty.valid());
}

TEST_CASE("LevelStore: a file that tells of other entries than the manifest is damage that names it") {
  TestTree tree;
  tree.put("a", "1");
  tree.flush();
  tree.put("b", "1");
  tree.flush();
  const TableInfo info = tree.store->levels()->level(0)[0]->info();
  TableInfo other = info;
  other.entries += 1;
  CHECK_THROWS_AS(open_table(tree.directory.path(), other, tree.cache), DamageError);
  CHECK_THROWS_WITH(open_table(tree.directory.path(), other, tree.cache),
                    Catch::Matchers::Contains("000002.sst"));
  CHECK(open_table(tree.directory.path(), info, tree.cache)->info() == info);
}

}  // namespace muster::lsm
