#include <atomic>
#include <random>
#include <thread>

#include "engine/io/memory_log_device.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster {
namespace {

using Contents = std::map<std::string, std::string>;
const auto kDurable = CommitPolicy::durable;
const auto kSnapshot = Isolation::snapshot;
const auto kReadCommitted = Isolation::read_committed;

struct Fixture {
  explicit Fixture(const Contents& records = {}, bool early_lock_release = false, Gate* gate = nullptr) {
    DatabaseOptions options = memory_database(directory.path());
    options.early_lock_release = early_lock_release;
    if (gate != nullptr) {
      options.make_log_device = [gate](const LogOptions&, Lsn) {
        return std::make_unique<GatedLogDevice>(
            std::make_unique<MemoryLogDevice>(std::chrono::nanoseconds(0)), *gate);
      };
    }
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    const auto session = attach();
    session->begin();
    for (const auto& [key, value] : records) {
      REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
    }
    session->commit();
  }

  std::unique_ptr<Session> attach(Isolation level = kSnapshot, CommitPolicy policy = kDurable) const {
    return database->attach(policy, level);
  }
  Status insert(Session& session, const char* key, const std::string& value) const {
    return session.insert(table, as_bytes(key), as_bytes(value));
  }
  Status update(Session& session, const char* key, const std::string& value) const {
    return session.update(table, as_bytes(key), as_bytes(value));
  }
  Status remove(Session& session, const char* key) const { return session.remove(table, as_bytes(key)); }
  /// What the session's transaction sees, by a scan, and the same by reads of these keys.
  Contents sees(Session& session) const {
    const Contents scanned = scan_all(session, table);
    Contents read;
    for (const char* key : {"a", "b", "c", "d"}) {
      if (const auto value = read_text(session, table, key)) read.emplace(key, *value);
    }
    CHECK(scanned == read);
    return scanned;
  }
  Contents committed() const {
    const auto session = attach();
    session->begin();
    Contents all = scan_all(*session, table);
    session->commit();
    return all;
  }
  /// Changes by every kind of operation of what `abc()` holds.
  void change(Session& session) const {
    REQUIRE(update(session, "a", "changed") == Status::ok);
    REQUIRE(remove(session, "b") == Status::ok);
    REQUIRE(insert(session, "d", "inserted") == Status::ok);
    REQUIRE(update(session, "a", "changed") == Status::ok);
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
};

Contents abc() {
  return {{"a", "1"}, {"b", "2"}, {"c", "3"}};
}
Contents changed_abc() {
  return {{"a", "changed"}, {"c", "3"}, {"d", "inserted"}};
}

/// Time for what must not happen. A machine that is slower than this only makes the test less strict.
void linger() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace

// --- what a snapshot hides and shows ---

TEST_CASE("Snapshot, hidden: what was written by a transaction in progress at begin") {
  Fixture f(abc());
  const auto writer = f.attach(), reader = f.attach();
  writer->begin();
  f.change(*writer);
  reader->begin();
  CHECK(f.sees(*reader) == abc());
  writer->commit();
  CHECK(f.sees(*reader) == abc());  // it was in progress when the reader began
  reader->commit();
  CHECK(f.committed() == changed_abc());
}

TEST_CASE("Snapshot, hidden: what was written by a transaction that aborted") {
  Fixture f(abc());
  const auto writer = f.attach(), before = f.attach(), meanwhile = f.attach(), behind = f.attach();
  before->begin();
  writer->begin();
  f.change(*writer);
  meanwhile->begin();
  writer->abort();
  behind->begin();
  for (Session* reader : {before.get(), meanwhile.get(), behind.get()}) CHECK(f.sees(*reader) == abc());
  // With a version above that was committed.
  writer->begin();
  f.change(*writer);
  writer->commit();
  for (Session* reader : {before.get(), meanwhile.get(), behind.get()}) CHECK(f.sees(*reader) == abc());
  CHECK(f.committed() == changed_abc());
}

TEST_CASE("Snapshot, hidden: what was written by a transaction that began later") {
  Fixture f(abc());
  const auto writer = f.attach(), reader = f.attach();
  reader->begin();
  writer->begin();
  f.change(*writer);
  CHECK(f.sees(*reader) == abc());
  writer->commit();
  CHECK(f.sees(*reader) == abc());
  for (int i = 0; i < 5; ++i) {
    writer->begin();
    REQUIRE(f.update(*writer, "a", std::to_string(i)) == Status::ok);
    writer->commit();
  }
  CHECK(f.sees(*reader) == abc());
}

TEST_CASE("Snapshot, shown: what was written by a transaction that had committed at begin") {
  Fixture f(abc());
  const auto writer = f.attach(), reader = f.attach();
  writer->begin();
  f.change(*writer);
  writer->commit();
  reader->begin();
  CHECK(f.sees(*reader) == changed_abc());
  writer->begin();
  REQUIRE(f.update(*writer, "a", "later") == Status::ok);
  writer->commit();
  CHECK(f.sees(*reader) == changed_abc());  // not what it was before
}

TEST_CASE("Snapshot, shown: a record whose deletion had not been committed at begin") {
  Fixture f(abc());
  const auto writer = f.attach(), reader = f.attach(), older = f.attach();
  older->begin();
  writer->begin();
  for (const char* key : {"a", "b", "c"}) REQUIRE(f.remove(*writer, key) == Status::ok);
  reader->begin();
  CHECK(f.sees(*reader) == abc());
  writer->commit();
  CHECK(f.sees(*reader) == abc());
  CHECK(f.sees(*older) == abc());
  CHECK(f.committed().empty());
  // A record that came again is another one.
  writer->begin();
  REQUIRE(f.insert(*writer, "b", "again") == Status::ok);
  writer->commit();
  CHECK(f.sees(*reader) == abc());
  CHECK(f.committed() == Contents{{"b", "again"}});
}

TEST_CASE("Snapshot: a transaction sees what it has written itself") {
  Fixture f(abc());
  const auto session = f.attach(GENERATE(kSnapshot, kReadCommitted));
  session->begin();
  f.change(*session);
  CHECK(f.sees(*session) == changed_abc());
  REQUIRE(f.insert(*session, "b", "again") == Status::ok);
  REQUIRE(f.remove(*session, "d") == Status::ok);
  CHECK(f.sees(*session) == Contents{{"a", "changed"}, {"b", "again"}, {"c", "3"}});
  session->abort();
  CHECK(f.committed() == abc());
}

TEST_CASE("Snapshot: a transaction sees its write above one that was rolled back since it began") {
  Fixture f(abc());
  const auto session = f.attach(), other = f.attach();
  session->begin();
  other->begin();
  REQUIRE(f.update(*other, "a", "x") == Status::ok);
  other->abort();
  CHECK(f.update(*session, "a", "mine") == Status::ok);  // no conflict with that one
  CHECK(read_text(*session, f.table, "a") == "mine");
  CHECK(f.sees(*session).at("a") == "mine");
  session->commit();
  CHECK(f.committed().at("a") == "mine");
}

TEST_CASE("Snapshot: a scan shows what its visitor has changed ahead of it") {
  Fixture f(abc());
  const auto session = f.attach(GENERATE(kSnapshot, kReadCommitted));
  session->begin();
  Contents seen;
  const Status status = session->scan(f.table, {}, [&](Bytes key, Bytes value) {
    seen.emplace(as_text(key), as_text(value));
    if (as_text(key) == "a") {
      CHECK(f.update(*session, "b", "ahead") == Status::ok);
      CHECK(f.remove(*session, "c") == Status::ok);
    }
    return true;
  });
  CHECK(status == Status::ok);
  CHECK(seen == Contents{{"a", "1"}, {"b", "ahead"}});
  session->commit();
}

TEST_CASE("Snapshot: a scan whose visitor loses its transaction ends") {
  Fixture f(abc());
  const auto session = f.attach(), other = f.attach();
  session->begin();
  other->begin();
  REQUIRE(f.update(*other, "b", "first") == Status::ok);
  other->commit();
  int visits = 0;
  const Status status = session->scan(f.table, {}, [&](Bytes, Bytes) {
    ++visits;
    CHECK(f.update(*session, "b", "second") == Status::conflict);
    return true;
  });
  CHECK(was_rolled_back(status));
  CHECK(visits == 1);
  session->begin();
  CHECK(f.update(*session, "b", "second") == Status::ok);
  session->commit();
}

// --- the first committer wins ---

TEST_CASE("Snapshot: of two that write one record, the second is rolled back, whatever the operations") {
  Fixture f(abc());
  const auto first = f.attach(), second = f.attach();
  const auto race = [&](auto of_first, auto of_second) {
    second->begin();
    CHECK(f.update(*second, "c", "taken back") == Status::ok);
    first->begin();
    of_first();
    first->commit();
    CHECK(of_second() == Status::conflict);
    CHECK_THROWS_AS(second->commit(), std::logic_error);
  };
  std::vector<std::byte> value;
  race([&] { CHECK(f.update(*first, "a", "x") == Status::ok); }, [&] { return f.update(*second, "a", "y"); });
  race([&] { CHECK(f.update(*first, "a", "x") == Status::ok); }, [&] { return f.remove(*second, "a"); });
  race([&] { CHECK(f.update(*first, "a", "x") == Status::ok); },
       [&] { return second->read_for_update(f.table, as_bytes("a"), value); });
  race([&] { CHECK(f.remove(*first, "a") == Status::ok); }, [&] { return f.update(*second, "a", "y"); });
  race([&] { CHECK(f.insert(*first, "a", "x") == Status::ok); }, [&] { return f.insert(*second, "a", "y"); });
  race([&] { CHECK(f.insert(*first, "d", "x") == Status::ok); }, [&] { return f.insert(*second, "d", "y"); });
  CHECK(f.committed() == Contents{{"a", "x"}, {"b", "2"}, {"c", "3"}, {"d", "x"}});
}

TEST_CASE(
    "Snapshot: one that waits for a writer is rolled back when that commits, and goes on when it aborts") {
  const bool commits = GENERATE(true, false);
  Fixture f(abc());
  const auto first = f.attach(), second = f.attach();
  first->begin();
  second->begin();
  REQUIRE(f.update(*first, "a", "first") == Status::ok);
  std::atomic<bool> done{false};
  Status status = Status::not_found;  // read when the thread has ended
  std::thread thread([&] {
    status = f.update(*second, "a", "second");
    done.store(true);
    if (status == Status::ok) second->commit();
  });
  CHECK(comes_true([&] { return second->waits(); }));
  CHECK_FALSE(done.load());
  if (commits)
    first->commit();
  else
    first->abort();
  thread.join();
  CHECK(status == (commits ? Status::conflict : Status::ok));
  CHECK(f.committed().at("a") == (commits ? "first" : "second"));
}

TEST_CASE("Snapshot: no update is lost") {
  Fixture f(Contents{{"a", "0"}});
  constexpr int kThreads = 3, kIncrements = 500;
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  std::atomic<int> wrong{0};
  const auto increment = [&] {
    const auto session = f.attach(kSnapshot, policy);
    std::vector<std::byte> value;
    for (int done = 0; done < kIncrements;) {
      session->begin();
      if (session->read(f.table, as_bytes("a"), value) != Status::ok) wrong.fetch_add(1);
      const Status status = f.update(*session, "a", std::to_string(std::stoi(as_text(value)) + 1));
      if (status == Status::ok) {
        session->commit();
        ++done;
      } else if (status != Status::conflict) {
        wrong.fetch_add(1);
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(increment);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(f.committed().at("a") == std::to_string(kThreads * kIncrements));
}

TEST_CASE("Snapshot: two that read what the other writes both commit, which is no serial order") {
  Fixture f(abc());
  const auto one = f.attach(), other = f.attach();
  one->begin();
  other->begin();
  CHECK(read_text(*one, f.table, "b") == "2");
  CHECK(read_text(*other, f.table, "a") == "1");
  CHECK(f.update(*one, "a", "skewed") == Status::ok);
  CHECK(f.update(*other, "b", "skewed") == Status::ok);
  one->commit();
  other->commit();
  CHECK(f.committed() == Contents{{"a", "skewed"}, {"b", "skewed"}, {"c", "3"}});
}

// --- read committed ---

TEST_CASE("Read committed: an operation sees what was committed when it began, and waits for no writer") {
  Fixture f(abc());
  const auto writer = f.attach(GENERATE(kSnapshot, kReadCommitted)), reader = f.attach(kReadCommitted);
  reader->begin();
  CHECK(f.sees(*reader) == abc());
  writer->begin();
  f.change(*writer);
  CHECK(f.sees(*reader) == abc());  // in this thread, which holds the writer's locks
  writer->commit();
  CHECK(f.sees(*reader) == changed_abc());
  reader->commit();
}

TEST_CASE("Read committed: a write is of the newest value, which another has committed since") {
  Fixture f(abc());
  const auto session = f.attach(kReadCommitted), other = f.attach(kReadCommitted);
  session->begin();
  CHECK(read_text(*session, f.table, "a") == "1");
  other->begin();
  f.change(*other);
  other->commit();
  std::vector<std::byte> value;
  CHECK(session->read_for_update(f.table, as_bytes("a"), value) == Status::ok);
  CHECK(as_text(value) == "changed");
  CHECK(f.update(*session, "a", "newest") == Status::ok);
  CHECK(f.remove(*session, "b") == Status::not_found);
  CHECK(f.insert(*session, "d", "x") == Status::already_exists);
  session->commit();
  CHECK(f.committed() == Contents{{"a", "newest"}, {"c", "3"}, {"d", "inserted"}});
}

TEST_CASE("Read skew: a snapshot excludes it, read committed allows it") {
  const Isolation level = GENERATE(kSnapshot, kReadCommitted);
  Fixture f(Contents{{"a", "50"}, {"b", "50"}});
  const auto reader = f.attach(level), writer = f.attach(level);
  reader->begin();
  CHECK(read_text(*reader, f.table, "a") == "50");
  writer->begin();
  REQUIRE(f.update(*writer, "a", "10") == Status::ok);
  REQUIRE(f.update(*writer, "b", "90") == Status::ok);
  writer->commit();
  CHECK(read_text(*reader, f.table, "b") == (level == kSnapshot ? "50" : "90"));
  reader->commit();
}

TEST_CASE("Read committed: a scan has one snapshot, whatever its visitor does") {
  Fixture f(abc());
  const auto reader = f.attach(kReadCommitted), writer = f.attach(kReadCommitted);
  reader->begin();
  Contents seen;
  const Status status = reader->scan(f.table, {}, [&](Bytes key, Bytes value) {
    seen.emplace(as_text(key), as_text(value));
    if (as_text(key) == "a") {
      writer->begin();
      f.change(*writer);
      CHECK(f.update(*writer, "c", "changed") == Status::ok);
      writer->commit();
      writer->wait_for_acknowledgements();  // where the writer takes away what no snapshot needs
      CHECK(read_text(*reader, f.table, "c") == "changed");
    }
    return true;
  });
  CHECK(status == Status::ok);
  CHECK(seen == abc());
  CHECK(f.sees(*reader).at("c") == "changed");
  reader->commit();
}

// --- durability ---

TEST_CASE("Snapshot: it shows only what is durable where commits wait for it, and waits for nothing itself") {
  const CommitPolicy policy =
      GENERATE(CommitPolicy::durable, CommitPolicy::group, CommitPolicy::queued_group);
  Gate gate;
  Fixture f(abc(), false, &gate);
  gate.close();
  const auto reader = f.attach();
  const auto writer = f.attach(kSnapshot, policy);
  writer->begin();
  f.change(*writer);
  const Lsn before = f.database->log().reserved();
  std::thread thread([&] { writer->commit(); });
  while (f.database->log().reserved() == before) std::this_thread::yield();
  linger();
  reader->begin();
  const Contents seen = f.sees(*reader);
  reader->commit();
  gate.open();
  thread.join();
  CHECK(seen == abc());
  reader->begin();
  CHECK(f.sees(*reader) == changed_abc());
  reader->commit();
}

TEST_CASE("Snapshot: what is seen early is durable before a transaction that read it is acknowledged") {
  const auto policy = GENERATE(CommitPolicy::async, CommitPolicy::pipelined);
  Gate gate;
  Fixture f(abc(), GENERATE(false, true), &gate);
  const auto writer = f.attach(kSnapshot, policy);
  const auto reader = f.attach(GENERATE(kSnapshot, kReadCommitted));
  gate.close();
  writer->begin();
  f.change(*writer);
  writer->commit();
  const Lsn end = f.database->log().reserved();
  reader->begin();
  CHECK(f.sees(*reader) == changed_abc());
  std::atomic<bool> done{false};
  bool was_durable = false;
  std::thread thread([&] {
    reader->commit();
    was_durable = f.database->log().durable() >= end;
    done.store(true);
  });
  linger();
  CHECK_FALSE(done.load());
  gate.open();
  thread.join();
  CHECK(was_durable);
}

TEST_CASE(
    "Snapshot, pipelined: a transaction sees what its session has committed, and is no conflict with it") {
  Gate gate;
  Fixture f(abc(), true, &gate);
  const auto session = f.attach(kSnapshot, CommitPolicy::pipelined);
  gate.close();
  for (int i = 0; i < 5; ++i) {
    session->begin();
    CHECK(read_text(*session, f.table, "a") == std::to_string(i == 0 ? 1 : i + 9));
    CHECK(f.update(*session, "a", std::to_string(i + 10)) == Status::ok);
    session->commit();
  }
  gate.open();
  session->wait_for_acknowledgements();
}

TEST_CASE(
    "Snapshot: what an async session has left that took locks is durable before a reader is acknowledged") {
  Gate gate;
  Fixture f(abc(), false, &gate);
  gate.close();
  {
    const auto writer = f.attach(Isolation::two_phase_locking, CommitPolicy::async);
    writer->begin();
    f.change(*writer);
    writer->commit();
  }
  const Lsn end = f.database->log().reserved();
  const auto reader = f.attach();
  reader->begin();
  CHECK(f.sees(*reader) == changed_abc());
  std::atomic<bool> done{false};
  std::thread thread([&] {
    reader->commit();
    done.store(true);
  });
  linger();
  CHECK_FALSE(done.load());
  gate.open();
  thread.join();
  CHECK(f.database->log().durable() >= end);
}

// --- all together ---

namespace {

/// Accounts whose money moves between sessions; an account without money has no record, so that records come and go.
class Bank {
 public:
  static constexpr int kAccounts = 40, kMoney = 100;

  explicit Bank(const Fixture& fixture) : f_(fixture) {
    const auto session = f_.attach();
    session->begin();
    for (int i = 0; i < kAccounts; ++i)
      REQUIRE(session->insert(f_.table, as_bytes(key_of(i)), as_bytes(std::to_string(kMoney))) == Status::ok);
    session->commit();
  }

  /// Moves some money. False when the transaction was rolled back.
  bool transfer(Session& session, std::mt19937& random) {
    const std::string from = key_of(random() % kAccounts), to = key_of(random() % kAccounts);
    session.begin();
    int money = 0;
    if (from != to && !take(session, from, random, money)) return false;
    if (from != to && !put(session, to, money)) return false;
    if (random() % 8 == 0)
      session.abort();
    else
      session.commit();
    return true;
  }

  /// What a transaction sees in all, by a scan and by reads.
  std::pair<int, int> sums(Session& session) {
    int scanned = 0, read = 0;
    session.begin();
    for (const auto& [key, value] : scan_all(session, f_.table)) scanned += std::stoi(value);
    for (int i = 0; i < kAccounts; ++i)
      read += std::stoi(read_text(session, f_.table, key_of(i)).value_or("0"));
    session.commit();
    return {scanned, read};
  }

 private:
  bool take(Session& session, const std::string& key, std::mt19937& random, int& money) {
    std::vector<std::byte> value;
    const Status status = session.read_for_update(f_.table, as_bytes(key), value);
    if (status != Status::ok) return status == Status::not_found;
    const int has = std::stoi(as_text(value));
    money = random() % 4 == 0 ? has : has / 2;
    if (money == has) return session.remove(f_.table, as_bytes(key)) == Status::ok;
    return session.update(f_.table, as_bytes(key), as_bytes(std::to_string(has - money))) == Status::ok;
  }
  bool put(Session& session, const std::string& key, int money) {
    if (money == 0) return true;
    std::vector<std::byte> value;
    const Status status = session.read_for_update(f_.table, as_bytes(key), value);
    if (was_rolled_back(status)) return false;
    if (status == Status::not_found)
      return session.insert(f_.table, as_bytes(key), as_bytes(std::to_string(money))) == Status::ok;
    const int has = std::stoi(as_text(value));
    return session.update(f_.table, as_bytes(key), as_bytes(std::to_string(has + money))) == Status::ok;
  }

  const Fixture& f_;
};

}  // namespace

TEST_CASE(
    "Snapshot: an auditor beside transfers sees the same sum every time, whatever policy and lock release") {
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  const bool early = GENERATE(false, true);
  Fixture f({}, early);
  Bank bank(f);
  constexpr int kWriters = 3, kAudits = 150;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0}, transfers{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(static_cast<unsigned>(i));
      const auto session = f.attach(i == 0 ? kReadCommitted : kSnapshot, policy);
      while (!stop.load()) transfers += bank.transfer(*session, random);
    });
  }
  const auto auditor = f.attach();
  // On until there have been transfers: the auditor may happen to be done before the writers begin.
  for (int i = 0; i < kAudits || (transfers.load() < kWriters && i < 1000 * kAudits); ++i) {
    const auto [scanned, read] = bank.sums(*auditor);
    wrong += scanned != Bank::kAccounts * Bank::kMoney;
    wrong += read != Bank::kAccounts * Bank::kMoney;
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(transfers.load() >= kWriters);
  auditor->begin();
  auditor->abort();
  f.database->check();
}

}  // namespace muster
