#include <atomic>
#include <cstring>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;

std::string number_text(std::int64_t number) {
  return {reinterpret_cast<const char*>(&number), sizeof number};
}

/// A record "n": a byte, a number, a byte.
struct Fixture {
  explicit Fixture(Isolation level = Isolation::two_phase_locking) {
    DatabaseOptions options = memory_database(directory.path());
    options.read_committed = ReadCommitted::locks;
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    session = database->attach(kDurable, level);
    session->begin();
    REQUIRE(session->insert(table, as_bytes("n"), as_bytes("<" + number_text(7) + ">")) == Status::ok);
    session->commit();
  }
  std::string value() const { return contents(*database, table).at("n"); }
  std::int64_t number() const {
    std::int64_t number = 0;
    std::memcpy(&number, value().data() + 1, sizeof number);
    return number;
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  std::unique_ptr<Session> session;
};

}  // namespace

TEST_CASE("modify: the value is changed in place of a read and a write") {
  Fixture f(GENERATE(Isolation::two_phase_locking, Isolation::read_committed));
  f.session->begin();
  CHECK(f.session->modify(f.table, as_bytes("n"), [](std::vector<std::byte>& value) {
    value.resize(3, std::byte{'x'});
    value[0] = std::byte{'y'};
  }) == Status::ok);
  CHECK(f.session->append(f.table, as_bytes("n"), as_bytes("+more")) == Status::ok);
  CHECK(f.session->append(f.table, as_bytes("none"), as_bytes("+more")) == Status::not_found);
  CHECK(f.session->modify(f.table, as_bytes("none"), [](std::vector<std::byte>&) { FAIL(); }) ==
        Status::not_found);
  f.session->commit();
  CHECK(f.value().substr(0, 1) == "y");
  CHECK(f.value().substr(3) == "+more");
}

TEST_CASE("increment: adds to a number inside a value, also below zero and around the end") {
  Fixture f;
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, 5) == Status::ok);
  CHECK(f.session->increment(f.table, as_bytes("none"), 1, 5) == Status::not_found);
  f.session->commit();
  CHECK(f.value() == "<" + number_text(12) + ">");
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, -20) == Status::ok);
  f.session->commit();
  CHECK(f.number() == -8);
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, INT64_MIN) == Status::ok);
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, INT64_MIN) == Status::ok);
  f.session->commit();
  CHECK(f.number() == -8);
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, 100) == Status::ok);
  f.session->abort();
  CHECK(f.value() == "<" + number_text(-8) + ">");
}

TEST_CASE("increment: one beyond the value is refused, and the transaction goes on") {
  Fixture f;
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 2, 1) == Status::ok);
  CHECK_THROWS_AS(f.session->increment(f.table, as_bytes("n"), 3, 1), ConfigError);
  CHECK_THROWS_AS(f.session->increment(f.table, as_bytes("n"), ~std::size_t{0}, 1), ConfigError);
  CHECK(f.session->increment(f.table, as_bytes("n"), 2, -1) == Status::ok);
  f.session->commit();
  CHECK(f.number() == 7);
}

TEST_CASE("compare_and_set: sets what is as expected, and says when it is not") {
  Fixture f(GENERATE(Isolation::two_phase_locking, Isolation::read_committed));
  const std::string before = f.value();
  f.session->begin();
  CHECK(f.session->compare_and_set(f.table, as_bytes("n"), as_bytes("else"), as_bytes("new")) ==
        Status::mismatch);
  CHECK(f.session->compare_and_set(f.table, as_bytes("n"), as_bytes(before.substr(0, 3)), as_bytes("new")) ==
        Status::mismatch);
  CHECK(read_text(*f.session, f.table, "n") == before);
  CHECK(f.session->compare_and_set(f.table, as_bytes("n"), as_bytes(before), as_bytes("new")) == Status::ok);
  CHECK(f.session->compare_and_set(f.table, as_bytes("n"), as_bytes(before), as_bytes("newer")) ==
        Status::mismatch);
  CHECK(f.session->compare_and_set(f.table, as_bytes("none"), as_bytes(""), as_bytes("new")) ==
        Status::not_found);
  f.session->commit();
  CHECK(f.value() == "new");
}

