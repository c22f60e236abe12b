#include <fcntl.h>

#include "engine/io/segments.h"
#include "engine/log/log_reader.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

using Catch::Matchers::Contains;
namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

/// What an opening throws as DamageError; empty: it opens.
std::string damage_of(const fs::path& directory) {
  try {
    Database::open(small_database(directory));
  } catch (const DamageError& error) {
    return error.what();
  }
  return "";
}

/// A database with one LSM table "t". Each put is a transaction; flush_log() makes them durable.
class Filled {
 public:
  explicit Filled(DatabaseOptions options) : database_(Database::open(options)) {
    table_ = database_->create_table("t", TableKind::lsm);
    session_ = database_->attach(CommitPolicy::async);
  }
  void put(std::uint64_t number, std::size_t bytes) {
    const std::string key = key_of(number), value(bytes, static_cast<char>('a' + number % 26));
    session_->begin();
    if (session_->insert(table_, as_bytes(key), as_bytes(value)) != Status::ok) throw std::runtime_error(key);
    session_->commit();
    content_[key] = value;
  }
  void flush_log() { database_->log().flush(database_->log().reserved()); }
  Database& database() { return *database_; }
  const Contents& content() const { return content_; }

 private:
  std::unique_ptr<Database> database_;
  TableId table_ = 0;
  std::unique_ptr<Session> session_;
  Contents content_;
};

void overwrite(const fs::path& path, std::uint64_t offset, Bytes bytes) {
  File::open(path, O_RDWR).write_at(offset, bytes);
}

/// Overwrites some bytes of the log.
void spoil_log(const fs::path& directory, Lsn lsn) {
  for (const Segment& segment : list_segments(directory)) {
    if (segment.first <= lsn && lsn < segment.end())
      overwrite(segment.path, kSegmentHeaderBytes + (lsn - segment.first), as_bytes("junk"));
  }
}

std::vector<Lsn> records_of(const fs::path& log) {
  return read_log(log).lsns;
}

TEST_CASE("LSM recovery: a log of many segments is redone through many memtables") {
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.log.segment_bytes = 64 << 10;
  options.checkpoint_bytes = 0;
  options.lsm.memtable_bytes = 16 << 20;  // nothing is flushed before the kill
  Filled filled(options);
  for (std::uint64_t i = 0; i < 4000; ++i) filled.put(i * 7919 % 4000, 300 + i % 300);
  filled.flush_log();
  REQUIRE(filled.database().lsm_statistics().flushes == 0);
  const Killed killed(directory.path());
  CHECK(list_segments(killed.path() / "log").size() > 20);
  const auto database = killed.open();  // with small memtables
  CHECK(database->lsm_statistics().flushes > 10);
  CHECK(contents(*database, "t") == filled.content());
}

TEST_CASE("LSM recovery: the end of the log that a crash has torn is its end, and the rest is there") {
  const TemporaryDirectory directory;
  Filled filled(small_database(directory.path()));
  for (std::uint64_t i = 0; i < 50; ++i) filled.put(i, 100);
  const Contents before = filled.content();
  filled.put(50, 100);
  filled.flush_log();
  const Killed killed(directory.path());
  const std::vector<Lsn> records = records_of(killed.path() / "log");
  spoil_log(killed.path() / "log", records.back() + 8);  // the last commit record
  CHECK(contents(*killed.open(), "t") == before);
}

TEST_CASE("LSM recovery: damage in the middle of the log is reported with its LSN, and nothing changes") {
  const TemporaryDirectory directory;
  Filled filled(small_database(directory.path()));
  for (std::uint64_t i = 0; i < 50; ++i) {
    filled.put(i, 100);
    filled.flush_log();  // later records know this one to be durable
  }
  const Killed killed(directory.path());
  const std::vector<Lsn> records = records_of(killed.path() / "log");
  const Lsn middle = records[records.size() / 2];
  spoil_log(killed.path() / "log", middle + 8);
  const auto before = times_of(killed.path() / "log");
  CHECK_THAT(damage_of(killed.path()), Contains("LSN " + std::to_string(middle)));
  CHECK(times_of(killed.path() / "log") == before);
}

TEST_CASE("LSM recovery: a manifest that is missing or damaged is refused with its file and offset") {
  const TemporaryDirectory directory;
  Filled filled(small_database(directory.path()));
  for (std::uint64_t i = 0; i < 1000; ++i) filled.put(i, 500);
  filled.database().checkpoint();
  REQUIRE(filled.database().lsm_statistics().files > 0);
  const Killed killed(directory.path());
  const fs::path manifest = killed.path() / "1.lsm" / "MANIFEST";
  std::string want = manifest.string() + " at byte 16:";
  SECTION("missing") {
    fs::remove(manifest);
    want = "MANIFEST: missing";
  }
  SECTION("not a manifest") {
    overwrite(manifest, 0, as_bytes("junk"));
    want = manifest.string() + " at byte 0:";
  }
  SECTION("damaged in its first record") {
    overwrite(manifest, 24, as_bytes("junk"));
  }
  SECTION("cut off in its first record") {
    fs::resize_file(manifest, 20);
  }
  const auto before = times_of(killed.path() / "1.lsm");
  CHECK_THAT(damage_of(killed.path()), Contains(want));
  CHECK(times_of(killed.path() / "1.lsm") == before);
}

TEST_CASE(
    "LSM recovery: a table file that is damaged is named with the offset, and what others hold is read") {
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path());
  options.lsm.memtable_bytes = 16 << 20;  // a file at each checkpoint
  Filled filled(options);
  for (std::uint64_t i = 0; i < 100; ++i) filled.put(i, 500);
  filled.database().checkpoint();
  for (std::uint64_t i = 1000; i < 1100; ++i) filled.put(i, 500);
  filled.database().checkpoint();
  filled.database().log().flush(filled.database().log().reserved());
  const Killed killed(directory.path());
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(killed.path() / "1.lsm")) {
    if (entry.path().extension() == ".sst") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  REQUIRE(files.size() == 2);
  overwrite(files[0], 100, as_bytes("junk"));  // in the first block
  const auto database = killed.open();
  const auto session = database->attach(CommitPolicy::async);
  const TableId table = database->find_table("t").value();
  const std::string where = files[0].filename().string() + ": the block at offset 0";
  session->begin();
  CHECK_THROWS_WITH(read_text(*session, table, key_of(0)), Contains(where));
  CHECK_THROWS_AS(read_text(*session, table, key_of(0)), DamageError);
  CHECK(read_text(*session, table, key_of(1050)) == filled.content().at(key_of(1050)));
  session->abort();
}

}  // namespace
}  // namespace muster
