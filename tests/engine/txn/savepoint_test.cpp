#include "engine/io/faulty_log_device.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;
using Contents = std::map<std::string, std::string>;

/// Records a, b and c, committed, and a session; the log in files.
struct Fixture {
  explicit Fixture(BeginRecord begin_record = BeginRecord::lazy) {
    DatabaseOptions options = small_database(directory.path());
    options.begin_record = begin_record;
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    session = database->attach(kDurable);
    session->begin();
    for (const char* key : {"a", "b", "c"}) insert(key, "old");
    session->commit();
  }
  void insert(const std::string& key, const std::string& value) {
    REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
  }
  void update(const std::string& key, const std::string& value) {
    REQUIRE(session->update(table, as_bytes(key), as_bytes(value)) == Status::ok);
  }
  void remove(const std::string& key) { REQUIRE(session->remove(table, as_bytes(key)) == Status::ok); }
  /// One change of each kind.
  void change(const std::string& value) {
    update("a", value);
    remove("b");
    insert("n" + value, value);
    update("n" + value, value + value);
  }
  void flush_log() { database->log().flush(database->log().reserved()); }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  std::unique_ptr<Session> session;
};

const Contents kOld{{"a", "old"}, {"b", "old"}, {"c", "old"}};

}  // namespace

TEST_CASE("savepoint: what was changed behind it is taken back, and what before it stays") {
  Fixture f(GENERATE(BeginRecord::lazy, BeginRecord::eager, BeginRecord::elided));
  f.session->begin();
  f.update("c", "kept");
  f.insert("d", "kept");
  const Savepoint savepoint = f.session->savepoint();
  for (int time = 0; time < 2; ++time) {
    f.change("x");
    f.update("c", "gone");
    f.remove("d");
    f.session->roll_back_to(savepoint);
    const Contents kept{{"a", "old"}, {"b", "old"}, {"c", "kept"}, {"d", "kept"}};
    CHECK(scan_all(*f.session, f.table) == kept);
  }
  f.update("a", "new");
  const bool commits = GENERATE(false, true);
  commits ? static_cast<void>(f.session->commit()) : f.session->abort();
  CHECK(contents(*f.database, f.table) ==
        (commits ? Contents{{"a", "new"}, {"b", "old"}, {"c", "kept"}, {"d", "kept"}} : kOld));
  f.session.reset();
  f.database->check();
}

TEST_CASE("savepoint: one at the beginning takes everything back, and the transaction goes on") {
  Fixture f;
  f.session->begin();
  const Savepoint beginning = f.session->savepoint();
  f.session->roll_back_to(beginning);
  f.change("x");
  f.session->roll_back_to(beginning);
  CHECK(scan_all(*f.session, f.table) == kOld);
  f.session->commit();
  CHECK(contents(*f.database, f.table) == kOld);
}

TEST_CASE("savepoint: locks that were taken behind it stay") {
  Fixture f;
  const auto other = f.database->attach(kDurable);
  f.session->begin();
  const Savepoint savepoint = f.session->savepoint();
  f.update("a", "x");
  f.session->roll_back_to(savepoint);
  other->begin_without_waiting();
  CHECK(other->update(f.table, as_bytes("a"), as_bytes("theirs")) == Status::deadlock);
  f.session->commit();
  other->begin_without_waiting();
  CHECK(other->update(f.table, as_bytes("a"), as_bytes("theirs")) == Status::ok);
  other->commit();
}

TEST_CASE("savepoint: they nest") {
  Fixture f;
  f.session->begin();
  f.update("a", "1");
  const Savepoint outer = f.session->savepoint();
  f.update("a", "2");
  const Savepoint inner = f.session->savepoint();
  f.update("a", "3");
  f.session->roll_back_to(inner);
  CHECK(read_text(*f.session, f.table, "a") == "2");
  f.update("a", "4");
  f.session->roll_back_to(inner);
  CHECK(read_text(*f.session, f.table, "a") == "2");
  f.session->roll_back_to(outer);
  CHECK(read_text(*f.session, f.table, "a") == "1");
  CHECK_THROWS_AS(f.session->roll_back_to(inner), std::logic_error);
  f.session->commit();
  CHECK(contents(*f.database, f.table).at("a") == "1");
}

TEST_CASE("savepoint: one of another transaction is refused") {
  Fixture f;
  CHECK_THROWS_AS(f.session->savepoint(), std::logic_error);
  f.session->begin();
  const Savepoint old = f.session->savepoint();
  f.session->commit();
  CHECK_THROWS_AS(f.session->roll_back_to(old), std::logic_error);
  f.session->begin();
  f.update("a", "x");
  CHECK_THROWS_AS(f.session->roll_back_to(old), std::logic_error);
  f.session->commit();
  CHECK(contents(*f.database, f.table).at("a") == "x");
}

TEST_CASE(
    "savepoint: after a crash a partial rollback stands, and what was taken back is not taken back twice") {
  Fixture f(GENERATE(BeginRecord::lazy, BeginRecord::eager));
  f.session->begin();
  f.update("c", "1");
  const Savepoint first = f.session->savepoint();
  f.change("x");
  const Savepoint second = f.session->savepoint();
  f.update("a", "y");
  f.insert("b", "y");
  f.remove("nx");
  f.session->roll_back_to(second);
  f.update("c", "2");
  f.session->roll_back_to(first);
  f.update("c", "3");
  f.insert("z", "z");
  Contents expected = kOld;
  const int end = GENERATE(0, 1, 2);
  if (end == 1) {
    f.session->commit();
    expected["c"] = "3";
    expected["z"] = "z";
  } else if (end == 2) {
    f.session->abort();
  }
  f.flush_log();
  if (GENERATE(false, true)) f.database->checkpoint();
  const Killed killed(f.directory.path());
  const auto database = killed.open();
  CHECK(contents(*database, "t") == expected);
  database->check();
}

TEST_CASE(
    "savepoint: a restart that is cut off in a transaction with a partial rollback is made good by the "
    "next") {
  Fixture f;
  f.session->begin();
  f.update("c", "1");
  const Savepoint savepoint = f.session->savepoint();
  f.change("x");
  f.session->roll_back_to(savepoint);
  f.update("c", "2");
  f.insert("z", "z");
  f.remove("a");
  f.flush_log();
  const Killed killed(f.directory.path());
  // Undo's records reach the log up to a byte, further each time.
  bool finished = false;
  for (std::uint64_t bytes = 0; !finished; bytes += 60) {
    CAPTURE(bytes);
    const Killed again(killed.path());
    DatabaseOptions options = again.options();
    options.make_log_device = [&](const LogOptions& log, Lsn begin) {
      return std::make_unique<FaultyLogDevice>(
          std::make_unique<FileLogDevice>(lock_log(log.directory), begin, log.segment_bytes),
          Faults{.write = 1, .write_bytes = bytes});
    };
    try {
      Database::open(options);
      finished = true;
    } catch (const std::system_error&) {}
    const auto database = again.open();
    CHECK(contents(*database, "t") == kOld);
    database->check();
    finished = finished || bytes > 2000;
  }
}

}  // namespace muster
