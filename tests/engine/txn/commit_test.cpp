#include <atomic>
#include <thread>

#include "engine/io/faulty_log_device.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster {
namespace {

/// A database over a device that can be stopped: `durable` is what the test says it is.
struct GatedDatabase {
  explicit GatedDatabase(bool early_lock_release) {
    DatabaseOptions options = small_database(directory.path());
    options.early_lock_release = early_lock_release;
    options.make_log_device = [this](const LogOptions& log, Lsn begin) {
      return std::make_unique<GatedLogDevice>(make_holding_device(log, begin), gate);
    };
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    REQUIRE(session->insert(table, as_bytes("a"), as_bytes("old")) == Status::ok);
    session->commit();
  }
  ~GatedDatabase() { gate.open(); }

  void write(Session& session, std::string_view value) {
    session.begin();
    REQUIRE(session.update(table, as_bytes("a"), as_bytes(value)) == Status::ok);
  }

  TemporaryDirectory directory;
  Gate gate;
  std::unique_ptr<Database> database;
  TableId table = 0;
};

void count(void* counter) noexcept {
  static_cast<std::atomic<int>*>(counter)->fetch_add(1);
}

/// Time for what must not happen.
void linger() {
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
}

}  // namespace

TEST_CASE("commit, pipelined: returns at once and is acknowledged only when it is durable") {
  GatedDatabase d(GENERATE(false, true));
  auto session = d.database->attach(CommitPolicy::pipelined);
  std::atomic<int> acknowledged{0};
  d.gate.close();
  d.write(*session, "new");
  session->commit(count, &acknowledged);
  session->begin();
  REQUIRE(session->insert(d.table, as_bytes("b"), as_bytes("new")) == Status::ok);
  session->commit(count, &acknowledged);
  linger();
  CHECK(acknowledged.load() == 0);
  {
    const Killed killed(d.directory.path());  // and indeed nothing of it would survive
    const auto again = killed.open();
    CHECK(contents(*again, "t") == std::map<std::string, std::string>{{"a", "old"}});
  }
  d.gate.open();
  session->wait_for_acknowledgements();
  CHECK(acknowledged.load() == 2);
  const Killed killed(d.directory.path());
  const auto again = killed.open();
  CHECK(contents(*again, "t") == std::map<std::string, std::string>{{"a", "new"}, {"b", "new"}});
}

TEST_CASE(
    "commit, pipelined: its acknowledgement may read the database, also when an eviction made it durable") {
  constexpr std::uint64_t kRecords = 3000;
  struct Reader {
    Session* session;
    TableId table;
    std::atomic<std::uint64_t> found{0};
  };
  std::atomic<bool> flusher_may_work{false};
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.log.on_flusher_start = [&] {
    while (!flusher_may_work) std::this_thread::yield();
  };
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  const auto evicting = database->attach(CommitPolicy::durable);
  for (std::uint64_t i = 0; i < kRecords; ++i) {
    evicting->begin();
    REQUIRE(evicting->insert(table, as_bytes(key_of(i)), as_bytes(std::string(200, 'v'))) == Status::ok);
    evicting->commit();
  }
  const auto reading = database->attach(CommitPolicy::durable);
  Reader reader{reading.get(), table};
  const auto read_all = [](void* context) noexcept {
    Reader& self = *static_cast<Reader*>(context);
    self.session->begin();
    for (std::uint64_t i = 0; i < kRecords; ++i)
      self.found += read_text(*self.session, self.table, key_of(i)).has_value() ? 1 : 0;
    self.session->commit();
  };
  const auto session = database->attach(CommitPolicy::pipelined);
  session->begin();
  REQUIRE(session->update(table, as_bytes(key_of(0)), as_bytes("new")) == Status::ok);
  session->commit(read_all, &reader);
  evicting->begin();  // and through all pages, so that the one that was updated has to go
  for (std::uint64_t i = kRecords; i-- > kRecords / 10;) CHECK(read_text(*evicting, table, key_of(i)));
  evicting->commit();
  flusher_may_work = true;
  session->wait_for_acknowledgements();
  CHECK(reader.found == kRecords);
}

