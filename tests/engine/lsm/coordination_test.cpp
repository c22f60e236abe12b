#include "engine/lsm/coordination.h"

#include <stdexcept>
#include <string>
#include <vector>

#include "tests/algorithms/impatient_platform.h"
#include "tests/catch.h"
#include "tests/engine/lsm/simple_parts.h"

namespace muster::lsm {
namespace {

using Tree = Coordination<NativePlatform, SimpleParts>;

Lsn write(Tree& tree, SimpleParts& parts, std::uint32_t key, WorkerId writer = 0) {
  return tree.write(
      writer, [&](const Tree::View&) { return parts.append(); },
      [&](SimpleParts::Memtable& memtable, Lsn lsn) {
        memtable.newest[key].store(lsn, std::memory_order_release);
      });
}

Lsn read(Tree& tree, std::uint32_t key, WorkerId reader = 0) {
  return tree.read(reader, [&](const Tree::View& view) { return newest_in(view, key); });
}

/// What is where: "2 memtables, 1 table".
std::string shape(Tree& tree) {
  return tree.read(0, [](const Tree::View& view) {
    return std::to_string(view.count) + " memtables, " + std::to_string(view.tables.size()) + " tables";
  });
}

}  // namespace

TEST_CASE(
    "Coordination: a write is found in the memtable, the switched one, its table and what is compacted of it",
    "[lsm]") {
  SimpleParts parts;
  Tree tree(parts, 1, 1, {}, parts.reserved());
  const Lsn first = write(tree, parts, 0);
  CHECK(read(tree, 0) == first);
  CHECK(read(tree, 1) == 0);
  CHECK(tree.switch_memtable());
  CHECK(read(tree, 0) == first);
  const Lsn second = write(tree, parts, 1);
  CHECK(tree.flush());
  CHECK(shape(tree) == "1 memtables, 1 tables");
  CHECK(read(tree, 0) == first);
  CHECK(tree.switch_memtable());
  CHECK(tree.flush());
  CHECK(shape(tree) == "1 memtables, 2 tables");
  CHECK(tree.compact());
  CHECK(shape(tree) == "1 memtables, 1 tables");
  CHECK(read(tree, 0) == first);
  CHECK(read(tree, 1) == second);
  CHECK(parts.tables() == 1);
  CHECK(parts.views() == 1);
  CHECK(parts.memtables() == 1);
}

TEST_CASE("Coordination: the log is needed from the oldest memtable that is not flushed", "[lsm]") {
  SimpleParts parts;
  Tree tree(parts, 1, 1, {}, parts.reserved());
  CHECK(tree.needed_from() == 0);
  const Lsn first = write(tree, parts, 0);
  CHECK(tree.needed_from() == 0);
  CHECK(tree.switch_memtable());
  const Lsn second = write(tree, parts, 0);
  CHECK(tree.switch_memtable());
  write(tree, parts, 0);
  CHECK(tree.needed_from() == 0);
  CHECK(tree.flush());
  CHECK(tree.needed_from() == first);
  CHECK(tree.flush());
  CHECK(tree.needed_from() == second);
  CHECK_FALSE(tree.flush());
}

TEST_CASE(
    "Coordination: a memtable is switched once, however many find it full, and only while there is room",
    "[lsm]") {
  SimpleParts parts;
  Tree tree(parts, 1, 1, {}, parts.reserved());
  const auto active = [&] {
    return tree.read(0, [](const Tree::View& view) { return view.memtables[0].memtable; });
  };
  const SimpleParts::Memtable* const full = active();
  CHECK(tree.switch_memtable(full));
  CHECK_FALSE(tree.switch_memtable(full));
  while (tree.switch_memtable(active())) {}
  CHECK(shape(tree) == std::to_string(SimpleParts::kMemtables) + " memtables, 0 tables");
  CHECK(parts.memtables() == SimpleParts::kMemtables);
  CHECK(tree.flush());
  CHECK(tree.switch_memtable(active()));
}

TEST_CASE("Coordination: an empty memtable becomes no table, and lets the log go", "[lsm]") {
  SimpleParts parts;
  Tree tree(parts, 1, 1, {}, parts.reserved());
  parts.append();  // of another table
  CHECK(tree.switch_memtable());
  CHECK(tree.flush());
  CHECK(tree.needed_from() == 1);
  CHECK(parts.tables() == 0);
}

TEST_CASE("Coordination: a flush or compaction that fails has changed nothing, and may be tried again",
          "[lsm]") {
  SimpleParts parts;
  Tree tree(parts, 1, 1, {}, parts.reserved());
  const auto fails = [] { throw std::runtime_error("planted"); };
  for (std::uint32_t key = 0; key < 2; ++key) {
    write(tree, parts, key);
    CHECK(tree.switch_memtable());
    parts.before_write = fails;
    CHECK_THROWS_AS(tree.flush(), std::runtime_error);
    parts.before_write = [] {};
    parts.before_edit = fails;
    CHECK_THROWS_AS(tree.flush(), std::runtime_error);
    CHECK(read(tree, key) == key + 1);
    CHECK(tree.needed_from() == key);
    parts.before_edit = [] {};
    CHECK(tree.flush());
  }
  parts.before_merge = fails;
  CHECK_THROWS_AS(tree.compact(), std::runtime_error);
  CHECK(shape(tree) == "1 memtables, 2 tables");
  parts.before_merge = [] {};
  CHECK(tree.compact());
  CHECK(read(tree, 1) == 2);
}

TEST_CASE("Coordination: while a flush or compaction is on its way, another thread finds its parts taken",
          "[lsm]") {
  SimpleParts parts;
  Tree tree(parts, 1, 1, {}, parts.reserved());
  std::uint32_t refused = 0;
  parts.before_write = [&] { refused += tree.flush() ? 0 : 1; };  // on this thread: it is inside the flush
  for (std::uint32_t key = 0; key < 2; ++key) {
    write(tree, parts, key);
    CHECK(tree.switch_memtable());
    CHECK(tree.flush());
  }
  CHECK(refused == 2);
  parts.before_merge = [&] { refused += tree.compact() ? 0 : 1; };
  CHECK(tree.compact());
  CHECK(refused == 3);
}

TEST_CASE(
    "Coordination: a flush waits for a writer before it reads the memtable, for a reader before it frees it",
    "[lsm]") {
  using Impatient = Coordination<test::ImpatientPlatform, SimpleParts>;
  SimpleParts parts;
  Impatient tree(parts, 1, 1, {}, parts.reserved());
  const auto flush = [&] { tree.flush(); };
  const auto append = [&](const Impatient::View&) {
    CHECK(tree.switch_memtable());
    CHECK(test::waits_for(WaitFor::predecessor, flush));
    return parts.append();
  };
  tree.write(0, append, [](SimpleParts::Memtable& memtable, Lsn lsn) { memtable.newest[0] = lsn; });
  CHECK(parts.tables() == 0);
  CHECK(parts.memtables() == 2);
  CHECK(parts.views() == 2);
  tree.read(0, [&](const Impatient::View& view) {
    CHECK(test::waits_for(WaitFor::predecessor, flush));
    CHECK(newest_in(view, 0) == 1);
    return 0;
  });
  CHECK(parts.tables() == 1);
  CHECK(parts.memtables() == 2);
  CHECK(parts.views() == 3);
}

}  // namespace muster::lsm
