#include <atomic>
#include <thread>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "engine/error.h"
#include "engine/io/segments.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

// Checkpoints beside running transactions: what was committed before or after one survives a kill, what was running is
// taken back, and the log below goes.

namespace muster {
namespace {

using Contents = std::map<std::string, std::string>;

void put(Session& session, TableId table, const std::string& key, const std::string& value) {
  const Status status = session.insert(table, as_bytes(key), as_bytes(value));
  if (status == Status::already_exists) {
    REQUIRE(session.update(table, as_bytes(key), as_bytes(value)) == Status::ok);
  } else {
    REQUIRE(status == Status::ok);
  }
}

/// Commits as much as fills some segments, all over the tree.
void fill(Database& database, TableId table, Contents& committed, char letter) {
  const auto session = database.attach(CommitPolicy::async);
  for (int i = 0; i < 4000; ++i) {
    const std::string key = key_of(static_cast<std::uint64_t>(i * 7919 % 2000));
    const std::string value(150, letter);
    session->begin();
    put(*session, table, key, value);
    session->commit();
    committed[key] = value;
  }
}

std::size_t segments(const TemporaryDirectory& directory) {
  return list_segments(directory.path() / "log").size();
}

void check_survivor(const TemporaryDirectory& directory, const Contents& committed) {
  const Killed killed(directory.path());
  const auto database = killed.open();
  CHECK(contents(*database, "t") == committed);
  database->check();
}

}  // namespace

TEST_CASE("checkpoint: the log below goes, and what was committed on both sides of it survives a kill") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  Contents committed;
  fill(*database, table, committed, 'a');
  const std::size_t before = segments(directory);
  database->checkpoint();
  CHECK(segments(directory) < before);
  CHECK(database->log_begin() == database->log().reserved());
  check_survivor(directory, committed);
  fill(*database, table, committed, 'b');
  database->log().flush(database->log().reserved());
  check_survivor(directory, committed);
}

TEST_CASE("checkpoint: what was running beside it is taken back, though pages with it are in the files") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  Contents committed;
  fill(*database, table, committed, 'a');
  const auto running = database->attach(CommitPolicy::durable);
  running->begin();
  for (std::uint64_t i = 5000; i < 5400; ++i) put(*running, table, key_of(i), std::string(150, 'r'));
  const Lsn from = database->log().reserved();
  fill(*database, table, committed, 'b');
  database->checkpoint();
  CHECK(database->log_begin() < from);
  check_survivor(directory, committed);
  put(*running, table, key_of(6000), "later");
  fill(*database, table, committed, 'c');
  database->log().flush(database->log().reserved());
  check_survivor(directory, committed);
  running->abort();
  database->checkpoint();
  check_survivor(directory, committed);
}

TEST_CASE(
    "checkpoint: a transaction that ended before it may have its begin record below the log's new begin") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  const auto first = database->attach(CommitPolicy::durable);
  const auto second = database->attach(CommitPolicy::durable);
  first->begin();
  put(*first, table, "a", "1");
  second->begin();
  put(*second, table, "b", "2");
  put(*first, table, "c", "3");
  const bool commits = GENERATE(true, false);
  if (commits) {
    CHECK(first->commit());
  } else {
    first->abort();
  }
  database->checkpoint();
  const auto ended = commits ? Contents{{"a", "1"}, {"c", "3"}} : Contents{};
  check_survivor(directory,
                 ended);  // `second` is undone; of `first` only what stands above its begin is read
  second->commit();
  Contents both{{"b", "2"}};
  both.insert(ended.begin(), ended.end());
  check_survivor(directory, both);
}

TEST_CASE("checkpoint: while sessions commit and roll back nothing committed is lost") {
  constexpr std::uint64_t kWorkers = 3;
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  std::vector<Contents> committed(kWorkers);
  std::atomic<bool> stop = false;  // relaxed: a sign
  std::vector<std::thread> workers;
  for (std::uint64_t worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      const auto session = database->attach(worker == 0 ? CommitPolicy::durable : CommitPolicy::pipelined);
      Contents& mine = committed[worker];
      for (std::uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
        Contents changes;
        session->begin();
        for (std::uint64_t n = 0; n < 1 + i % 5; ++n) {
          const std::string key = key_of(worker + kWorkers * ((i * 31 + n * 17) % 500));
          std::string& value = changes[key];
          value.assign(100, 'x');
          value += std::to_string(i);
          Status status = session->insert(table, as_bytes(key), as_bytes(value));
          if (status == Status::already_exists)
            status = session->update(table, as_bytes(key), as_bytes(value));
          if (status != Status::ok) throw std::logic_error(key);
        }
        if (i % 4 == 3) {
          session->abort();
        } else {
          session->commit();
          for (const auto& [key, value] : changes) mine[key] = value;
        }
      }
      session->wait_for_acknowledgements();
    });
  }
  for (int i = 0; i < 20; ++i) {
    const Lsn end = database->log().reserved();
    for (Backoff backoff; database->log().reserved() < end + 20'000; backoff.pause()) {}
    database->checkpoint();
  }
  stop.store(true, std::memory_order_relaxed);
  for (std::thread& worker : workers) worker.join();
  Contents all;
  for (const Contents& some : committed) all.insert(some.begin(), some.end());
  check_survivor(directory, all);
}

TEST_CASE("checkpoint: a thread takes them as the log grows, so that a long run has a short log") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.checkpoint_bytes = options.log.segment_bytes;
  auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  Contents committed;
  Lsn begin = database->log_begin();
  for (int taken = 0; taken < 4; ++taken) {
    fill(*database, table, committed, static_cast<char>('a' + taken));
    for (Backoff backoff; database->log_begin() == begin; backoff.pause()) {}
    begin = database->log_begin();
  }
  REQUIRE(begin > kFirstLsn + 4 * options.checkpoint_bytes);  // so much would be there without checkpoints
  database->checkpoint();
  CHECK(segments(directory) <= 3);  // the one that is written, and what is prepared behind it
  database.reset();
  database = Database::open(options);
  CHECK(contents(*database, "t") == committed);
}

TEST_CASE("checkpoint: a thread takes one when it is time, however little the log has grown") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.checkpoint_bytes = 0;
  options.checkpoint_time = std::chrono::milliseconds(1);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  const auto session = database->attach(CommitPolicy::async);
  for (int taken = 0; taken < 3; ++taken) {
    session->begin();
    put(*session, table, "key", std::to_string(taken));
    session->commit();
    const Lsn end = database->log().reserved();
    for (Backoff backoff; database->log_begin() < end; backoff.pause()) {}
  }
  session->begin();
  put(*session, table, "key", "open");
  check_survivor(directory, {{"key", "2"}});
}

TEST_CASE("checkpoint: none is taken while the log is kept") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.checkpoint_time = std::chrono::milliseconds(1);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  auto kept = database->keep_log();
  const Lsn begin = database->log_begin();
  const auto session = database->attach(CommitPolicy::async);
  session->begin();
  put(*session, table, "key", "0");
  session->commit();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // some are due
  CHECK(database->log_begin() == begin);
  kept.unlock();
  for (Backoff backoff; database->log_begin() == begin; backoff.pause()) {}
}

TEST_CASE("checkpoint: an interval below a segment, which could give nothing back, is refused") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.checkpoint_bytes = options.log.segment_bytes - 1;
  CHECK_THROWS_WITH(Database::open(options), Catch::Matchers::Contains("engine.checkpoint_bytes") &&
                                                 Catch::Matchers::Contains("log.segment_bytes"));
  options.checkpoint_bytes = 0;
  CHECK_NOTHROW(Database::open(options));
}

}  // namespace muster