TEST_CASE("commit, durable and in groups: returns when it is durable") {
  GatedDatabase d(false);
  auto session =
      d.database->attach(GENERATE(CommitPolicy::durable, CommitPolicy::group, CommitPolicy::queued_group));
  std::atomic<int> acknowledged{0};
  std::atomic<bool> returned{false};
  d.gate.close();
  d.write(*session, "new");
  std::thread thread([&] {
    session->commit(count, &acknowledged);
    returned.store(true);
  });
  linger();
  CHECK_FALSE(returned.load());
  CHECK(acknowledged.load() == 0);
  d.gate.open();
  thread.join();
  CHECK(acknowledged.load() == 1);
}

TEST_CASE(
    "commit, queued_group: no commit is in the log before the group is complete, then all are durable") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.log.group_commits = 2;
  options.log.group_timeout = std::chrono::hours(1);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  const auto insert = [&](Session& session, std::string_view key) {
    session.begin();
    REQUIRE(session.insert(table, as_bytes(key), as_bytes("value")) == Status::ok);
  };
  const auto first = database->attach(CommitPolicy::queued_group);
  const auto second = database->attach(CommitPolicy::queued_group);
  insert(*first, "a");
  insert(*second, "b");
  const Lsn end = database->log().reserved();
  std::atomic<int> acknowledged{0};
  std::thread thread([&] { first->commit(count, &acknowledged); });
  linger();
  database->log().flush(end);  // as an evicted page's would
  CHECK(database->log().reserved() == end);
  CHECK(acknowledged.load() == 0);
  {
    const Killed killed(directory.path());
    CHECK(contents(*killed.open(), "t").empty());  // which is what a crash costs
  }
  second->commit(count, &acknowledged);
  thread.join();
  CHECK(acknowledged.load() == 2);
  const Killed killed(directory.path());
  CHECK(contents(*killed.open(), "t") == std::map<std::string, std::string>{{"a", "value"}, {"b", "value"}});
}

TEST_CASE("commit, queued_group: a group that stays incomplete is served when its time is up") {
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.log.group_commits = 100;
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto session = database->attach(CommitPolicy::queued_group);
      for (std::uint64_t i = 0; i < 20; ++i) {
        session->begin();
        if (session->insert(table, as_bytes(key_of(100 * t + i)), as_bytes("value")) != Status::ok) return;
        session->commit(count, &acknowledged);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(acknowledged.load() == 80);
  CHECK(contents(*database, table).size() == 80);
  CHECK(database->log().statistics().commits >= 80);
}

TEST_CASE("commit, async: is acknowledged before it returns, durable or not") {
  GatedDatabase d(false);
  auto session = d.database->attach(CommitPolicy::async);
  std::atomic<int> acknowledged{0};
  d.gate.close();
  d.write(*session, "new");
  session->commit(count, &acknowledged);
  CHECK(acknowledged.load() == 1);
}

TEST_CASE("commit without early lock release: the record is locked until the commit is durable") {
  GatedDatabase d(false);
  auto writer = d.database->attach(GENERATE(CommitPolicy::durable, CommitPolicy::pipelined));
  auto reader = d.database->attach(CommitPolicy::durable);
  d.gate.close();
  d.write(*writer, "new");
  std::thread committing([&] { writer->commit(); });
  std::atomic<bool> read{false};
  std::string value;
  std::thread reading([&] {
    reader->begin();
    value = read_text(*reader, d.table, "a").value_or("");
    read.store(true);
    reader->commit();
  });
  linger();
  CHECK_FALSE(read.load());
  d.gate.open();
  committing.join();
  reading.join();
  CHECK(value == "new");
}

TEST_CASE("commit with early lock release: who reads what is not durable yet is acknowledged after it") {
  GatedDatabase d(true);
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined);
  auto writer = d.database->attach(CommitPolicy::pipelined);
  auto reader = d.database->attach(policy);
  std::atomic<int> acknowledged{0};
  d.gate.close();
  d.write(*writer, "new");
  writer->commit();
  reader->begin();
  CHECK(read_text(*reader, d.table, "a") == "new");  // the lock is free
  std::thread committing([&] { reader->commit(count, &acknowledged); });
  linger();
  CHECK(acknowledged.load() == 0);
  d.gate.open();
  committing.join();
  reader->wait_for_acknowledgements();
  CHECK(acknowledged.load() == 1);
}

