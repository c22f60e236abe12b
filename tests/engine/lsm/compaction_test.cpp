#include "engine/lsm/compaction.h"

#include <fmt/format.h>

#include <cerrno>
#include <random>
#include <system_error>

#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/engine/lsm/tree_testing.h"

namespace muster::lsm {
namespace {

using Kind = FileOperation::Kind;
using test::all_of;
using test::key;
using test::TestTree;

/// Two tables in level 0 over one in level 1, with removals.
void fill(TestTree& tree) {
  for (int n = 0; n < 200; ++n) tree.put(fmt::format("k{:03}", n), std::string(20, 'a'));
  tree.flush();
  REQUIRE(tree.compact(all_of(0, 1)));
  for (int n = 0; n < 200; n += 2) tree.put(fmt::format("k{:03}", n), std::string(20, 'b'));
  tree.flush();
  for (int n = 0; n < 200; n += 3) tree.remove(fmt::format("k{:03}", n));
  tree.flush();
}

}  // namespace

TEST_CASE("compaction: the tree is what a map is, under random changes, flushes, compactions and openings") {
  const bool leveled = GENERATE(true, false);
  const std::uint64_t seed = GENERATE(1, 2, 3);
  INFO("leveled " << leveled << ", seed " << seed);
  std::mt19937_64 random(seed);
  TestTree tree;
  const LevelStore::Picker picker = leveled ? test::small_leveled() : test::small_tiered();
  const auto name = [&] { return fmt::format("k{:03}", random() % 500); };
  for (int round = 0; round < 60; ++round) {
    for (std::uint64_t changes = random() % 60; changes > 0; --changes) {
      if (random() % 3 == 0) {
        tree.remove(name());
      } else {
        tree.put(name(), std::string(random() % 60, static_cast<char>('a' + random() % 26)));
      }
    }
    tree.flush();
    if (random() % 2 == 0) tree.compact(picker);
    if (random() % 10 == 0) tree.reopen();
    REQUIRE(TestTree::content(*tree.store->levels()) == tree.model);
  }
  for (int steps = 0; tree.compact(picker); ++steps) REQUIRE(steps < 1000);
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
  for (int n = 0; n < 500; ++n) {
    const std::string each = fmt::format("k{:03}", n);
    const auto in_model = tree.model.find(each);
    const std::string found = tree.found(each);
    REQUIRE(found == (in_model != tree.model.end() ? in_model->second : found.empty() ? "" : "-"));
  }
  if (leveled) {
    CHECK(tree.store->levels()->tables() - tree.store->levels()->level(0).size() > 3);
  }
}

TEST_CASE("compaction: a removal stays while a table below may hold its key, and goes where none can") {
  TestTree tree;
  tree.put("b", "1");
  tree.put("m", "1");
  tree.flush();
  REQUIRE(tree.compact(all_of(0, 2)));
  tree.remove("a");  // below the other table's first key
  tree.remove("b");
  tree.remove("f");  // between: the table below may hold it, for all that its range tells
  tree.remove("z");
  tree.flush();
  REQUIRE(tree.compact(all_of(0, 1)));
  CHECK(tree.found("a").empty());
  CHECK(tree.found("b") == "-");
  CHECK(tree.found("f") == "-");
  CHECK(tree.found("z").empty());
  CHECK(tree.tombstones() == 2);
  REQUIRE(tree.compact(all_of(1, 2)));
  CHECK(tree.tombstones() == 0);
  CHECK(tree.found("b").empty());
  CHECK(tree.found("m") == "1");
}

TEST_CASE("compaction: in level 0 a removal stays while another table there may hold an older entry") {
  TestTree tree;
  for (const char* value : {"1", "2"}) {
    tree.put("a", value);
    tree.put("c", value);
    tree.flush();
  }
  tree.remove("b");
  tree.flush();
  tree.put("a", "3");
  tree.put("c", "3");
  tree.flush();
  const auto compact = [&](std::size_t newest, std::size_t count) {
    REQUIRE(tree.compact([&](const Levels& levels, const RunningCompactions&, const Cursors&) {
      const auto first = levels.level(0).begin() + static_cast<std::ptrdiff_t>(newest);
      Compaction compaction{.inputs = {first, first + static_cast<std::ptrdiff_t>(count)},
                            .smallest = key("a"),
                            .largest = key("c")};
      return std::optional(compaction);
    }));
  };
  compact(0, 2);  // the removal and what is newer: the two older tables are beside it
  CHECK(tree.tombstones() == 1);
  compact(0, 2);
  CHECK(tree.tombstones() == 1);
  compact(0, 2);  // what is left
  CHECK(tree.tombstones() == 0);
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
}

TEST_CASE("compaction: a removal that a newer table lies beside goes") {
  TestTree tree;
  tree.remove("b");
  tree.flush();
  tree.put("a", "1");
  tree.put("c", "1");
  tree.flush();
  REQUIRE(tree.compact([](const Levels& levels, const RunningCompactions&, const Cursors&) {
    return std::optional(
        Compaction{.inputs = {levels.level(0).back()}, .smallest = key("b"), .largest = key("b")});
  }));
  CHECK(tree.tombstones() == 0);
  CHECK(tree.store->levels()->tables() == 1);
}

TEST_CASE("compaction: a removal that a transaction may still need stays, down to the last level") {
  TestTree tree;
  tree.remove("a");
  tree.remove("b");
  tree.flush();
  tree.may_drop = [](const Entry& tombstone) { return test::text(tombstone.key) != "b"; };
  for (unsigned level = 0; level + 1 < kLevels; ++level) REQUIRE(tree.compact(all_of(level, level + 1)));
  CHECK(tree.found("a").empty());
  CHECK(tree.found("b") == "-");
  CHECK(tree.store->levels()->level(kLevels - 1).size() == 1);
}

TEST_CASE("compaction: outputs are cut at their size, and each byte is counted by its cause") {
  TestTree tree;
  fill(tree);
  Traffic& traffic = tree.store->traffic();
  const std::uint64_t flushed = traffic.flush_written;
  const std::uint64_t written = traffic.compaction_written;
  const std::uint64_t read = traffic.compaction_read;
  const std::uint64_t inputs = tree.store->levels()->bytes(0) + tree.store->levels()->bytes(1);
  REQUIRE(tree.compact([](const Levels& levels, const RunningCompactions& running, const Cursors& cursors) {
    auto compaction = all_of(0, 1)(levels, running, cursors);
    compaction->output_bytes = 1500;
    return compaction;
  }));
  const auto levels = tree.store->levels();
  REQUIRE(levels->level(1).size() > 2);
  for (std::size_t n = 0; n + 1 < levels->level(1).size(); ++n) {
    const std::uint64_t bytes = levels->level(1)[n]->info().bytes;
    CHECK(bytes >= 1500);
    CHECK(bytes < 3000);  // with index, filter and the rest
  }
  CHECK(traffic.compaction_read - read == inputs);
  CHECK(traffic.compaction_written - written == levels->bytes(1));
  CHECK(traffic.flush_written == flushed);
  CHECK(traffic.compactions == 2);
  CHECK(traffic.write_amplification() ==
        Approx(1 + static_cast<double>(traffic.compaction_written) / static_cast<double>(flushed)));
}

TEST_CASE("compaction: on a disk that is full at any write, the tree is as it was and no file is left") {
  TestTree tree;
  fill(tree);
  const auto files = tree.files();
  const auto before = tree.store->levels();
  int failures = 0;
  bool done = false;
  for (int at = 0; !done; ++at) {
    const auto compaction = tree.store->begin_compaction(all_of(0, 1));
    REQUIRE(compaction != nullptr);
    Compaction cut = *compaction;
    cut.output_bytes = 1500;
    int writes = 0;
    const Judge full([&](const FileOperation& operation) {
      const bool takes_room =
          operation.kind == Kind::write || (operation.kind == Kind::open && (operation.flags & O_CREAT) != 0);
      return FileVerdict{.error = takes_room && writes++ >= at ? ENOSPC : 0};
    });
    try {
      tree.run(cut);
      done = true;
    } catch (const std::system_error& error) {
      ++failures;
      REQUIRE(error.code() == std::errc::no_space_on_device);
      REQUIRE(tree.files() == files);
      REQUIRE(tree.store->levels() == before);
    }
  }
  CHECK(failures > 5);
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
  CHECK(TestTree::content(*before) == tree.model);
}

TEST_CASE("compaction: one that is stopped leaves no file") {
  TestTree tree;
  fill(tree);
  const auto files = tree.files();
  const auto compaction = tree.store->begin_compaction(all_of(0, 1));
  std::stop_source stop;
  int seen = 0;
  const MayDrop stops = [&](const Entry&) {
    if (++seen == 40) stop.request_stop();
    return true;
  };
  Compaction cut = *compaction;
  cut.output_bytes = 500;
  CHECK_FALSE(run_compaction(cut, *tree.store->levels(), tree.writing(), stops, tree.store->traffic(),
                             stop.get_token()));
  CHECK(seen == 40);
  CHECK(tree.files() == files);
}

TEST_CASE(
    "LevelStore: a reader keeps the tables that a compaction has removed, and the last one lets their files "
    "go") {
  TestTree tree;
  fill(tree);
  auto levels = tree.store->levels();
  const auto old_files = tree.files();
  REQUIRE(tree.compact(all_of(0, 1)));
  const auto with_both = tree.files();
  CHECK(std::ranges::includes(with_both, old_files));
  CHECK(TestTree::content(*levels) == tree.model);
  const TablePtr one = levels->level(0).front();
  levels.reset();
  CHECK(tree.files() ==
        std::set<std::string>{"MANIFEST", one->file().path().filename().string(),
                              tree.store->levels()->level(1)[0]->file().path().filename().string()});
}

TEST_CASE("LevelStore: a move changes no file, and the next opening finds it") {
  TestTree tree;
  tree.put("a", "1");
  tree.flush();
  const auto files = tree.files();
  REQUIRE(tree.compact([](const Levels& levels, const RunningCompactions&, const Cursors&) {
    return std::optional(Compaction{.from = 0, .to = 3, .inputs = levels.level(0), .moves = true});
  }));
  CHECK(tree.store->levels()->level(3).size() == 1);
  CHECK(tree.store->traffic().moved == tree.store->levels()->bytes(3));
  CHECK(tree.store->traffic().compaction_written == 0);
  tree.reopen();
  CHECK(tree.store->levels()->level(3).size() == 1);
  CHECK(tree.found("a") == "1");
  CHECK(tree.files() == files);
}

TEST_CASE(
    "LevelStore: while the manifest is in doubt no file that it may name goes, and an opening finds one of "
    "both states") {
  TestTree tree;
  fill(tree);
  const Lsn flushed = tree.store->flushed();
  CHECK(flushed == tree.lsn);
  const auto files = tree.files();
  const auto compaction = tree.store->begin_compaction(all_of(0, 1));
  {
    auto outputs = run_compaction(*compaction, *tree.store->levels(), tree.writing(), tree.may_drop,
                                  tree.store->traffic(), {});
    const Judge broken([](const FileOperation& operation) {
      return FileVerdict{.error = operation.kind == Kind::sync ? EIO : 0};
    });
    CHECK_THROWS_AS(tree.store->finish_compaction(*compaction, *outputs), std::system_error);
  }
  CHECK(std::ranges::includes(tree.files(), files));
  CHECK(tree.files().size() == files.size() + 1);
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
  tree.put("later", "1");
  CHECK_THROWS_AS(tree.flush(), std::system_error);
  tree.model.erase("later");
  tree.reopen();
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
  CHECK(tree.store->flushed() == flushed);
  CHECK(tree.files().size() == tree.store->levels()->tables() + 1);
}

}  // namespace muster::lsm
