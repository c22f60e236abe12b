#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/sanitized.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;
using Records = std::map<std::string, std::string>;
const auto kSerializable = Isolation::serializable_snapshot;

struct Fixture {
  explicit Fixture(const Records& records = {}, bool early_lock_release = false) {
    DatabaseOptions options = memory_database(directory.path());
    options.early_lock_release = early_lock_release;
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    const auto session = attach();
    session->begin();
    for (const auto& [key, value] : records)
      REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
    REQUIRE(session->commit());
  }
  std::unique_ptr<Session> attach(Isolation level = kSerializable, CommitPolicy policy = kDurable) {
    return database->attach(policy, level);
  }

  std::optional<std::string> read(Session& session, std::string_view key) {
    return read_text(session, table, key);
  }
  Status update(Session& session, std::string_view key, std::string_view value) {
    return session.update(table, as_bytes(key), as_bytes(value));
  }
  Status insert(Session& session, std::string_view key, std::string_view value = "x") {
    return session.insert(table, as_bytes(key), as_bytes(value));
  }
  Status remove(Session& session, std::string_view key) { return session.remove(table, as_bytes(key)); }
  /// Keys in [from, to); stops at the first that is not.
  std::vector<std::string> keys(Session& session, std::string_view from, std::string_view to) {
    std::vector<std::string> found;
    const Status status = session.scan(table, as_bytes(from), [&](Bytes key, Bytes) {
      if (as_text(key) >= to) return false;
      found.push_back(as_text(key));
      return true;
    });
    if (status != Status::ok) throw std::runtime_error("rolled back");
    return found;
  }

  Records all() {
    const auto session = attach();
    session->begin();
    Records found = scan_all(*session, table);
    REQUIRE(session->commit());
    return found;
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
};

using Keys = std::vector<std::string>;

const Records kDoctors{{"alice", "on"}, {"bob", "on"}};

/// Each of two doctors sees that the other is on call, and then goes off call. No commit yet.
void go_off_call(Fixture& f, Session& alice, Session& bob) {
  alice.begin();
  bob.begin();
  CHECK(f.read(alice, "bob") == "on");
  CHECK(f.read(bob, "alice") == "on");
  REQUIRE(f.update(alice, "alice", "off") == Status::ok);
  REQUIRE(f.update(bob, "bob", "off") == Status::ok);
}

}  // namespace

TEST_CASE(
    "Serializable snapshot: a stale MVCC read, of what a concurrent transaction has written, is found") {
  Fixture f(kDoctors);
  const auto a = f.attach(), b = f.attach();
  a->begin();
  b->begin();
  CHECK(f.read(*a, "bob") == "on");
  REQUIRE(f.update(*a, "alice", "off") == Status::ok);
  const bool writer_has_committed = GENERATE(false, true);
  if (writer_has_committed) REQUIRE(a->commit());
  CHECK(f.read(*b, "alice") == "on");  // passes over a's write
  REQUIRE(f.update(*b, "bob", "off") == Status::ok);
  if (!writer_has_committed) REQUIRE(a->commit());
  CHECK_FALSE(b->commit());
  CHECK(f.all() == Records{{"alice", "off"}, {"bob", "on"}});
}

TEST_CASE("Serializable snapshot: a write that affects a prior read of a concurrent transaction is found") {
  Fixture f(kDoctors);
  const auto a = f.attach(), b = f.attach();
  go_off_call(f, *a, *b);
  REQUIRE(a->commit());
  CHECK_FALSE(b->commit());
  CHECK(f.all() == Records{{"alice", "off"}, {"bob", "on"}});
}

