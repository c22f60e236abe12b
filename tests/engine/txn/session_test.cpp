#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

struct Fixture {
  explicit Fixture(bool early_lock_release = false) {
    DatabaseOptions options = memory_database(directory.path());
    options.early_lock_release = early_lock_release;
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
  }
  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
};

const auto kDurable = CommitPolicy::durable;

}  // namespace

TEST_CASE("Session: a committed transaction's changes are read by the next") {
  Fixture f;
  auto session = f.database->attach(kDurable);
  session->begin();
  CHECK(session->insert(f.table, as_bytes("a"), as_bytes("1")) == Status::ok);
  CHECK(session->insert(f.table, as_bytes("b"), as_bytes("2")) == Status::ok);
  CHECK(session->insert(f.table, as_bytes("a"), as_bytes("3")) == Status::already_exists);
  CHECK(read_text(*session, f.table, "a") == "1");  // its own
  session->commit();
  session->begin();
  CHECK(session->update(f.table, as_bytes("a"), as_bytes("longer than before")) == Status::ok);
  CHECK(session->remove(f.table, as_bytes("b")) == Status::ok);
  CHECK(session->remove(f.table, as_bytes("c")) == Status::not_found);
  CHECK(session->update(f.table, as_bytes("b"), as_bytes("x")) == Status::not_found);
  session->commit();
  CHECK(contents(*f.database, f.table) == std::map<std::string, std::string>{{"a", "longer than before"}});
}

TEST_CASE("Session: an aborted transaction leaves everything as it was") {
  Fixture f;
  auto session = f.database->attach(kDurable);
  session->begin();
  for (int i = 0; i < 100; ++i)
    REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes("old")) == Status::ok);
  session->commit();
  const auto before = contents(*f.database, f.table);

  session->begin();
  for (int i = 0; i < 100; i += 3)
    REQUIRE(session->update(f.table, as_bytes(key_of(i)), as_bytes("new")) == Status::ok);
  for (int i = 0; i < 100; i += 3)
    REQUIRE(session->update(f.table, as_bytes(key_of(i)), as_bytes("newer")) == Status::ok);
  for (int i = 1; i < 100; i += 3) REQUIRE(session->remove(f.table, as_bytes(key_of(i))) == Status::ok);
  for (int i = 1; i < 50; i += 3)
    REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes("again")) == Status::ok);
  for (int i = 200; i < 300; ++i)
    REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes("new")) == Status::ok);
  session->abort();
  CHECK(contents(*f.database, f.table) == before);

  session->begin();
  REQUIRE(session->remove(f.table, as_bytes(key_of(0))) == Status::ok);
  session.reset();  // what is open is aborted
  CHECK(contents(*f.database, f.table) == before);
}

TEST_CASE("Session: rolling back works across the splits and merges that the changes caused") {
  Fixture f;
  auto session = f.database->attach(kDurable);
  const std::string value(200, 'x');
  session->begin();
  for (int i = 0; i < 1000; i += 2)
    REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes(value)) == Status::ok);
  session->commit();
  const auto before = contents(*f.database, f.table);

  session->begin();
  for (int i = 1; i < 1000; i += 2)
    REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes(value)) == Status::ok);
  session->abort();
  CHECK(contents(*f.database, f.table) == before);
  f.database->check();

  session->begin();
  for (int i = 0; i < 1000; i += 2) {
    if (i % 100 != 0) REQUIRE(session->remove(f.table, as_bytes(key_of(i))) == Status::ok);
  }
  session->abort();
  CHECK(contents(*f.database, f.table) == before);
  f.database->check();
}

TEST_CASE("Session: what is not committed is not read") {
  Fixture f;
  auto writer = f.database->attach(kDurable);
  auto reader = f.database->attach(kDurable);
  writer->begin();
  REQUIRE(writer->insert(f.table, as_bytes("a"), as_bytes("1")) == Status::ok);
  writer->commit();
  writer->begin();
  REQUIRE(writer->update(f.table, as_bytes("a"), as_bytes("2")) == Status::ok);

  std::atomic<bool> done{false};
  std::string by_read, by_scan;
  std::thread thread([&] {
    reader->begin();
    by_scan = scan_all(*reader, f.table).at("a");
    by_read = read_text(*reader, f.table, "a").value_or("");
    reader->commit();
    done.store(true);
  });
  for (int i = 0; i < 100; ++i) std::this_thread::yield();
  CHECK_FALSE(done.load());
  writer->abort();
  thread.join();
  CHECK(by_read == "1");
  CHECK(by_scan == "1");
}

