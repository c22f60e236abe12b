#include <atomic>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;

/// Records a to e with the value 1, under read_committed in the way of locks.
struct Fixture {
  Fixture() {
    DatabaseOptions options = memory_database(directory.path());
    options.read_committed = ReadCommitted::locks;
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    reader = attach();
    writer = attach();
    writer->begin();
    for (const char* key : {"a", "b", "c", "d", "e"})
      REQUIRE(writer->insert(table, as_bytes(key), as_bytes("1")) == Status::ok);
    writer->commit();
  }
  std::unique_ptr<Session> attach(Isolation level = Isolation::read_committed) {
    return database->attach(kDurable, level);
  }
  Status update(Session& session, const char* key, const char* value) const {
    return session.update(table, as_bytes(key), as_bytes(value));
  }
  /// In a transaction of its own, which waits for nothing.
  Status update_alone(const char* key, const char* value) const {
    writer->begin_without_waiting();
    const Status status = update(*writer, key, value);
    if (!was_rolled_back(status)) writer->commit();
    return status;
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  std::unique_ptr<Session> reader, writer;
};

}  // namespace

TEST_CASE("read committed, locks: what was read may change before the transaction ends, and is read anew") {
  Fixture f;
  f.reader->begin();
  CHECK(read_text(*f.reader, f.table, "a") == "1");
  CHECK(read_text(*f.reader, f.table, "b") == "1");
  CHECK(f.update_alone("a", "2") == Status::ok);
  CHECK(read_text(*f.reader, f.table, "a") == "2");
  f.reader->commit();
}

TEST_CASE("read committed, locks: a reader waits for what is not committed") {
  Fixture f;
  f.writer->begin();
  REQUIRE(f.update(*f.writer, "b", "2") == Status::ok);
  std::vector<std::byte> value;
  f.reader->begin_without_waiting();
  CHECK(f.reader->read(f.table, as_bytes("b"), value) == Status::deadlock);
  f.reader->begin_without_waiting();
  CHECK(f.reader->scan(f.table, {}, [](Bytes, Bytes) { return true; }) == Status::deadlock);

  std::atomic<bool> done{false};
  std::map<std::string, std::string> seen;
  std::thread scanning([&] {
    f.reader->begin();
    seen = scan_all(*f.reader, f.table);
    f.reader->commit();
    done.store(true);
  });
  CHECK(comes_true([&] { return f.reader->waits(); }));
  CHECK_FALSE(done.load());
  const bool commits = GENERATE(false, true);
  commits ? static_cast<void>(f.writer->commit()) : f.writer->abort();
  scanning.join();
  CHECK(seen.at("b") == (commits ? "2" : "1"));
  CHECK(seen.size() == 5);
}

TEST_CASE("read committed, locks: what was written stays locked, also when it is read again") {
  Fixture f;
  f.reader->begin();
  REQUIRE(f.update(*f.reader, "a", "mine") == Status::ok);
  std::vector<std::byte> value;
  REQUIRE(f.reader->read_for_update(f.table, as_bytes("b"), value) == Status::ok);
  CHECK(read_text(*f.reader, f.table, "a") == "mine");
  CHECK(read_text(*f.reader, f.table, "b") == "1");
  CHECK(scan_all(*f.reader, f.table).at("a") == "mine");
  CHECK(f.update_alone("a", "theirs") == Status::deadlock);
  CHECK(f.update_alone("b", "theirs") == Status::deadlock);
  CHECK(f.update_alone("c", "theirs") == Status::ok);
  f.reader->commit();
  CHECK(f.update_alone("a", "theirs") == Status::ok);
}

TEST_CASE("read committed, locks: a scan keeps neither records nor gaps") {
  Fixture f;
  f.reader->begin();
  std::vector<std::string> keys;
  REQUIRE(f.reader->scan(f.table, {}, [&](Bytes key, Bytes) {
    keys.push_back(as_text(key));
    // While the scan stands here, not even this record is locked.
    CHECK(f.update_alone(keys.back().c_str(), "2") == Status::ok);
    return true;
  }) == Status::ok);
  CHECK(keys == std::vector<std::string>{"a", "b", "c", "d", "e"});
  f.writer->begin_without_waiting();
  CHECK(f.writer->insert(f.table, as_bytes("bb"), as_bytes("2")) == Status::ok);
  CHECK(f.writer->insert(f.table, as_bytes("z"), as_bytes("2")) == Status::ok);
  CHECK(f.writer->remove(f.table, as_bytes("c")) == Status::ok);
  f.writer->commit();
  CHECK(scan_all(*f.reader, f.table).size() == 6);
  f.reader->commit();
}

TEST_CASE("read committed, locks: its insertions wait for the scans of serializable transactions beside it") {
  Fixture f;
  const auto serializable = f.attach(Isolation::two_phase_locking);
  serializable->begin();
  CHECK(scan_all(*serializable, f.table).size() == 5);
  f.writer->begin_without_waiting();
  CHECK(f.writer->insert(f.table, as_bytes("bb"), as_bytes("2")) == Status::deadlock);
  CHECK(f.update_alone("a", "2") == Status::deadlock);
  f.reader->begin_without_waiting();
  CHECK(scan_all(*f.reader, f.table).size() == 5);
  f.reader->commit();
  serializable->commit();
  CHECK(f.update_alone("a", "2") == Status::ok);
}

TEST_CASE(
    "read committed, locks: with early lock release what was seen is durable before it is acknowledged") {
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.read_committed = ReadCommitted::locks;
  options.early_lock_release = true;
  options.log.latency = std::chrono::milliseconds(30);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  const auto writer = database->attach(CommitPolicy::pipelined, Isolation::read_committed);
  const auto reader = database->attach(kDurable, Isolation::read_committed);
  writer->begin();
  REQUIRE(writer->insert(table, as_bytes("a"), as_bytes("1")) == Status::ok);
  writer->commit();
  const Lsn written = database->log().reserved();
  reader->begin();
  CHECK(read_text(*reader, table, "a") == "1");
  reader->commit();
  CHECK(database->log().durable() >= written);
}

}  // namespace muster