TEST_CASE("Serializable snapshot: one of two doctors stays on call; under snapshot none does") {
  const auto on_call = [](Fixture& f, Session& session) {
    int count = 0;
    const Status status = session.scan(f.table, {}, [&](Bytes, Bytes value) {
      count += as_text(value) == "on";
      return true;
    });
    REQUIRE(status == Status::ok);
    return count;
  };
  for (const Isolation level : {Isolation::snapshot, kSerializable}) {
    Fixture f(kDoctors);
    const auto a = f.attach(level), b = f.attach(level), after = f.attach(level);
    a->begin();
    b->begin();
    CHECK(on_call(f, *a) == 2);
    CHECK(on_call(f, *b) == 2);
    REQUIRE(f.update(*a, "alice", "off") == Status::ok);
    REQUIRE(f.update(*b, "bob", "off") == Status::ok);
    CHECK(a->commit());
    CHECK(b->commit() == (level == Isolation::snapshot));
    after->begin();
    CHECK(on_call(f, *after) == (level == Isolation::snapshot ? 0 : 1));
    CHECK(after->commit());
  }
}

TEST_CASE("Serializable snapshot: a room is not booked twice; under snapshot it is") {
  // Where the bookings of 12 o'clock would come: in an empty table, at its end, between two records, beside a ghost.
  const std::vector<Keys> others =
      GENERATE(std::vector<Keys>{{}, {}}, std::vector<Keys>{{"room1 09"}, {}},
               std::vector<Keys>{{"room1 09", "room2 09"}, {}},
               std::vector<Keys>{{"room1 09", "room1 12 d", "room2 09"}, {"room1 12 d"}});
  for (const Isolation level : {Isolation::snapshot, kSerializable}) {
    Fixture f;
    const auto a = f.attach(level), b = f.attach(level), reader = f.attach(level);
    a->begin();
    for (const std::string& key : others[0]) REQUIRE(f.insert(*a, key) == Status::ok);
    REQUIRE(a->commit());
    reader->begin();  // keeps the ghost
    a->begin();
    for (const std::string& key : others[1]) REQUIRE(f.remove(*a, key) == Status::ok);
    REQUIRE(a->commit());
    a->begin();
    b->begin();
    CHECK(f.keys(*a, "room1 12", "room1 13").empty());
    CHECK(f.keys(*b, "room1 12", "room1 13").empty());
    REQUIRE(f.insert(*a, "room1 12 a") == Status::ok);
    REQUIRE(f.insert(*b, "room1 12 b") == Status::ok);
    CHECK(a->commit());
    CHECK(b->commit() == (level == Isolation::snapshot));
    CHECK(reader->commit());
  }
}

TEST_CASE("Serializable snapshot: a phantom is found behind another key that came into the gap") {
  Fixture f({{"a", "1"}, {"z", "1"}});
  const Isolation between =
      GENERATE(Isolation::serializable_snapshot, Isolation::snapshot, Isolation::read_committed);
  const auto a = f.attach(), b = f.attach(), other = f.attach(between);
  a->begin();
  b->begin();
  CHECK(f.keys(*a, "b", "y").empty());
  CHECK(f.keys(*b, "b", "y").empty());
  other->begin();
  REQUIRE(f.insert(*other, "m") == Status::ok);
  if (GENERATE(false, true)) {
    REQUIRE(other->commit());
  } else {
    other->abort();  // leaves a ghost
    other->begin();
  }
  REQUIRE(f.insert(*a, "c") == Status::ok);
  REQUIRE(f.insert(*b, "d") == Status::ok);
  const bool first = a->commit(), second = b->commit();
  CHECK(first != second);
}

TEST_CASE("Serializable snapshot: of two that both find a key absent and insert others one is refused") {
  Fixture f;
  const auto a = f.attach(), b = f.attach();
  a->begin();
  b->begin();
  CHECK_FALSE(f.read(*a, "b"));
  if (GENERATE(false, true)) {
    CHECK_FALSE(f.read(*b, "a"));
  } else {
    CHECK(f.update(*b, "a", "x") == Status::not_found);  // which is a read, and takes the lock
    b->abort();
    b->begin();
    CHECK(f.keys(*b, "", "z").empty());
  }
  REQUIRE(f.insert(*a, "a") == Status::ok);
  REQUIRE(f.insert(*b, "b") == Status::ok);
  CHECK(a->commit());
  CHECK_FALSE(b->commit());
}