TEST_CASE("Session: read_for_update keeps others from reading until the end") {
  Fixture f;
  auto first = f.database->attach(kDurable);
  auto second = f.database->attach(kDurable);
  first->begin();
  REQUIRE(first->insert(f.table, as_bytes("n"), as_bytes("0")) == Status::ok);
  first->commit();
  // Increments that read first lose nothing, and never deadlock as upgrades would.
  constexpr int kIncrements = 2000;
  std::atomic<int> deadlocks{0};
  const auto increment = [&](Session& session) {
    std::vector<std::byte> value;
    for (int i = 0; i < kIncrements; ++i) {
      session.begin();
      if (session.read_for_update(f.table, as_bytes("n"), value) != Status::ok) {
        deadlocks.fetch_add(1);
        continue;
      }
      const std::string next = std::to_string(std::stoi(as_text(value)) + 1);
      if (session.update(f.table, as_bytes("n"), as_bytes(next)) != Status::ok) deadlocks.fetch_add(1);
      session.commit();
    }
  };
  std::thread other([&] { increment(*second); });
  increment(*first);
  other.join();
  CHECK(deadlocks.load() == 0);
  CHECK(contents(*f.database, f.table).at("n") == std::to_string(2 * kIncrements));
}

TEST_CASE("Session: the victim of a deadlock is rolled back, its locks are free, and it may begin again") {
  Fixture f;
  auto a = f.database->attach(kDurable);
  auto b = f.database->attach(kDurable);
  a->begin();
  for (const char* key : {"x", "y"}) REQUIRE(a->insert(f.table, as_bytes(key), as_bytes("0")) == Status::ok);
  a->commit();

  a->begin();
  b->begin();
  REQUIRE(a->update(f.table, as_bytes("x"), as_bytes("a")) == Status::ok);
  REQUIRE(b->update(f.table, as_bytes("y"), as_bytes("b")) == Status::ok);
  std::atomic<Status> of_b{Status::not_found};
  std::thread thread([&] {
    of_b.store(b->update(f.table, as_bytes("x"), as_bytes("b")));
    if (of_b.load() == Status::ok) b->commit();
  });
  const Status of_a = a->update(f.table, as_bytes("y"), as_bytes("a"));
  if (of_a == Status::ok) a->commit();
  thread.join();
  // Whoever came last is the victim; the other got both.
  CHECK((of_a == Status::deadlock) != (of_b.load() == Status::deadlock));
  const std::string winner = of_a == Status::ok ? "a" : "b";
  CHECK(contents(*f.database, f.table) == std::map<std::string, std::string>{{"x", winner}, {"y", winner}});

  Session& victim = of_a == Status::deadlock ? *a : *b;
  std::vector<std::byte> value;
  CHECK_THROWS_AS(victim.read(f.table, as_bytes("x"), value), std::logic_error);
  victim.begin();
  CHECK(victim.update(f.table, as_bytes("x"), as_bytes("again")) == Status::ok);
  victim.commit();
}

TEST_CASE("Session: a transaction that does not wait for locks is rolled back where it would have to") {
  Fixture f;
  auto holder = f.database->attach(kDurable);
  auto hasty = f.database->attach(kDurable);
  holder->begin();
  REQUIRE(holder->insert(f.table, as_bytes("held"), as_bytes("1")) == Status::ok);
  hasty->begin_without_waiting();
  REQUIRE(hasty->insert(f.table, as_bytes("free"), as_bytes("2")) == Status::ok);
  CHECK(hasty->update(f.table, as_bytes("held"), as_bytes("3")) == Status::deadlock);
  CHECK_THROWS_AS(hasty->commit(), std::logic_error);
  holder->commit();
  CHECK(contents(*f.database, f.table) == std::map<std::string, std::string>{{"held", "1"}});
  hasty->begin_without_waiting();
  CHECK(hasty->update(f.table, as_bytes("held"), as_bytes("3")) == Status::ok);
  hasty->commit();
  CHECK(contents(*f.database, f.table) == std::map<std::string, std::string>{{"held", "3"}});
}

