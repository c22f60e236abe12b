#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "engine/index/table.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

using Contents = std::map<std::string, std::string>;

/// Writes the memtable to a file, and gives compactions time: until none ends within 50 ms.
void settle(Database& database) {
  database.checkpoint();
  lsm::LsmStatistics before;
  do {
    before = database.lsm_statistics();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  } while (database.lsm_statistics().compactions != before.compactions);
}

/// The message of the ConfigError that it throws; empty: none.
template <class Call>
std::string refusal_of(Call call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("Tables: keys and values may be empty and of any bytes, in files, too, and behind an opening") {
  const auto kind = GENERATE(TableKind::btree, TableKind::lsm);
  CAPTURE(name_of(kind));
  const TemporaryDirectory directory;
  Contents model{{"", ""},
                 {std::string(1, '\0'), "zero"},
                 {std::string(2, '\0'), std::string(3, '\0')},
                 {std::string("a\0b", 3), ""},
                 {"a", std::string(Table::kMaxValueBytes, '\xff')},
                 {"\xff", "high"},
                 {std::string(Table::kMaxKeyBytes, '\xff'), "longest"}};
  for (int byte = 0; byte < 256; ++byte) model["byte " + std::string(1, static_cast<char>(byte))] = "x";
  {
    const auto database = Database::open(small_database(directory.path()));
    const TableId table = database->create_table("t", kind);
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    for (const auto& [key, value] : model) {
      CHECK(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
      CHECK(session->insert(table, as_bytes(key), as_bytes("twice")) == Status::already_exists);
    }
    session->commit();
    CHECK(contents(*database, table) == model);
    database->checkpoint();
    CHECK(contents(*database, table) == model);
  }
  const auto database = Database::open(small_database(directory.path()));
  CHECK(contents(*database, "t") == model);
  const auto session = database->attach(CommitPolicy::durable);
  session->begin();
  for (const auto& [key, value] : model) {
    CHECK(read_text(*session, database->find_table("t").value(), key) == value);
    CHECK(session->remove(database->find_table("t").value(), as_bytes(key)) == Status::ok);
  }
  session->commit();
  CHECK(contents(*database, "t").empty());
}

TEST_CASE("Tables: a key or value that is too long is one clear error, and the transaction goes on") {
  const auto kind = GENERATE(TableKind::btree, TableKind::lsm);
  const auto level =
      GENERATE(Isolation::two_phase_locking, Isolation::snapshot, Isolation::serializable_snapshot);
  CAPTURE(name_of(kind), name_of(level));
  const TemporaryDirectory directory;
  const auto database = Database::open(memory_database(directory.path()));
  const TableId table = database->create_table("t", kind);
  const auto session = database->attach(CommitPolicy::durable, level);
  const std::string long_key(Table::kMaxKeyBytes + 1, 'k'), long_value(Table::kMaxValueBytes + 1, 'v');
  session->begin();
  CHECK(session->insert(table, as_bytes("a"), as_bytes("1")) == Status::ok);
  const std::string key_error = "key bytes = 513: want at most 512";
  const std::string value_error = "value bytes = 1025: want at most 1024";
  CHECK(refusal_of([&] { (void)session->insert(table, as_bytes(long_key), as_bytes("1")); }) == key_error);
  CHECK(refusal_of([&] { (void)session->insert(table, as_bytes("b"), as_bytes(long_value)); }) ==
        value_error);
  CHECK(refusal_of([&] { (void)session->update(table, as_bytes("a"), as_bytes(long_value)); }) ==
        value_error);
  CHECK(refusal_of([&] { (void)session->update(table, as_bytes(long_key), as_bytes("1")); }) == key_error);
  CHECK(refusal_of([&] { (void)session->append(table, as_bytes("a"), as_bytes(long_value)); }) ==
        "value bytes = 1026: want at most 1024");
  CHECK(read_text(*session, table, long_key) == std::nullopt);
  CHECK(session->update(table, as_bytes("a"), as_bytes("2")) == Status::ok);
  session->commit();
  session->begin();
  CHECK(scan_all(*session, table) == Contents{{"a", "2"}});
  session->commit();
}

TEST_CASE("LSM database: what was removed stays so through flushes, compactions and openings") {
  const auto compaction = GENERATE(lsm::CompactionPolicy::leveled, lsm::CompactionPolicy::size_tiered);
  CAPTURE(compaction);
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.lsm.compaction = compaction;
  Contents model;
  {
    auto database = Database::open(options);
    const TableId table = database->create_table("t", TableKind::lsm);
    const auto session = database->attach(CommitPolicy::async);
    for (std::uint64_t round = 0; round < 2; ++round) {
      for (std::uint64_t i = 0; i < 3000; ++i) {
        const std::string key = key_of(i), value(200, 'v');
        session->begin();
        if (round == 0) {
          REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
          model[key] = value;
        } else if (i % 100 != 0) {
          REQUIRE(session->remove(table, as_bytes(key)) == Status::ok);
          model.erase(key);
        }
        session->commit();
      }
      settle(*database);
      CHECK(contents(*database, table) == model);
    }
  }
  // Compactions go on with what comes in: the removals meet what they hide.
  auto database = Database::open(options);
  CHECK(contents(*database, "t") == model);
  const TableId table = database->find_table("t").value();
  // On until compactions have ended: a slow one takes the files of several rounds at once.
  for (int round = 0; round < 12 || (round < 100 && database->lsm_statistics().compactions < 3); ++round) {
    const auto session = database->attach(CommitPolicy::async);
    for (std::uint64_t i = 0; i < 3000; i += 100) {
      session->begin();
      REQUIRE(session->update(table, as_bytes(key_of(i)), as_bytes("new")) == Status::ok);
      session->commit();
      model[key_of(i)] = "new";
    }
    settle(*database);
  }
  CHECK(contents(*database, table) == model);
  CHECK(database->lsm_statistics().compactions >= 3);
}

TEST_CASE("LSM database: snapshots show one state for as long as they live, while everything moves") {
  const auto compaction = GENERATE(lsm::CompactionPolicy::leveled, lsm::CompactionPolicy::size_tiered);
  CAPTURE(compaction);
  constexpr std::uint64_t kAccounts = 300;
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.lsm.compaction = compaction;
  options.lsm.block_cache_bytes = 16 << 10;
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", TableKind::lsm);
  const auto value_of = [](std::uint64_t amount) {
    std::string value(400, 'v');
    std::memcpy(value.data(), &amount, sizeof amount);
    return value;
  };
  {
    const auto session = database->attach(CommitPolicy::async, Isolation::snapshot);
    session->begin();
    for (std::uint64_t i = 0; i < kAccounts; ++i)
      REQUIRE(session->insert(table, as_bytes(key_of(2 * i)), as_bytes(value_of(1))) == Status::ok);
    session->commit();
  }
  // Each transaction moves a record to another key, so that records come and go, and their number stays.
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> moved{0};
  const auto move = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto session = database->attach(CommitPolicy::async, Isolation::snapshot);
    while (!stop.load(std::memory_order_relaxed)) {
      const std::string from = key_of(random() % (2 * kAccounts)), to = key_of(random() % (2 * kAccounts));
      session->begin();
      Status status = session->remove(table, as_bytes(from));
      if (status == Status::ok) status = session->insert(table, as_bytes(to), as_bytes(value_of(1)));
      if (was_rolled_back(status)) continue;
      if (status == Status::ok && session->commit()) {
        moved.fetch_add(1, std::memory_order_relaxed);
      } else if (status != Status::ok) {
        session->abort();
      }
    }
  };
  std::uint64_t wrong = 0, snapshots = 0;
  {
    std::jthread movers[2]{std::jthread(move, 1), std::jthread(move, 2)};
    const auto reader = database->attach(CommitPolicy::async, Isolation::snapshot);
    lsm::LsmStatistics now;
    while (now.flushes < 30 || now.compactions < 5 || snapshots < 4) {
      reader->begin_read_only();
      const Contents seen = scan_all(*reader, table);
      const std::uint64_t flushes = now.flushes;
      do {
        wrong += seen.size() != kAccounts || scan_all(*reader, table) != seen;
        const std::string key = key_of(moved.load() % (2 * kAccounts));
        const auto found = seen.find(key);
        wrong += read_text(*reader, table, key) !=
                 (found == seen.end() ? std::nullopt : std::optional(found->second));
        now = database->lsm_statistics();
      } while (now.flushes < flushes + 3 && now.flushes < 30);
      reader->commit();
      ++snapshots;
    }
    stop.store(true);
  }
  CHECK(wrong == 0);
  CHECK(snapshots > 3);
  CHECK(contents(*database, table).size() == kAccounts);
}

TEST_CASE(
    "LSM database: options that are out of range or contradict each other are refused before anything is "
    "there") {
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path() / "none");
  std::string key;
  SECTION("more filter bits than a filter may have") {
    options.lsm.bloom_bits = 1000;
    key = "lsm.bloom_bits = 1000: ";
  }
  SECTION("a memtable that is too small") {
    options.lsm.memtable_bytes = 100;
    key = "lsm.memtable_bytes = 100: ";
  }
  SECTION("memtables that are larger than the machine's memory") {
    options.lsm.memtable_bytes = std::size_t{1} << 50;
    key = "lsm.memtable_bytes = 1125899906842624: ";
  }
  SECTION("a cache that is larger than the machine's memory") {
    options.lsm.block_cache_bytes = std::size_t{1} << 50;
    key = "lsm.block_cache_bytes = 1125899906842624: ";
  }
  CHECK_THAT(refusal_of([&] { check(options); }), Catch::Matchers::StartsWith(key));
  CHECK_THAT(refusal_of([&] { Database::open(options); }), Catch::Matchers::StartsWith(key));
  CHECK_FALSE(std::filesystem::exists(directory.path() / "none"));
}

TEST_CASE("LSM database: it works without a block cache and without filters") {
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.lsm.block_cache_bytes = 0;
  options.lsm.bloom_bits = 0;
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", TableKind::lsm);
  const auto session = database->attach(CommitPolicy::async);
  Contents model;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::string key = key_of(i * 7919 % 2000), value(100 + i % 100, 'v');
    session->begin();
    REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
    session->commit();
    model[key] = value;
  }
  CHECK(database->lsm_statistics().flushes > 0);
  CHECK(contents(*database, table) == model);
  session->begin();
  for (std::uint64_t i = 0; i < 4000; i += 13) {
    const auto found = model.find(key_of(i));
    CHECK(read_text(*session, table, key_of(i)) ==
          (found == model.end() ? std::nullopt : std::optional(found->second)));
  }
  session->commit();
}

}  // namespace
}  // namespace muster