TEST_CASE(
    "Serializable snapshot: a change that failed has read, and so has a read under the exclusive lock") {
  Fixture f(Records{{"y", "1"}});
  const auto a = f.attach(), b = f.attach();
  const int operation = GENERATE(0, 1, 2, 3);
  a->begin();
  b->begin();
  std::vector<std::byte> value;
  if (operation == 0) CHECK(f.update(*a, "x", "2") == Status::not_found);
  if (operation == 1) CHECK(f.remove(*a, "x") == Status::not_found);
  if (operation == 2) CHECK(f.insert(*a, "y") == Status::already_exists);
  if (operation == 3) CHECK(a->read_for_update(f.table, as_bytes("y"), value) == Status::ok);
  REQUIRE(f.insert(*a, "a") == Status::ok);
  REQUIRE(a->commit());
  CHECK_FALSE(f.read(*b, "a"));
  REQUIRE((operation < 2 ? f.insert(*b, "x") : f.remove(*b, "y")) == Status::ok);
  CHECK_FALSE(b->commit());
}

TEST_CASE("Serializable snapshot: neither a read nor a write is refused while the other may still abort") {
  Fixture f(kDoctors);
  const auto a = f.attach(), b = f.attach();
  go_off_call(f, *a, *b);
  CHECK(f.read(*a, "bob") == "on");
  CHECK(f.read(*b, "alice") == "on");
  a->abort();
  CHECK(f.read(*b, "alice") == "on");
  CHECK(b->commit());
}

TEST_CASE(
    "Serializable snapshot: a transaction that cannot commit any more learns it from its next operation") {
  Fixture f(kDoctors);
  const auto a = f.attach(), b = f.attach();
  go_off_call(f, *a, *b);
  CHECK(a->commit());
  std::vector<std::byte> value;
  CHECK(b->read(f.table, as_bytes("alice"), value) == Status::conflict);
  b->begin();  // tried again, it is not concurrent with the other
  CHECK(f.read(*b, "alice") == "off");
  REQUIRE(f.update(*b, "bob", "off") == Status::ok);
  CHECK(b->commit());
}

TEST_CASE("Serializable snapshot: a transaction that only reads is not refused, whatever it passes over") {
  Fixture f({{"alice", "on"}, {"bob", "on"}, {"carol", "on"}});
  const bool says_so = GENERATE(false, true);
  const auto reader = f.attach(), a = f.attach(), b = f.attach();
  a->begin();
  b->begin();
  says_so ? reader->begin_read_only() : reader->begin();
  CHECK(f.read(*a, "bob") == "on");
  REQUIRE(f.update(*a, "alice", "off") == Status::ok);
  REQUIRE(f.update(*b, "bob", "off") == Status::ok);
  CHECK(b->commit());
  CHECK(a->commit());
  CHECK(f.keys(*reader, "", "z").size() == 3);
  CHECK(f.read(*reader, "alice") == "on");
  CHECK(f.read(*reader, "bob") == "on");
  CHECK(reader->commit());
}

TEST_CASE("Serializable snapshot: a transaction that says that it only reads may change nothing") {
  Fixture f(Records{{"a", "1"}});
  const auto session = f.attach();
  session->begin_read_only();
  CHECK(f.read(*session, "a") == "1");
  CHECK_THROWS_AS(f.update(*session, "a", "2"), std::logic_error);
  CHECK(session->commit());
  session->begin();
  CHECK(f.update(*session, "a", "2") == Status::ok);
  CHECK(session->commit());
}

