#include <atomic>
#include <random>
#include <set>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;
using Contents = std::map<std::string, std::string>;

/// Keys b, d, f, h, and sessions that look at them.
struct Fixture {
  Fixture() {
    database = Database::open(memory_database(directory.path()));
    table = database->create_table("t", table_under_test());
    scanner = database->attach(kDurable);
    other = database->attach(kDurable);
    other->begin();
    for (const char* key : {"b", "d", "f", "h"}) REQUIRE(insert(*other, key) == Status::ok);
    other->commit();
  }
  Status insert(Session& session, const std::string& key) const {
    return session.insert(table, as_bytes(key), as_bytes("v"));
  }
  /// Whether another transaction would have to wait for the insertion.
  bool waits(const std::string& key) const {
    other->begin_without_waiting();
    const Status status = insert(*other, key);
    if (!was_rolled_back(status)) other->abort();
    return was_rolled_back(status);
  }
  /// The keys, of these, whose insertion would make another transaction wait.
  std::set<std::string> kept_out(const std::vector<std::string>& keys) const {
    std::set<std::string> found;
    for (const std::string& key : keys) {
      if (waits(key)) found.insert(key);
    }
    return found;
  }
  std::set<std::string> kept_out() const { return kept_out({"a", "c", "cc", "e", "g", "i", "j"}); }
  /// Reads from `from` to the first key that is not below `to`.
  std::vector<std::string> scan(Session& session, const std::string& from, const std::string& to) const {
    std::vector<std::string> keys;
    const Status status = session.scan(table, as_bytes(from), [&](Bytes key, Bytes) {
      keys.push_back(as_text(key));
      return keys.back() < to;
    });
    return status == Status::ok ? keys : std::vector<std::string>{"deadlock"};
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  std::unique_ptr<Session> scanner, other;
};

}  // namespace

TEST_CASE("phantom: nothing comes into a range that was scanned, until the scan's transaction ends") {
  Fixture f;
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "c", "f") == std::vector<std::string>{"d", "f"});
  CHECK(f.kept_out() == std::set<std::string>{"c", "cc", "e"});
  const bool commits = GENERATE(false, true);
  commits ? static_cast<void>(f.scanner->commit()) : f.scanner->abort();
  CHECK(f.kept_out().empty());
}

TEST_CASE("phantom: a scan to the table's end keeps new last keys out, and one of an empty table all keys") {
  Fixture f;
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "g", "z") == std::vector<std::string>{"h"});
  CHECK(f.kept_out() == std::set<std::string>{"g", "i", "j"});
  const TableId empty = f.database->create_table("empty", table_under_test());
  CHECK(scan_all(*f.scanner, empty).empty());
  f.table = empty;
  CHECK(f.kept_out({"a", "z"}) == std::set<std::string>{"a", "z"});
  f.scanner->commit();
}

TEST_CASE("phantom: a scan that begins behind the last key keeps new ones out") {
  Fixture f;
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "x", "z").empty());
  CHECK(f.kept_out({"x", "y", "z"}).size() == 3);
  CHECK(f.kept_out({"a", "c", "g"}).empty());
  f.scanner->commit();
}

TEST_CASE("phantom: a range stays closed on both sides of a key that its own reader inserts") {
  Fixture f;
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "a", "d") == std::vector<std::string>{"b", "d"});
  REQUIRE(f.insert(*f.scanner, "c") == Status::ok);
  REQUIRE(f.insert(*f.scanner, "cx") == Status::ok);
  CHECK(f.kept_out({"bb", "c", "cc", "cy", "a"}).size() == 5);
  CHECK(f.kept_out({"e", "g", "i"}).empty());
  // Insertions have not made it harder for others to read what it has read.
  f.other->begin_without_waiting();
  CHECK(f.other->scan(f.table, as_bytes("d"), [](Bytes key, Bytes) { return as_text(key) < "d"; }) ==
        Status::ok);
  f.other->commit();
  f.scanner->commit();
  CHECK(f.kept_out({"bb", "cc", "cy", "a"}).empty());
}

TEST_CASE("phantom: insertions into one gap do not wait for each other, nor does a scan that comes later") {
  Fixture f;
  f.scanner->begin();
  REQUIRE(f.insert(*f.scanner, "c") == Status::ok);
  f.other->begin_without_waiting();
  CHECK(f.insert(*f.other, "cc") == Status::ok);
  CHECK(f.insert(*f.other, "bb") == Status::ok);
  f.other->commit();
  f.other->begin_without_waiting();
  CHECK(f.scan(*f.other, "cd", "d") == std::vector<std::string>{"d"});  // the gap above what is not committed
  f.other->commit();
  f.scanner->commit();
}