TEST_CASE("commit: who only reads what is durable does not wait for the log") {
  GatedDatabase d(GENERATE(false, true));
  auto reader = d.database->attach(GENERATE(CommitPolicy::durable, CommitPolicy::pipelined));
  auto writer = d.database->attach(CommitPolicy::pipelined);
  std::atomic<int> acknowledged{0};
  d.gate.close();
  writer->begin();
  REQUIRE(writer->insert(d.table, as_bytes("other"), as_bytes("new")) == Status::ok);
  writer->commit();
  reader->begin();
  CHECK(read_text(*reader, d.table, "a") == "old");
  reader->commit(count, &acknowledged);
  CHECK(acknowledged.load() == 1);
  d.gate.open();
}

TEST_CASE("commit: a session may have many pipelined commits on the way") {
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.early_lock_release = GENERATE(false, true);
  options.log.latency = std::chrono::microseconds(200);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  auto session = database->attach(CommitPolicy::pipelined);
  std::atomic<int> acknowledged{0};
  constexpr int kCommits = 5000;
  for (int i = 0; i < kCommits; ++i) {
    session->begin();
    REQUIRE(session->insert(table, as_bytes(key_of(static_cast<std::uint64_t>(i))), as_bytes("value")) ==
            Status::ok);
    session->commit(count, &acknowledged);
  }
  session->wait_for_acknowledgements();
  CHECK(acknowledged.load() == kCommits);
}

TEST_CASE(
    "commit: after a write error or a full disk nothing is committed, and all that was is found again") {
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::group, CommitPolicy::pipelined,
                               CommitPolicy::queued_group);
  const bool early = GENERATE(false, true);
  Faults faults;
  SECTION("a failed sync") {
    faults.sync = 40;
  }
  SECTION("a full disk") {
    faults.write = 40;
    faults.error = ENOSPC;
  }
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.early_lock_release = early;
  options.make_log_device = [&](const LogOptions& log, Lsn begin) {
    return std::make_unique<FaultyLogDevice>(make_holding_device(log, begin), faults);
  };
  std::map<std::string, std::string> acknowledged_state;
  {
    const auto database = Database::open(options);
    const TableId table = database->create_table("t", table_under_test());
    auto session = database->attach(policy);
    auto other = database->attach(policy);
    struct Written {
      std::string key;
      std::atomic<bool> acknowledged{false};
    };
    std::vector<std::unique_ptr<Written>> written;
    std::string message;
    for (int i = 0; i < 100000 && message.empty(); ++i) {
      auto& next = *written.emplace_back(std::make_unique<Written>());
      next.key = key_of(static_cast<std::uint64_t>(i));
      try {
        session->begin();
        if (session->insert(table, as_bytes(next.key), as_bytes("value")) != Status::ok) break;
        session->commit([](void* w) noexcept { static_cast<Written*>(w)->acknowledged.store(true); }, &next);
        if (i % 8 == 0) session->wait_for_acknowledgements();  // so that there are many syncs
      } catch (const std::system_error& error) {
        message = error.what();
      }
    }
    CHECK(message.find("the log has failed") != std::string::npos);
    session->wait_for_acknowledgements();
    // Nobody hangs, everybody is told; what locks hid is not passed off as committed.
    CHECK_THROWS_AS(other->begin(), std::system_error);
    CHECK_THROWS_AS(database->create_table("u"), std::system_error);
    session.reset();
    other.reset();
    CHECK_THROWS_AS(database->close(), std::system_error);
    for (const auto& w : written) {
      if (w->acknowledged.load()) acknowledged_state.emplace(w->key, "value");
    }
  }
  CHECK(acknowledged_state.size() > 10);
  const auto again = Database::open(small_database(directory.path()));
  CHECK(contents(*again, "t") == acknowledged_state);
  again->check();
}

}  // namespace muster
