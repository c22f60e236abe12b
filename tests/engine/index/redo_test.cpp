#include "engine/index/redo.h"

#include <algorithm>
#include <array>

#include "engine/error.h"
#include "engine/storage/page_checksum.h"
#include "tests/catch.h"
#include "tests/engine/index/tree_fixture.h"
#include "tests/engine/named_file.h"

namespace muster::test {
namespace {

void change_at_random(std::mt19937_64& random, BTree& tree, ChangeLog& log, int steps) {
  for (int i = 0; i < steps; ++i) {
    const std::string key = fmt::format("key{}", random() % 1500);
    const std::string value(random() % 400, static_cast<char>('a' + random() % 26));
    const bool removing = i / 1000 % 2 == 1 ? random() % 10 < 8 : random() % 10 < 1;
    Status status = removing && i % 2 == 0 ? remove_and_reclaim(tree, bytes(key), log)
                    : removing             ? tree.remove(bytes(key), log)
                                           : tree.insert(bytes(key), bytes(value), log);
    if (status == Status::already_exists) status = tree.update(bytes(key), bytes(value), log);
    static_cast<void>(status);
  }
}

/// As a file holds it.
std::vector<std::byte> sealed_root(TreeFixture& fixture) {
  const SharedGuard root(fixture.buffers, fixture.buffers.space(kTable), 1);
  std::vector<std::byte> page(root.bytes(), root.bytes() + kPageBytes);
  seal_page(std::span(page).first<kPageBytes>(), kTable, 1);
  return page;
}

/// What the records up to `end` make of an empty table.
std::map<std::string, std::string> model_of(const RecordingLog& log, Lsn end) {
  std::map<std::string, std::string> model;
  for (const auto& record : log.records) {
    if (record.end > end || !record.change) continue;
    if (record.change->kind == ChangeKind::remove) {
      model.erase(record.key);
    } else {
      model[record.key] = record.after;
    }
  }
  return model;
}

}  // namespace

TEST_CASE("Redo: a crash at any durable LSN leaves pages from which the log restores every record") {
  const auto seed = GENERATE(1u, 2u, 3u, 4u);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const NamedFile file;
  RecordingLog log;
  Lsn durable = 0;
  {
    // Few frames: pages reach the file at arbitrary moments, each in the state that it then has.
    BufferManager buffers({.frames = BufferManager::kFramesMin},
                          [&](Lsn lsn) { durable = std::max(durable, lsn); });
    buffers.open_table(kTable, file.open());
    BTree::create(buffers, kTable, log);
    BTree tree(buffers, kTable);
    change_at_random(random, tree, log, 2000 + static_cast<int>(seed) * 700);
    REQUIRE(buffers.statistics().writes > 100);
  }  // the crash: what was in memory is lost
  REQUIRE(durable > 0);

  for (const Lsn end : {durable, log.end.load()}) {  // first only what had to be durable, then all of it
    BufferManager buffers({.frames = 64}, [](Lsn) {});
    buffers.open_table(kTable, file.open());
    int skipped = 0;
    for (std::size_t i = 0; i < log.records.size() && log.records[i].end <= end; ++i) {
      skipped += log.replay(i, buffers) == 0 ? 1 : 0;
    }
    CHECK(skipped > 0);
    const BTree tree(buffers, kTable);
    const auto model = model_of(log, end);
    CHECK(tree.check().records == model.size());
    CHECK(contents(tree) == model);
    int changed_again = 0;
    for (std::size_t i = 0; i < log.records.size() && log.records[i].end <= end; ++i) {
      changed_again += log.replay(i, buffers);
    }
    CHECK(changed_again == 0);
  }
}

TEST_CASE("Redo: every prefix of the log makes a sound tree of an empty table") {
  RecordingLog log;
  std::mt19937_64 random(7);
  {
    TreeFixture fixture(log);
    change_at_random(random, *fixture.tree, log, 3000);
  }
  BufferManager buffers({.frames = 64}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  log.replay(0, buffers);
  const BTree tree(buffers, kTable);
  for (std::size_t i = 1; i < log.records.size(); ++i) {
    log.replay(i, buffers);
    // Right after a structure record, where a tree would be torn if it took two of them.
    if (!log.records[i].change || i + 1 == log.records.size()) tree.check();
  }
  CHECK(contents(tree) == model_of(log, log.end.load()));
}

TEST_CASE("Redo: a page with a wrong header or slot is refused, or changed within its own bytes") {
  RecordingLog log;
  const NamedFile file;
  {
    TreeFixture fixture(log);
    for (int i = 0; i < 30; ++i)
      REQUIRE(fixture.tree->insert(bytes(fmt::format("key{:02}", i)), bytes(std::string(60, 'v')), log) ==
              Status::ok);
    file.open().write_at(kPageBytes, sealed_root(fixture));
  }
  std::mt19937_64 random(5);
  const std::string key = "key15x", value(40, 'n');
  int refused = 0;
  int spilt = 0;
  for (int round = 0; round < 2000; ++round) {
    BufferManager buffers({.frames = BufferManager::kFramesMin}, [](Lsn) {});
    buffers.open_table(kTable, file.open());
    TableSpace& space = buffers.space(kTable);
    {
      ExclusiveGuard guard(buffers, space, 1);
      for (std::uint64_t words = random() % 3 + 1; words > 0; --words) {
        const std::uint64_t at = (random() % 2 == 0 ? 1 + random() % 2 : 4 + random() % 30) * kWordBytes;
        const std::uint64_t flipped = (random() % 0x10000) << (16 * (random() % 4));
        store_word(guard.bytes() + at, load_word(guard.bytes() + at) ^ flipped);
      }
    }  // not marked as changed: as if the file held it so
    std::array<SharedGuard, 2> neighbours{SharedGuard(buffers, space, 0), SharedGuard(buffers, space, 2)};
    const RecordChange change{.table = kTable,
                              .page = 1,
                              .kind = ChangeKind::insert,
                              .key = bytes(key),
                              .before = {},
                              .after = bytes(value)};
    try {
      redo(buffers, change, log.end.load() + 100);
    } catch (const DamageError&) {
      ++refused;
    }
    for (const SharedGuard& neighbour : neighbours) {
      spilt += std::any_of(neighbour.bytes(), neighbour.bytes() + kPageBytes,
                           [](std::byte byte) { return byte != std::byte{0}; })
                   ? 1
                   : 0;
    }
  }
  CHECK(spilt == 0);
  CHECK(refused > 1500);
}

TEST_CASE(
    "Redo: of two versions of a page that were torn apart, every one is refused though the LSN is the newer "
    "one") {
  RecordingLog log;
  TreeFixture fixture(log);
  std::mt19937_64 random(9);
  int torn = 0;
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    const std::vector<std::byte> older = sealed_root(fixture);
    for (int i = 0; i < 3; ++i) {
      const std::string key = fmt::format("key{}", random() % 30);
      Status status = fixture.tree->remove(bytes(key), log);
      if (status == Status::not_found)
        status = fixture.tree->insert(bytes(key), bytes(std::string(random() % 90, 'v')), log);
      REQUIRE(status == Status::ok);
    }
    const std::vector<std::byte> newer = sealed_root(fixture);
    std::vector<std::byte> mixed = newer;
    const std::size_t sectors = 1 + random() % 7;
    std::copy_n(older.data() + 512 * sectors, kPageBytes - 512 * sectors, mixed.data() + 512 * sectors);
    if (mixed == newer) continue;
    ++torn;
    const NamedFile file;
    file.open().write_at(kPageBytes, mixed);
    BufferManager buffers({.frames = BufferManager::kFramesMin}, [](Lsn) {});
    buffers.open_table(kTable, file.open());
    try {
      for (std::size_t i = 0; i < log.records.size(); ++i) log.replay(i, buffers);
      BTree(buffers, kTable).check();
    } catch (const DamageError&) {
      ++refused;
    }
  }
  INFO(torn << " torn, " << refused << " refused");
  CHECK(torn > 100);
  CHECK(refused == torn);
}

TEST_CASE("Redo: a record that does not fit its page is damage and changes nothing") {
  RecordingLog log;
  TreeFixture fixture(log);
  REQUIRE(fixture.tree->insert(bytes("a"), bytes("1"), log) == Status::ok);
  const auto change = [](PageNumber page, ChangeKind kind, std::string_view key) {
    return RecordChange{
        .table = kTable, .page = page, .kind = kind, .key = bytes(key), .before = {}, .after = {}};
  };
  Lsn later = log.end.load() + 100;
  CHECK_THROWS_AS(redo(fixture.buffers, change(1, ChangeKind::insert, "a"), later), DamageError);
  CHECK_THROWS_AS(redo(fixture.buffers, change(1, ChangeKind::remove, "b"), later), DamageError);
  CHECK_THROWS_AS(redo(fixture.buffers, change(0, ChangeKind::insert, "b"), later), DamageError);
  CHECK_THROWS_AS(redo(fixture.buffers, change(PageNumber{1} << 50, ChangeKind::insert, "b"), later),
                  DamageError);
  REQUIRE(fixture.tree->insert(bytes("b"), bytes("2"), log) == Status::ok);
  REQUIRE(fixture.tree->remove(bytes("b"), log) == Status::ok);
  later = log.end.load() + 100;
  CHECK_THROWS_AS(redo(fixture.buffers, change(1, ChangeKind::update, "b"), later), DamageError);
  CHECK_THROWS_AS(redo(fixture.buffers, change(1, ChangeKind::remove, "b"), later), DamageError);
  for (const std::vector<std::uint16_t>& slots : {std::vector<std::uint16_t>{0}, {2}, {1, 1}, {65535}}) {
    const Reclaim ghosts{.table = kTable, .page = 1, .slots = slots};
    CHECK_THROWS_AS(redo(fixture.buffers, ghosts, later), DamageError);
  }
  CHECK_THROWS_AS(redo(fixture.buffers, Reclaim{.table = kTable, .page = 0, .slots = {}}, later),
                  DamageError);
  const PageImage image{.table = kTable, .page = 1, .bytes = bytes("no page")};
  CHECK_THROWS_AS(redo(fixture.buffers, image, later), DamageError);
  CHECK(contents(*fixture.tree) == std::map<std::string, std::string>{{"a", "1"}});
}

}  // namespace muster::test