TEST_CASE("phantom: two that have read a range and both insert into it cannot both commit") {
  Fixture f;
  auto second = f.database->attach(kDurable);
  f.scanner->begin();
  second->begin();
  CHECK(f.scan(*f.scanner, "c", "d").size() == 1);
  CHECK(f.scan(*second, "c", "d").size() == 1);
  std::atomic<Status> of_second{Status::ok};
  std::thread inserting([&] {
    of_second.store(f.insert(*second, "c2"));
    if (of_second.load() == Status::ok) second->commit();
  });
  const Status of_first = f.insert(*f.scanner, "c1");
  if (of_first == Status::ok) f.scanner->commit();
  inserting.join();
  CHECK((of_first == Status::deadlock) != (of_second.load() == Status::deadlock));
}

TEST_CASE("phantom: an insertion that waited for a scan goes into the gap that is there by then") {
  Fixture f;
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "c", "d").size() == 1);
  std::atomic<bool> inserted{false};
  std::thread inserting([&] {
    f.other->begin();
    const Status status = f.insert(*f.other, "c1");
    inserted.store(true);
    if (status == Status::ok) f.other->commit();
  });
  CHECK(comes_true([&] { return f.other->waits(); }));
  CHECK(f.insert(*f.scanner, "c2") == Status::ok);  // between c1 and what the other waits for
  CHECK_FALSE(inserted.load());
  f.scanner->commit();
  inserting.join();
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "c", "d") == std::vector<std::string>{"c1", "c2", "d"});
  CHECK(f.kept_out() == std::set<std::string>{"c", "cc"});  // and has left no lock behind
  f.scanner->commit();
}

TEST_CASE("phantom: a key that was looked for and is not there stays away, and only that one") {
  Fixture f;
  std::vector<std::byte> value;
  f.scanner->begin();
  const int how = GENERATE(0, 1, 2, 3);
  const Bytes key = as_bytes("c");
  CHECK((how == 0   ? f.scanner->read(f.table, key, value)
         : how == 1 ? f.scanner->read_for_update(f.table, key, value)
         : how == 2 ? f.scanner->update(f.table, key, as_bytes("x"))
                    : f.scanner->remove(f.table, key)) == Status::not_found);
  CHECK(f.kept_out() == std::set<std::string>{"c"});
  f.scanner->commit();
  CHECK(f.kept_out().empty());
}

TEST_CASE("phantom: reading and updating records that are there keeps no insertion out") {
  Fixture f;
  f.scanner->begin();
  CHECK(read_text(*f.scanner, f.table, "d") == "v");
  CHECK(f.scanner->update(f.table, as_bytes("f"), as_bytes("x")) == Status::ok);
  CHECK(f.kept_out().empty());
  f.scanner->commit();
}

TEST_CASE("phantom: a removed record's gap stays closed, whether the record comes back or goes for good") {
  Fixture f;
  f.scanner->begin();
  REQUIRE(f.scanner->remove(f.table, as_bytes("d")) == Status::ok);
  CHECK(f.scan(*f.scanner, "c", "f") == std::vector<std::string>{"f"});
  CHECK(f.kept_out() == std::set<std::string>{"c", "cc", "e"});
  if (GENERATE(false, true)) REQUIRE(f.insert(*f.scanner, "d") == Status::ok);
  CHECK(f.kept_out() == std::set<std::string>{"c", "cc", "e"});
  f.scanner->commit();
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, "c", "f").back() == "f");
  CHECK(f.kept_out() == std::set<std::string>{"c", "cc", "e"});
  f.scanner->commit();
}

TEST_CASE("phantom: ranges stay closed across the leaves of a tree that is split and merged meanwhile") {
  Fixture f;
  const std::string value(300, 'v');
  f.other->begin();
  for (std::uint64_t i = 0; i < 400; i += 2)
    REQUIRE(f.other->insert(f.table, as_bytes(key_of(i)), as_bytes(value)) == Status::ok);
  f.other->commit();
  f.scanner->begin();
  CHECK(f.scan(*f.scanner, key_of(100), key_of(200)).size() == 51);
  // Every key that is missing is kept out in the range, and none elsewhere, wherever the leaves end.
  std::set<std::string> expected, found;
  for (std::uint64_t i = 1; i < 400; i += 2) {
    if (i > 98 && i < 200) expected.insert(key_of(i));
    if (f.waits(key_of(i))) found.insert(key_of(i));
  }
  CHECK(found == expected);
  // The same with other leaves: the leaves around the range are split, and emptied.
  f.other->begin();
  for (std::uint64_t i = 201; i < 400; i += 2)
    REQUIRE(f.other->insert(f.table, as_bytes(key_of(i)), as_bytes(value)) == Status::ok);
  for (std::uint64_t i = 0; i < 98; i += 2)
    REQUIRE(f.other->remove(f.table, as_bytes(key_of(i))) == Status::ok);
  f.other->commit();
  found.clear();
  for (std::uint64_t i = 99; i < 201; i += 2) {
    if (f.waits(key_of(i))) found.insert(key_of(i));
  }
  CHECK(found == expected);
  f.scanner->commit();
}