TEST_CASE("Serializable snapshot: of transactions that run one after the other none is refused") {
  const bool early_lock_release = GENERATE(false, true);
  Fixture f(Records(), early_lock_release);
  const CommitPolicy policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 4; ++i) sessions.push_back(f.attach(kSerializable, policy));
  std::mt19937_64 random(7);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    Session& session = *sessions[random() % sessions.size()];
    session.begin();
    for (int operation = 0; operation < 4; ++operation) {
      const std::string key = key_of(random() % 20);
      switch (random() % 5) {
        case 0:
          refused += was_rolled_back(f.insert(session, key));
          break;
        case 1:
          refused += was_rolled_back(f.remove(session, key));
          break;
        case 2:
          refused += was_rolled_back(f.update(session, key, "y"));
          break;
        case 3:
          static_cast<void>(f.read(session, key));
          break;
        default:
          static_cast<void>(f.keys(session, key, "key1"));
      }
    }
    refused += !session.commit();
    session.wait_for_acknowledgements();
  }
  CHECK(refused == 0);
  sessions.clear();
  f.database->check();
}

TEST_CASE("Serializable snapshot: ghosts go once no scan that counts has met them") {
  Fixture f;
  const auto writer = f.attach(), reader = f.attach();
  writer->begin();
  for (std::uint64_t i = 0; i < 100; ++i) REQUIRE(f.insert(*writer, key_of(i)) == Status::ok);
  REQUIRE(writer->commit());
  reader->begin();
  CHECK(f.keys(*reader, "", "z").size() == 100);
  writer->begin();
  for (std::uint64_t i = 0; i < 100; ++i) REQUIRE(f.remove(*writer, key_of(i)) == Status::ok);
  REQUIRE(writer->commit());
  CHECK(f.keys(*reader, "", "z").size() == 100);
  CHECK(reader->commit());
  writer->begin();
  REQUIRE(f.insert(*writer, "zz") == Status::ok);
  REQUIRE(writer->commit());
  writer->wait_for_acknowledgements();
  reader->begin();
  CHECK(f.keys(*reader, "", "z").empty());
  CHECK(reader->commit());
}

TEST_CASE(
    "Serializable snapshot: a ghost stays as long as a writer may have to meet a scan that ended there") {
  Fixture f(Records{{"a", "1"}, {"m", "1"}, {"r", "1"}, {"z", "1"}});
  const auto reader = f.attach(), writer = f.attach(), remover = f.attach(Isolation::snapshot);
  reader->begin();
  CHECK(f.keys(*reader, "b", "m").empty());  // it has marked the gap below m, and none above
  remover->begin();
  REQUIRE(f.remove(*remover, "m") == Status::ok);
  REQUIRE(remover->commit());
  writer->begin();
  REQUIRE(f.update(*reader, "r", "2") == Status::ok);
  REQUIRE(reader->commit());
  remover->wait_for_acknowledgements();  // no snapshot needs m any more
  CHECK(f.read(*writer, "r") == "1");
  REQUIRE(f.insert(*writer, "c") == Status::ok);
  CHECK_FALSE(writer->commit());
}