TEST_CASE("modify: no update is lost where reading and then writing would lose it") {
  Fixture f(Isolation::read_committed);
  constexpr int kThreads = 3, kEach = 1000;
  std::atomic<int> wrong{0};
  const int how = GENERATE(0, 1, 2);
  const auto work = [&] {
    const auto session = f.database->attach(CommitPolicy::async, Isolation::read_committed);
    std::vector<std::byte> seen;
    for (int done = 0; done < kEach;) {
      session->begin();
      Status status = Status::ok;
      if (how == 0) {
        status = session->increment(f.table, as_bytes("n"), 1, 1);
      } else if (how == 1) {
        status = session->modify(f.table, as_bytes("n"), [](std::vector<std::byte>& value) {
          std::int64_t number = 0;
          std::memcpy(&number, value.data() + 1, sizeof number);
          ++number;
          std::memcpy(value.data() + 1, &number, sizeof number);
        });
      } else {
        wrong += session->read(f.table, as_bytes("n"), seen) == Status::ok ? 0 : 1;
        std::int64_t number = 0;
        std::memcpy(&number, seen.data() + 1, sizeof number);
        const std::string next = "<" + number_text(number + 1) + ">";
        status = session->compare_and_set(f.table, as_bytes("n"), seen, as_bytes(next));
      }
      if (status == Status::ok) ++done;
      wrong += status == Status::ok || status == Status::mismatch ? 0 : 1;
      session->commit();
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(f.number() == 7 + kThreads * kEach);
}

TEST_CASE("increment: two that add to one number do not wait for each other, and each takes back its own") {
  Fixture f;
  const auto other = f.database->attach(kDurable);
  const auto third = f.database->attach(kDurable);
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, 5) == Status::ok);
  other->begin_without_waiting();
  CHECK(other->increment(f.table, as_bytes("n"), 1, 30) == Status::ok);
  // Until both have ended, no transaction reads or writes the record.
  std::vector<std::byte> value;
  third->begin_without_waiting();
  CHECK(third->read(f.table, as_bytes("n"), value) == Status::deadlock);
  third->begin_without_waiting();
  CHECK(third->update(f.table, as_bytes("n"), as_bytes("x")) == Status::deadlock);
  third->begin_without_waiting();
  CHECK(third->scan(f.table, {}, [](Bytes, Bytes) { return true; }) == Status::deadlock);
  const bool first_aborts = GENERATE(false, true), second_aborts = GENERATE(false, true);
  const bool first_ends_first = GENERATE(false, true);
  const auto end = [](Session& session, bool aborts) {
    aborts ? session.abort() : static_cast<void>(session.commit());
  };
  if (first_ends_first) end(*f.session, first_aborts);
  end(*other, second_aborts);
  if (!first_ends_first) end(*f.session, first_aborts);
  CHECK(f.value() == "<" + number_text(7 + (first_aborts ? 0 : 5) + (second_aborts ? 0 : 30)) + ">");
}

TEST_CASE("increment: a transaction that has added and then reads is alone with the record") {
  Fixture f;
  const auto other = f.database->attach(kDurable);
  f.session->begin();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, 5) == Status::ok);
  CHECK(read_text(*f.session, f.table, "n") == "<" + number_text(12) + ">");
  other->begin_without_waiting();
  CHECK(other->increment(f.table, as_bytes("n"), 1, 30) == Status::deadlock);
  const Savepoint savepoint = f.session->savepoint();
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, 100) == Status::ok);
  CHECK(f.session->update(f.table, as_bytes("n"), as_bytes("x" + number_text(1))) == Status::ok);
  CHECK(f.session->increment(f.table, as_bytes("n"), 1, 100) == Status::ok);
  f.session->roll_back_to(savepoint);
  CHECK(read_text(*f.session, f.table, "n") == "<" + number_text(12) + ">");
  f.session->abort();
  CHECK(f.number() == 7);
}

TEST_CASE(
    "increment: after a crash the losers' are taken back and the winners' stay, whatever came between") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  std::vector<std::unique_ptr<Session>> sessions;
  for (int s = 0; s < 4; ++s) sessions.push_back(database->attach(kDurable));
  sessions[0]->begin();
  REQUIRE(sessions[0]->insert(table, as_bytes("n"), as_bytes("<" + number_text(0) + ">")) == Status::ok);
  sessions[0]->commit();
  for (const auto& session : sessions) session->begin();
  const int checkpoint_at = GENERATE(-1, 1, 5);
  for (int round = 0; round < 6; ++round) {
    std::int64_t by = 1;
    for (const auto& session : sessions) {
      REQUIRE(session->increment(table, as_bytes("n"), 1, by) == Status::ok);
      by *= 100;
    }
    if (round == checkpoint_at) database->checkpoint();
  }
  sessions[1]->commit();
  sessions[3]->abort();
  database->log().flush(database->log().reserved());
  const Killed killed(directory.path());  // 0 and 2 are losers
  const Killed again(killed.path());
  for (const Killed* copy : {&killed, &again}) {
    const auto opened = copy->open();
    CHECK(contents(*opened, "t").at("n") == "<" + number_text(600) + ">");
  }
  CHECK(contents(*killed.open(), "t").at("n") == "<" + number_text(600) + ">");
}

TEST_CASE(
    "increment: threads that add, abort, and go back to savepoints keep the sum of what was committed") {
  const bool early = GENERATE(false, true);
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.early_lock_release = early;
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  {
    const auto session = database->attach(kDurable);
    session->begin();
    REQUIRE(session->insert(table, as_bytes("n"), as_bytes("<" + number_text(0) + ">")) == Status::ok);
    session->commit();
  }
  std::atomic<std::int64_t> committed{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const auto session = database->attach(CommitPolicy::pipelined);
      for (int i = 0; i < 2000; ++i) {
        session->begin();
        wrong += session->increment(table, as_bytes("n"), 1, i + t) == Status::ok ? 0 : 1;
        const Savepoint savepoint = session->savepoint();
        wrong += session->increment(table, as_bytes("n"), 1, 7) == Status::ok ? 0 : 1;
        if (i % 3 == 0) session->roll_back_to(savepoint);
        if (i % 5 == 0) {
          session->abort();
        } else {
          committed += i + t + (i % 3 == 0 ? 0 : 7);
          session->commit();
        }
      }
      session->wait_for_acknowledgements();
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(contents(*database, table).at("n") == "<" + number_text(committed.load()) + ">");
}

}  // namespace muster