TEST_CASE("Session: concurrent transfers keep the sum, whatever the policy and the lock release") {
  const CommitPolicy policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  const bool early = GENERATE(false, true);
  Fixture f(early);
  constexpr int kAccounts = 12, kThreads = 4, kTransfers = 1500;
  {
    auto session = f.database->attach(kDurable);
    session->begin();
    for (int i = 0; i < kAccounts; ++i) {
      REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes("1000")) == Status::ok);
    }
    session->commit();
  }
  std::atomic<int> wrong_sums{0}, committed{0}, deadlocks{0}, aborted{0}, unexpected{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      auto session = f.database->attach(policy);
      std::vector<std::byte> value;
      for (int i = 0; i < kTransfers; ++i) {
        session->begin();
        if (i % 50 == 0) {
          int sum = 0;
          const Status status = session->scan(f.table, {}, [&](Bytes, Bytes amount) {
            sum += std::stoi(as_text(amount));
            return true;
          });
          if (status == Status::deadlock) {
            deadlocks.fetch_add(1);
            continue;
          }
          if (sum != 1000 * kAccounts) wrong_sums.fetch_add(1);
          session->commit();
          continue;
        }
        const std::string from = key_of(random() % kAccounts), to = key_of(random() % kAccounts);
        if (from == to) {
          session->abort();
          continue;
        }
        Status status = Status::ok;
        for (const auto& [key, change] : {std::pair(from, -1), std::pair(to, 1)}) {
          // Half of them upgrade: shared first, then exclusive.
          status = i % 2 == 0 ? session->read(f.table, as_bytes(key), value)
                              : session->read_for_update(f.table, as_bytes(key), value);
          if (status != Status::ok) break;
          const std::string amount = std::to_string(std::stoi(as_text(value)) + change);
          status = session->update(f.table, as_bytes(key), as_bytes(amount));
          if (status != Status::ok) break;
        }
        if (status == Status::deadlock) {
          deadlocks.fetch_add(1);
        } else if (status != Status::ok) {
          unexpected.fetch_add(1);
          session->abort();
        } else if (random() % 8 == 0) {
          aborted.fetch_add(1);
          session->abort();
        } else {
          committed.fetch_add(1);
          session->commit();
        }
      }
      session->wait_for_acknowledgements();
    });
  }
  for (auto& thread : threads) thread.join();
  int sum = 0;
  for (const auto& [key, amount] : contents(*f.database, f.table)) sum += std::stoi(amount);
  CHECK(sum == 1000 * kAccounts);
  CHECK(wrong_sums.load() == 0);
  CHECK(unexpected.load() == 0);
  CHECK(committed.load() > 0);
  CHECK(aborted.load() > 0);
}

TEST_CASE("Session: a transaction that only reads logs nothing") {
  Fixture f;
  auto session = f.database->attach(GENERATE(CommitPolicy::durable, CommitPolicy::pipelined));
  session->begin();
  REQUIRE(session->insert(f.table, as_bytes("a"), as_bytes("1")) == Status::ok);
  session->commit();
  const Lsn before = f.database->log().reserved();
  std::vector<std::byte> value;
  session->begin();
  CHECK(session->read_for_update(f.table, as_bytes("a"), value) == Status::ok);
  CHECK(session->update(f.table, as_bytes("none"), as_bytes("1")) == Status::not_found);
  session->commit();
  session->begin();
  session->abort();
  CHECK(f.database->log().reserved() == before);
}

namespace {

std::map<RecordType, int> types_from(const std::filesystem::path& directory, Lsn from) {
  std::map<RecordType, int> types;
  LogReader reader(directory / "log", from);
  while (const auto record = reader.next()) ++types[record->type];
  return types;
}

/// With its log on files, and one record.
struct BeginFixture {
  explicit BeginFixture(BeginRecord begin_record) {
    DatabaseOptions options = small_database(directory.path());
    options.begin_record = begin_record;
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    session = database->attach(kDurable);
    session->begin();
    REQUIRE(session->insert(table, as_bytes("a"), as_bytes("1")) == Status::ok);
    session->commit();
    from = database->log().reserved();
  }
  void begin_and_read() {
    session->begin();
    CHECK(read_text(*session, table, "a") == "1");
  }
  void flush() { database->log().flush(database->log().reserved()); }
  std::map<RecordType, int> types() {
    flush();
    return types_from(directory.path(), from);
  }
  BeginStatistics counts() const { return database->begin_statistics(); }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  std::unique_ptr<Session> session;
  Lsn from = 0;  // of the log, behind the first transaction
};

}  // namespace