namespace {

/// Threads that each take from one of two accounts as long as the sum allows. Returns how often a sum below zero was seen.
int overdrawn(Isolation level, CommitPolicy policy, bool early_lock_release, int transactions) {
  constexpr std::uint64_t kPairs = 4;
  std::map<std::string, std::string> accounts;
  for (std::uint64_t i = 0; i < 2 * kPairs; ++i) accounts[key_of(i)] = "0";
  Fixture f(accounts, early_lock_release);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto session = f.attach(level, policy);
      std::mt19937_64 random(t);
      std::vector<std::byte> value;
      for (int i = 0; i < transactions; ++i) {
        const std::uint64_t pair = random() % kPairs, mine = random() % 2;
        int sum = 0, own = 0;
        session->begin();
        Status status = Status::ok;
        for (std::uint64_t side = 0; side < 2 && status == Status::ok; ++side) {
          status = session->read(f.table, as_bytes(key_of(2 * pair + side)), value);
          if (status != Status::ok) break;
          const int amount = std::stoi(as_text(value));
          sum += amount;
          if (side == mine) own = amount;
        }
        if (status != Status::ok) continue;
        if (i % 4 == 0) std::this_thread::yield();
        const int change = sum > 0 ? -sum : 1 + static_cast<int>(random() % 10);
        status = session->update(f.table, as_bytes(key_of(2 * pair + mine)),
                                 as_bytes(std::to_string(own + change)));
        if (status == Status::ok) static_cast<void>(session->commit());
      }
    });
  }
  // A transaction takes a sum down to zero at most. A lower sum shows two that did so at once.
  std::atomic<bool> done{false};
  int below = 0;
  std::thread auditor([&] {
    const auto session = f.attach(level, policy);
    std::vector<std::byte> value;
    do {
      std::array<int, 2 * kPairs> amounts{};
      session->begin();
      bool whole = true;
      for (std::uint64_t i = 0; i < 2 * kPairs && whole; ++i) {
        whole = session->read(f.table, as_bytes(key_of(i)), value) == Status::ok;
        if (whole) amounts[i] = std::stoi(as_text(value));
      }
      if (!whole || !session->commit()) continue;
      for (std::uint64_t pair = 0; pair < kPairs; ++pair)
        below += amounts[2 * pair] + amounts[2 * pair + 1] < 0;
    } while (!done.load());
  });
  for (std::thread& thread : threads) thread.join();
  done.store(true);
  auditor.join();
  f.database->check();
  return below;
}

/// Threads that each book a room where they have counted fewer than two bookings, and cancel some. Returns how often a thread
/// counted more than two.
int overbooked(Isolation level, int transactions) {
  constexpr std::uint64_t kRooms = 3, kMost = 2;
  Fixture f;
  std::atomic<int> over{0};
  std::atomic<std::uint64_t> number{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto session = f.attach(level);
      std::mt19937_64 random(t);
      for (int i = 0; i < transactions; ++i) {
        const std::string room = "room" + std::to_string(random() % kRooms) + " ";
        Keys booked;
        session->begin();
        Status status = session->scan(f.table, as_bytes(room), [&](Bytes key, Bytes) {
          if (as_text(key).substr(0, room.size()) != room) return false;
          booked.push_back(as_text(key));
          return true;
        });
        if (status != Status::ok) continue;
        if (i % 4 == 0) std::this_thread::yield();
        if (booked.size() < kMost) {
          const std::string key =
              room + std::to_string(random() % 1000) + " " + std::to_string(number.fetch_add(1));
          status = session->insert(f.table, as_bytes(key), as_bytes("x"));
        } else if (random() % 2 == 0) {
          status = session->remove(f.table, as_bytes(booked[random() % booked.size()]));
        }
        if (was_rolled_back(status)) continue;
        if (session->commit() && booked.size() > kMost) over.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  f.database->check();
  return over.load();
}

/// Calls `count()` until it has counted something: threads may happen to run one after the other.
template <class Count>
bool is_seen(Count count) {
  for (int i = 0; i < 50; ++i) {
    if (count() > 0) return true;
  }
  return false;
}

constexpr int kTransactions = kIsSanitized ? 200 : 1000;  // of each thread

}  // namespace

TEST_CASE("Serializable snapshot: threads keep an invariant over two records that snapshot breaks") {
  const CommitPolicy policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async,
                                       CommitPolicy::queued_group);
  const bool early_lock_release = policy == CommitPolicy::durable && GENERATE(false, true);
  CHECK(overdrawn(kSerializable, policy, early_lock_release, kTransactions) == 0);
  CHECK(is_seen([&] { return overdrawn(Isolation::snapshot, policy, early_lock_release, kTransactions); }));
}

TEST_CASE("Serializable snapshot: threads keep an invariant over a range that snapshot breaks") {
  CHECK(overbooked(kSerializable, 2 * kTransactions) == 0);
  CHECK(is_seen([] { return overbooked(Isolation::snapshot, 2 * kTransactions); }));
}

}  // namespace muster
