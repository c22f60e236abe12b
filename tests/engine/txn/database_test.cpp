#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "engine/catalogue.h"
#include "engine/io/segments.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

void fill(Database& database, TableId table, int records) {
  const auto session = database.attach(CommitPolicy::durable);
  session->begin();
  for (int i = 0; i < records; ++i) {
    const std::string key = key_of(static_cast<std::uint64_t>(i));
    REQUIRE(session->insert(table, as_bytes(key), as_bytes("value")) == Status::ok);
  }
  session->commit();
}

std::string refusal(const DatabaseOptions& options) {
  try {
    Database::open(options);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("Database: tables and their content outlive closing") {
  TemporaryDirectory directory;
  TableId a = 0;
  {
    const auto database = Database::open(small_database(directory.path()));
    a = database->create_table("a", table_under_test());
    const TableId b = database->create_table("b", table_under_test());
    CHECK(a != b);
    fill(*database, a, 1000);
    database->close();
  }
  CHECK(Master::read(directory.path() / "master").clean);
  const auto database = Database::open(small_database(directory.path()));
  CHECK_FALSE(Master::read(directory.path() / "master").clean);
  CHECK(database->find_table("a") == a);
  CHECK_FALSE(database->find_table("c"));
  CHECK(contents(*database, "a").size() == 1000);
  CHECK(contents(*database, "b").empty());
  CHECK(list_segments(directory.path() / "log").size() <= 2);
  database->check();
}

TEST_CASE("Database: works with every safe algorithm, and each refuses nothing another wrote") {
  TemporaryDirectory directory;
  int records = 0;
  for (const std::string& algorithm : safe_algorithms()) {
    DatabaseOptions options = small_database(directory.path());
    options.algorithm = algorithm;
    const auto database = Database::open(options);
    const auto found = database->find_table("t");
    const TableId table = found ? *found : database->create_table("t", table_under_test());
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    for (int i = 0; i < 100; ++i) {
      REQUIRE(session->insert(table, as_bytes(key_of(static_cast<std::uint64_t>(records++))),
                              as_bytes("value")) == Status::ok);
    }
    session->commit();
  }
  const auto database = Database::open(small_database(directory.path()));
  CHECK(contents(*database, "t").size() == static_cast<std::size_t>(records));
}

TEST_CASE("Database: an algorithm that no engine may trust is refused in one line, and nothing is created") {
  TemporaryDirectory directory;
  for (const AlgorithmInfo& info : algorithms()) {
    if (!info.unsafe && !info.stalls_on_idle) continue;
    DatabaseOptions options = small_database(directory.path() / "none");
    options.algorithm = info.name;
    const std::string message = refusal(options);
    INFO(message);
    CHECK(message.find(info.name) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(directory.path() / "none"));
}

TEST_CASE("Database: options out of range are refused and nothing is created") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path() / "none");
  SECTION("ring not a power of two") {
    options.log_buffer.capacity = 100000;
  }
  SECTION("ring too small for a structure record") {
    options.log_buffer.capacity = 4096;
  }
  SECTION("unknown device") {
    options.log.device = "tape";
  }
  SECTION("segments of no size") {
    options.log.segment_bytes = 0;
  }
  SECTION("too few frames") {
    options.frames = 1;
  }
  SECTION("no directory") {
    options.directory.clear();
  }
  CHECK_FALSE(refusal(options).empty());
  CHECK_FALSE(std::filesystem::exists(directory.path() / "none"));
}

TEST_CASE("Database: too few frames for the sessions are refused when it opens, and the fewest do") {
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.log_buffer.max_workers = 16;
  options.frames = 63;
  CHECK(refusal(options) ==
        "engine.frames = 63: want 64 at least, 4 for each of 16 workers (log_buffer.max_workers)");
  options.frames = 64;
  const auto database = Database::open(options);
  std::vector<std::thread> threads;
  std::atomic<int> failed{0};
  for (int thread = 0; thread < 16; ++thread) {
    const TableId table = database->create_table(std::to_string(thread), table_under_test());
    threads.emplace_back([&, table] {
      try {
        const auto session = database->attach(CommitPolicy::async);
        const std::string value(900, 'v');
        for (int round = 0; round < 4; ++round) {  // grows by splits, and shrinks again by merges
          session->begin();
          for (std::uint64_t i = 0; i < 200; ++i) {
            failed += session->insert(table, as_bytes(key_of(i)), as_bytes(value)) == Status::ok ? 0 : 1;
          }
          session->abort();
        }
      } catch (const std::exception&) {
        ++failed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  database->check();
}

TEST_CASE("Database: an unknown algorithm is refused with the known ones") {
  TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path() / "none");
  options.algorithm = "magic";
  CHECK_THROWS_WITH(Database::open(options), Catch::Matchers::Contains("border_collie"));
}

TEST_CASE("Database: a second one on the same directory is refused, also from another process") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  CHECK(refusal(small_database(directory.path())).find("engine.directory") == 0);
  const pid_t child = fork();
  if (child == 0) _exit(refusal(small_database(directory.path())).find("engine.directory") == 0 ? 0 : 1);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("Database: a directory that cannot be written is reported with its name") {
  TemporaryDirectory directory;
  const auto file = directory.path() / "file";
  File::open(file, O_CREAT | O_WRONLY);
  CHECK_THROWS_WITH(Database::open(small_database(file / "database")),
                    Catch::Matchers::Contains(file.string()));
}

TEST_CASE("Database: a table needs a name that is not taken") {
  TemporaryDirectory directory;
  const auto database = Database::open(memory_database(directory.path()));
  database->create_table("t", table_under_test());
  CHECK_THROWS_AS(database->create_table("t"), ConfigError);
  CHECK_THROWS_AS(database->create_table(""), ConfigError);
  for (TableId id = 2; id < BufferManager::kMaxTables; ++id) database->create_table(std::to_string(id));
  CHECK_THROWS_AS(database->create_table("one too many"), ConfigError);
}

TEST_CASE("Database: a created table is there after a kill") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  database->create_table("t", table_under_test());
  const Killed killed(directory.path());
  const auto again = killed.open();
  CHECK(contents(*again, "t").empty());
  again->check();
}

TEST_CASE("Database: with the memory device nothing outlives it, and pages are evicted all the same") {
  TemporaryDirectory directory;
  {
    const auto database = Database::open(memory_database(directory.path()));
    const TableId table = database->create_table("t");
    fill(*database, table, 20000);
    CHECK(database->buffer_statistics().evictions > 0);
    CHECK(contents(*database, table).size() == 20000);
    database->close();
  }
  const auto database = Database::open(memory_database(directory.path()));
  CHECK_FALSE(database->find_table("t"));
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    CHECK(entry.path().filename() == "lock");
  }
}

TEST_CASE(
    "Database: more sessions than the log buffer has workers are refused; a table can be made all the same") {
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.log_buffer.max_workers = 2;
  const auto database = Database::open(options);
  const auto a = database->attach(CommitPolicy::durable);
  const auto b = database->attach(CommitPolicy::durable);
  CHECK_NOTHROW(database->create_table("t", table_under_test()));
  CHECK_THROWS_AS(database->attach(CommitPolicy::durable), std::runtime_error);
}

TEST_CASE("Database: is not closed under a session") {
  TemporaryDirectory directory;
  const auto database = Database::open(memory_database(directory.path()));
  auto session = database->attach(CommitPolicy::durable);
  CHECK_THROWS_AS(database->close(), std::logic_error);
  session.reset();
  CHECK_NOTHROW(database->close());
}

TEST_CASE("Database: a close that failed is reported by every later one") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  fill(*database, database->create_table("t"), 100);
  {
    const Judge full([&](const FileOperation& operation) {
      const bool table = operation.path.extension() == ".table";
      return FileVerdict{.error = table && operation.kind == FileOperation::Kind::sync ? EIO : 0};
    });
    CHECK_THROWS_AS(database->close(), std::system_error);
  }
  CHECK_THROWS_AS(database->close(), std::system_error);
  CHECK_FALSE(Master::read(directory.path() / "master").clean);
}

TEST_CASE("Database: nothing is begun behind close()") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  database->create_table("t", table_under_test());
  database->close();
  CHECK_NOTHROW(database->close());
  CHECK_THROWS_AS(database->attach(CommitPolicy::durable), std::logic_error);
  CHECK_THROWS_AS(database->create_table("u"), std::logic_error);
  CHECK(Master::read(directory.path() / "master").clean);
}

