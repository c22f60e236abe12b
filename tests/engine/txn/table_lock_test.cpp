#include <atomic>
#include <random>
#include <thread>

#include "engine/txn/table_locks.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;
using Intent = TableLocks::Intent;

/// Two tables with a record "a" each.
struct Fixture {
  explicit Fixture(std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
    DatabaseOptions options = memory_database(directory.path());
    options.deadlock.timeout = timeout;
    database = Database::open(options);
    locker = database->attach(kDurable);
    other = database->attach(kDurable);
    for (TableId* made : {&table, &second}) {
      *made = database->create_table(made == &table ? "t" : "second", table_under_test());
      other->begin();
      REQUIRE(other->insert(*made, as_bytes("a"), as_bytes("1")) == Status::ok);
      other->commit();
    }
  }
  /// Whether the session may do this without waiting.
  static bool may(Session& session, const std::function<Status(Session&)>& operation) {
    session.begin_without_waiting();
    const Status status = operation(session);
    if (!was_rolled_back(status)) session.abort();
    return !was_rolled_back(status);
  }
  bool may_read(TableId in) const {
    std::vector<std::byte> value;
    return may(*other, [&](Session& session) { return session.read(in, as_bytes("a"), value); });
  }
  bool may_scan(TableId in) const {
    return may(*other, [&](Session& session) {
      return session.scan(in, as_bytes("x"), [](Bytes, Bytes) { return true; });
    });
  }
  static bool may_insert(Session& session, TableId in) {
    return may(session, [&](Session& its) { return its.insert(in, as_bytes("n"), as_bytes("1")); });
  }
  bool may_write(TableId in) const { return may_insert(*other, in); }
  bool may_lock(TableId in, LockMode mode) const {
    return may(*other, [&](Session& session) { return session.lock_table(in, mode); });
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  std::unique_ptr<Session> locker, other;
  TableId table = 0, second = 0;
};

}  // namespace

TEST_CASE("table lock: exclusive, no other session reads or writes there; shared, no other session writes") {
  Fixture f;
  const bool exclusive = GENERATE(false, true);
  f.locker->begin();
  REQUIRE(f.locker->lock_table(f.table, exclusive ? LockMode::exclusive : LockMode::shared) == Status::ok);
  CHECK(f.may_read(f.table) != exclusive);
  CHECK(f.may_scan(f.table) != exclusive);
  CHECK_FALSE(f.may_write(f.table));
  CHECK(f.may_lock(f.table, LockMode::shared) != exclusive);
  CHECK_FALSE(f.may_lock(f.table, LockMode::exclusive));
  CHECK(f.may_read(f.second));
  CHECK(f.may_write(f.second));
  CHECK(f.may_lock(f.second, LockMode::exclusive));
  // Its owner goes on, and may write where it has locked shared.
  CHECK(read_text(*f.locker, f.table, "a") == "1");
  CHECK(f.locker->update(f.table, as_bytes("a"), as_bytes("2")) == Status::ok);
  CHECK_THROWS_AS(f.locker->lock_table(f.table, LockMode::add), std::invalid_argument);
  CHECK_THROWS_AS(f.locker->lock_table(99, LockMode::shared), ConfigError);
  f.locker->commit();
  CHECK(f.may_read(f.table));
  CHECK(f.may_write(f.table));
  CHECK(f.may_lock(f.table, LockMode::exclusive));
}

TEST_CASE("table lock: it waits for the sessions at work there, and only for sessions that it excludes") {
  Fixture f;
  const bool writes = GENERATE(false, true);
  const bool exclusive = GENERATE(false, true);
  f.locker->begin();
  if (writes) {
    REQUIRE(f.locker->insert(f.table, as_bytes("b"), as_bytes("1")) == Status::ok);
  } else {
    CHECK(read_text(*f.locker, f.table, "a") == "1");
  }
  const LockMode mode = exclusive ? LockMode::exclusive : LockMode::shared;
  CHECK(f.may_lock(f.table, mode) == (!writes && !exclusive));
  std::atomic<bool> locked{false};
  std::thread locking([&] {
    f.other->begin();
    if (f.other->lock_table(f.table, mode) == Status::ok) {
      locked.store(true);
      f.other->commit();
    }
  });
  if (writes || exclusive) {
    // The lock keeps new writers out while it waits.
    const auto third = f.database->attach(kDurable);
    CHECK(comes_true([&] { return !f.may_insert(*third, f.table); }));
    CHECK_FALSE(locked.load());
  }
  f.locker->commit();
  locking.join();
  CHECK(locked.load());
}

TEST_CASE("table lock: a deadlock with one ends by time") {
  Fixture f(std::chrono::milliseconds(50));
  f.locker->begin();
  f.other->begin();
  CHECK(read_text(*f.locker, f.table, "a") == "1");
  CHECK(read_text(*f.other, f.table, "a") == "1");
  std::atomic<Status> of_other{Status::ok};
  std::thread locking([&] {
    of_other.store(f.other->lock_table(f.table, LockMode::exclusive));
    if (of_other.load() == Status::ok) f.other->commit();
  });
  const Status of_locker = f.locker->lock_table(f.table, LockMode::exclusive);
  if (of_locker == Status::ok) f.locker->commit();
  locking.join();
  CHECK((of_locker == Status::ok) != (of_other.load() == Status::ok));
  CHECK(f.may_write(f.table));
}

TEST_CASE("TableLocks: of a guard and an intention at one moment, one sees the other") {
  constexpr int kRounds = 20000;
  TableLocks locks(2);
  std::atomic<int> turn{0}, wrong{0};
  int alone = 0;  // plain memory, written by the thread that stands: the race detector sees two that do
  int stands = 0;
  const auto meet = [&](int upto) {
    turn.fetch_add(1);
    for (Backoff backoff; turn.load() < upto; backoff.pause()) {}
  };
  std::atomic<int> stood[2] = {0, 0};
  std::thread intending([&] {
    for (int round = 1; round <= kRounds; ++round) {
      meet(4 * round - 2);
      const bool stand = locks.intend(0, 7, Intent::write);
      if (stand) ++alone;
      stood[0].store(stand ? 1 : 0);
      meet(4 * round);
      locks.end(0);
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    meet(4 * round - 2);
    locks.guard(7, Intent::write);
    const bool stand = !locks.others_intend(1, 7, Intent::write);
    if (stand) ++alone;
    stood[1].store(stand ? 1 : 0);
    meet(4 * round);
    if (stood[0].load() + stood[1].load() > 1) ++wrong;
    stands += stood[0].load() + stood[1].load();
    locks.unguard(7, Intent::write);
  }
  intending.join();
  CHECK(wrong.load() == 0);
  CHECK(alone == stands);
  CHECK(stands > 0);
}

}  // namespace muster
