#include <cerrno>
#include <map>
#include <random>
#include <string>

#include "engine/io/file_observer.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/sanitized.h"

namespace muster {
namespace {

using Model = std::map<std::string, std::string>;

DatabaseOptions lsm_database(const std::filesystem::path& directory, lsm::CompactionPolicy compaction) {
  DatabaseOptions options = small_database(directory);
  options.lsm.compaction = compaction;
  options.lsm.block_cache_bytes = 64 << 10;
  return options;
}

std::string number_of(std::uint64_t number) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  return bytes;
}
std::uint64_t number_in(const std::string& value) {
  std::uint64_t number = 0;
  for (std::size_t i = 8; i-- > 0;) number = number << 8 | static_cast<std::uint8_t>(value[i]);
  return number;
}

/// One change at random, in the session and in the model, whose answers agree.
void change_at_random(std::mt19937_64& random, Session& session, TableId table, Model& model) {
  const std::string key = key_of(random() % 2000);
  const bool exists = model.contains(key);
  const std::string value =
      number_of(random()) + std::string(random() % 200, static_cast<char>('a' + random() % 26));
  switch (random() % 8) {
    case 0:
    case 1:
    case 2:
      REQUIRE(session.insert(table, as_bytes(key), as_bytes(value)) ==
              (exists ? Status::already_exists : Status::ok));
      model.try_emplace(key, value);
      break;
    case 3:
    case 4:
      REQUIRE(session.update(table, as_bytes(key), as_bytes(value)) ==
              (exists ? Status::ok : Status::not_found));
      if (exists) model[key] = value;
      break;
    case 5:
    case 6:
      REQUIRE(session.remove(table, as_bytes(key)) == (exists ? Status::ok : Status::not_found));
      model.erase(key);
      break;
    case 7:
      REQUIRE(session.increment(table, as_bytes(key), 0, 7) == (exists ? Status::ok : Status::not_found));
      if (exists) model[key].replace(0, 8, number_of(number_in(model[key]) + 7));
  }
}

/// Some transactions, of which every fourth rolls back, some of them only a part.
void run_transactions(std::mt19937_64& random, Database& database, TableId table, Model& model,
                      int transactions) {
  const auto session = database.attach(CommitPolicy::async);
  for (int i = 0; i < transactions; ++i) {
    const Model before = model;
    session->begin();
    for (std::uint64_t n = random() % 10; n > 0; --n) change_at_random(random, *session, table, model);
    if (random() % 8 == 0) {
      const Model there = model;
      const Savepoint savepoint = session->savepoint();
      for (std::uint64_t n = random() % 10; n > 0; --n) change_at_random(random, *session, table, model);
      session->roll_back_to(savepoint);
      model = there;
    }
    if (random() % 4 == 0) {
      session->abort();
      model = before;
    } else {
      session->commit();
    }
  }
}

void compare(Database& database, TableId table, const Model& model, std::mt19937_64& random) {
  REQUIRE(contents(database, table) == model);
  const auto session = database.attach(CommitPolicy::async);
  session->begin();
  for (int i = 0; i < 50; ++i) {
    const std::string key = key_of(random() % 2000);
    const auto found = model.find(key);
    REQUIRE(read_text(*session, table, key) ==
            (found == model.end() ? std::nullopt : std::optional(found->second)));
  }
  session->commit();
}

TEST_CASE(
    "LSM database: what transactions leave agrees with a map, whatever is flushed, compacted, closed or "
    "killed") {
  const auto compaction = GENERATE(lsm::CompactionPolicy::leveled, lsm::CompactionPolicy::size_tiered);
  const int seed = GENERATE(range(1, kIsSanitized ? 2 : 3));
  CAPTURE(compaction, seed);
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const TemporaryDirectory directory;
  std::filesystem::path path = directory.path() / "0";
  auto database = Database::open(lsm_database(path, compaction));
  const TableId table = database->create_table("t", TableKind::lsm);
  Model model;
  std::uint64_t flushes = 0, compactions = 0;
  for (int round = 0; round < 12; ++round) {
    run_transactions(random, *database, table, model, 600);
    compare(*database, table, model, random);
    const lsm::LsmStatistics statistics = database->lsm_statistics();
    flushes += statistics.flushes;
    compactions += statistics.compactions;
    switch (random() % 3) {
      case 0:
        database->checkpoint();
        break;
      case 1:
        database->close();
        database.reset();
        database = Database::open(lsm_database(path, compaction));
        break;
      default: {
        // A transaction that is running when the process is killed.
        const auto session = database->attach(CommitPolicy::async);
        Model lost = model;
        session->begin();
        for (int n = 0; n < 200; ++n) change_at_random(random, *session, table, lost);
        database->log().flush(database->log().reserved());
        const std::filesystem::path copy = directory.path() / std::to_string(round + 1);
        copy_as_killed(path, copy);
        session->abort();
        path = copy;
      }
        database = Database::open(lsm_database(path, compaction));
    }
    compare(*database, table, model, random);
    database->check();
  }
  CHECK(flushes > 10);
  CHECK(compactions > 2);
}

TEST_CASE("LSM database: a catalogue names the kind of each table, and both are there again") {
  const TemporaryDirectory directory;
  {
    const auto database = Database::open(small_database(directory.path()));
    for (const TableKind kind : {TableKind::btree, TableKind::lsm}) {
      const TableId table = database->create_table(name_of(kind), kind);
      const auto session = database->attach(CommitPolicy::durable);
      session->begin();
      CHECK(session->insert(table, as_bytes("key"), as_bytes(std::string(name_of(kind)))) == Status::ok);
      session->commit();
    }
  }
  CHECK(std::filesystem::is_directory(directory.path() / "2.lsm"));
  const auto database = Database::open(small_database(directory.path()));
  CHECK(contents(*database, "btree") == Model{{"key", "btree"}});
  CHECK(contents(*database, "lsm") == Model{{"key", "lsm"}});
}

/// The catalogue is not replaced.
class KeptCatalogue final : public FileObserver {
 public:
  KeptCatalogue() { observe_files(this); }
  ~KeptCatalogue() override { observe_files(nullptr); }
  FileVerdict before(const FileOperation& operation) override {
    const bool replaces =
        operation.kind == FileOperation::Kind::rename && operation.target->filename() == "catalogue";
    return {.error = replaces ? EIO : 0};
  }
  void after(const FileOperation&, std::int64_t) override {}
};

TEST_CASE("LSM database: a table whose creation fails is none, and checkpoints go on") {
  const TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  {
    const KeptCatalogue kept;
    CHECK_THROWS_AS(database->create_table("t", TableKind::lsm), std::system_error);
  }
  database->checkpoint();
  CHECK(database->lsm_statistics().flushes == 0);
  const TableId table = database->create_table("t", TableKind::lsm);
  const auto session = database->attach(CommitPolicy::durable);
  session->begin();
  CHECK(session->insert(table, as_bytes("key"), as_bytes("1")) == Status::ok);
  session->commit();
  CHECK(contents(*database, table) == Model{{"key", "1"}});
}

TEST_CASE("LSM database: a table whose directory is gone, or whose creation was cut off, is told apart") {
  const TemporaryDirectory directory;
  Database::open(small_database(directory.path()))->create_table("t", TableKind::lsm);
  std::filesystem::create_directory(directory.path() / "7.lsm");
  CHECK(Database::open(small_database(directory.path())) != nullptr);
  CHECK(!std::filesystem::exists(directory.path() / "7.lsm"));
  std::filesystem::remove_all(directory.path() / "1.lsm");
  CHECK_THROWS_AS(Database::open(small_database(directory.path())), DamageError);
}

}  // namespace
}  // namespace muster