TEST_CASE("phantom: of threads that count a group and add a member, no two count the same") {
  // Each member's value is how many there were before it: without phantoms a group's values are 0, 1, 2, ...
  const auto latch = GENERATE(ReadLatch::optimistic, ReadLatch::shared, ReadLatch::exclusive);
  constexpr int kThreads = 3, kGroups = 4;
  constexpr std::uint64_t kEach = 120;
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.read_latch = latch;
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  std::atomic<int> unexpected{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      const auto session = database->attach(CommitPolicy::async);
      for (std::uint64_t added = 0; added < kEach;) {
        const std::string group = key_of(random() % kGroups);
        session->begin();
        std::uint64_t count = 0;
        Status status = session->scan(table, as_bytes(group), [&](Bytes key, Bytes) {
          if (!as_text(key).starts_with(group)) return false;
          ++count;
          return true;
        });
        if (status == Status::ok) {
          const std::string value = std::to_string(count) + std::string(random() % 200, ' ');
          status = session->insert(table, as_bytes(group + std::to_string(random())), as_bytes(value));
        }
        if (status == Status::ok) {
          if (random() % 8 == 0) {
            session->abort();
          } else {
            session->commit();
            ++added;
          }
        } else if (status != Status::deadlock) {
          ++unexpected;
          return;
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(unexpected.load() == 0);
  std::map<std::string, std::set<int>> counts;
  std::size_t members = 0;
  for (const auto& [key, value] : contents(*database, table)) {
    counts[key.substr(0, 11)].insert(std::stoi(value));
    ++members;
  }
  CHECK(members == kThreads * kEach);
  std::size_t distinct = 0;
  for (const auto& [group, seen] : counts) {
    CHECK(*seen.rbegin() == static_cast<int>(seen.size()) - 1);
    distinct += seen.size();
  }
  CHECK(distinct == members);
  database->check();
}

TEST_CASE("phantom: a scan repeated in one transaction shows the same, beside insertions and removals") {
  constexpr std::uint64_t kKeys = 300;
  TemporaryDirectory directory;
  const auto database = Database::open(memory_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  std::atomic<int> differ{0}, unexpected{0}, working{2}, repeated{0};
  const auto write = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto session = database->attach(CommitPolicy::async);
    for (int i = 0; i < 3000; ++i) {
      session->begin();
      const std::string key = key_of(random() % kKeys);
      Status status = session->insert(table, as_bytes(key), as_bytes(std::string(50 + random() % 200, 'v')));
      if (status == Status::already_exists) status = session->remove(table, as_bytes(key));
      if (status == Status::ok) {
        random() % 4 == 0 ? session->abort() : static_cast<void>(session->commit());
      } else if (status != Status::deadlock) {
        ++unexpected;
      }
    }
    --working;
  };
  const auto read = [&] {
    std::mt19937_64 random(99);
    const auto session = database->attach(kDurable);
    do {
      const std::string from = key_of(random() % kKeys), to = key_of(random() % kKeys);
      Contents first, second;
      const auto scan = [&](Contents& into) {
        return session->scan(table, as_bytes(from), [&](Bytes key, Bytes value) {
          into.emplace(as_text(key), as_text(value));
          return as_text(key) < to;
        });
      };
      session->begin();
      if (scan(first) == Status::deadlock) continue;
      std::this_thread::yield();
      if (scan(second) == Status::deadlock) continue;
      session->commit();
      differ += first == second ? 0 : 1;
      ++repeated;
    } while (working.load() > 0 || repeated.load() == 0);
  };
  std::vector<std::thread> threads;
  threads.emplace_back(write, 1);
  threads.emplace_back(write, 2);
  threads.emplace_back(read);
  for (auto& thread : threads) thread.join();
  CHECK(differ.load() == 0);
  CHECK(unexpected.load() == 0);
  CHECK(repeated.load() > 0);
}

}  // namespace muster