TEST_CASE("Database: a session that outlives it is refused everything, and takes back what it had begun") {
  TemporaryDirectory directory;
  const bool begun = GENERATE(false, true);
  auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  fill(*database, table, 100);
  auto session = database->attach(CommitPolicy::durable);
  if (begun) {
    session->begin();
    REQUIRE(session->insert(table, as_bytes("late"), as_bytes("value")) == Status::ok);
  }
  database.reset();
  if (begun) {
    CHECK_THROWS_AS(session->commit(), std::logic_error);
  } else {
    CHECK_THROWS_AS(session->begin(), std::logic_error);
  }
  CHECK(refusal(small_database(directory.path())).find("engine.directory") == 0);
  session.reset();
  database = Database::open(small_database(directory.path()));
  CHECK(contents(*database, table).size() == 100);
}

TEST_CASE("Database: a table's name that is not UTF-8 is refused, and costs nothing") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const Lsn before = database->log().reserved();
  for (int i = 0; i < 300; ++i) CHECK_THROWS_AS(database->create_table("t\xff"), ConfigError);
  CHECK_THROWS_WITH(database->create_table("t\xff"), "table = t\\xff: want a name in UTF-8");
  CHECK(database->log().reserved() == before);
  CHECK(database->create_table("t\u00e4") == 1);
}

TEST_CASE("Database: an interrupted creation is made good, but files without a master are not touched") {
  TemporaryDirectory directory;
  Catalogue().write(directory.path() / "catalogue");
  Database::open(small_database(directory.path()))->create_table("t", table_under_test());
  std::filesystem::remove(directory.path() / "master");
  CHECK_THROWS_AS(Database::open(small_database(directory.path())), DamageError);
  CHECK_FALSE(std::filesystem::exists(directory.path() / "master"));
}

}  // namespace muster