TEST_CASE("Session, eager begin: one that only reads logs its begin and its commit, which is durable") {
  BeginFixture f(BeginRecord::eager);
  f.begin_and_read();
  f.session->commit();
  CHECK(f.database->log().durable() == f.database->log().reserved());
  f.begin_and_read();
  f.session->abort();
  CHECK(f.types() ==
        std::map<RecordType, int>{{RecordType::begin, 2}, {RecordType::commit, 1}, {RecordType::end, 1}});
  CHECK(f.counts().kept == 2);
  CHECK(f.counts().retracted == 0);
}

TEST_CASE(
    "Session, elided begin: what only read is skipped in the log, or committed there if its begin was "
    "flushed") {
  BeginFixture f(BeginRecord::elided);
  f.begin_and_read();
  f.flush();
  f.session->commit();
  CHECK(f.counts().kept == 1);
  CHECK(f.types() == std::map<RecordType, int>{{RecordType::begin, 1}, {RecordType::commit, 1}});
  for (int i = 0; i < 50; ++i) {
    f.begin_and_read();
    i % 2 == 0 ? static_cast<void>(f.session->commit()) : f.session->abort();
  }
  const BeginStatistics counts = f.counts();  // the flusher comes by itself now and then
  CHECK(counts.retracted > 0);
  CHECK(counts.retracted + counts.kept == 51);
  std::map<RecordType, int> types = f.types();
  CHECK(types[RecordType::skipped] >= static_cast<int>(counts.retracted));
  CHECK(types[RecordType::skipped] + types[RecordType::begin] == 51);
  CHECK(types[RecordType::commit] + types[RecordType::end] == static_cast<int>(counts.kept));
}

TEST_CASE(
    "Session, eager and elided begin: one that changes something has its begin first and is recovered") {
  BeginFixture f(GENERATE(BeginRecord::eager, BeginRecord::elided));
  f.session->begin();
  CHECK(f.session->update(f.table, as_bytes("a"), as_bytes("2")) == Status::ok);
  f.session->commit();
  f.session->begin();
  CHECK(f.session->insert(f.table, as_bytes("b"), as_bytes("3")) == Status::ok);
  f.session->abort();
  const auto reader = f.database->attach(kDurable);
  reader->begin();  // runs when the process dies
  f.session->begin();
  CHECK(f.session->update(f.table, as_bytes("a"), as_bytes("lost")) == Status::ok);
  f.flush();
  const Killed killed(f.directory.path());
  const auto database = killed.open();
  CHECK(contents(*database, "t") == std::map<std::string, std::string>{{"a", "2"}});
  f.session->abort();
  reader->commit();
}

TEST_CASE("Session: what is called without a transaction, or for a table that is not there, is refused") {
  Fixture f;
  auto session = f.database->attach(kDurable);
  std::vector<std::byte> value;
  CHECK_THROWS_AS(session->read(f.table, as_bytes("a"), value), std::logic_error);
  CHECK_THROWS_AS(session->commit(), std::logic_error);
  CHECK_THROWS_AS(session->abort(), std::logic_error);
  session->begin();
  CHECK_THROWS_AS(session->begin(), std::logic_error);
  CHECK_THROWS_AS(session->read(99, as_bytes("a"), value), ConfigError);
  CHECK_THROWS_AS(session->insert(100000, as_bytes("a"), as_bytes("b")), ConfigError);
  CHECK_THROWS_AS(session->insert(f.table, as_bytes(std::string(5000, 'k')), as_bytes("b")), ConfigError);
  CHECK(session->insert(f.table, as_bytes("a"), as_bytes("b")) == Status::ok);  // it goes on
  session->commit();
}

}  // namespace muster
