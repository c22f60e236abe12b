#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <set>

#include "engine/io/faulty_log_device.h"
#include "engine/io/file_observer.h"
#include "engine/txn/restart.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster {
namespace {

const auto kDurable = CommitPolicy::durable;
using Contents = std::map<std::string, std::string>;

/// A database with content that is committed, and a session with changes that are not.
struct Interrupted {
  explicit Interrupted(int records = 2000) : Interrupted(records, nullptr) {}
  Interrupted(int records, decltype(DatabaseOptions::make_log_device) make_log_device) {
    DatabaseOptions options = small_database(directory.path());
    options.make_log_device = std::move(make_log_device);
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    session = database->attach(kDurable);
    const std::string value(100, 'v');
    for (int i = 0; i < records;) {
      session->begin();
      for (int n = 0; n < 50; ++n, ++i) {
        const std::string key = key_of(static_cast<std::uint64_t>(2 * i));
        if (session->insert(table, as_bytes(key), as_bytes(value)) != Status::ok) throw std::logic_error(key);
        committed.emplace(key, value);
      }
      session->commit();
    }
  }

  /// Changes of every kind, all over the tree, with splits; none of them committed.
  void change_without_commit() {
    session->begin();
    std::mt19937_64 random(1);
    const std::string value(180, 'u');
    for (int i = 0; i < 1500; ++i) {
      const std::string key = key_of(random() % (2 * committed.size()));
      Status status = session->insert(table, as_bytes(key), as_bytes(value));
      if (status == Status::already_exists) {
        status = i % 3 == 0
                     ? session->remove(table, as_bytes(key))
                     : session->update(table, as_bytes(key), as_bytes(value.substr(0, random() % 180)));
      }
      if (status != Status::ok) throw std::logic_error(key);
    }
  }

  /// Makes durable what has been logged until now.
  void flush_log() { database->log().flush(database->log().reserved()); }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  std::unique_ptr<Session> session;
  TableId table = 0;
  Contents committed;
};

/// Every file but the lock, with its content.
std::map<std::string, std::string> files_in(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().filename() == "lock") continue;
    const File file = File::open(entry.path(), O_RDONLY);
    std::vector<std::byte> content(file.size());
    file.read_at(0, content);
    files.emplace(entry.path().string(), as_text(content));
  }
  return files;
}

void overwrite(const std::filesystem::path& path, std::uint64_t offset, std::string_view text) {
  File::open(path, O_WRONLY).write_at(offset, as_bytes(text));
}

/// Bytes that are read from segments and from tables' files while this lives.
class ReadCounts : public FileObserver {
 public:
  ReadCounts() { observe_files(this); }
  ~ReadCounts() override { observe_files(nullptr); }
  FileVerdict before(const FileOperation&) override { return {}; }
  void after(const FileOperation& operation, std::int64_t result) override {
    if (operation.kind != FileOperation::Kind::read || result < 0) return;
    const bool table = operation.path.extension() == ".table";
    const bool log = operation.path.parent_path().filename() == "log";
    if (table) tables_ += static_cast<std::uint64_t>(result);
    if (log) log_ += static_cast<std::uint64_t>(result);
  }
  std::uint64_t tables() const { return tables_; }
  std::uint64_t log() const { return log_; }

 private:
  std::atomic<std::uint64_t> tables_{0}, log_{0};
};

/// Whether tables are of this kind. A case about files of the other kind says that it did not run.
bool tables_are(TableKind kind) {
  if (table_under_test() == kind) return true;
  WARN("not run: about files of tables of kind " << kTableKinds[static_cast<std::size_t>(kind)]);
  return false;
}

/// What the first table is kept in: a file, or a directory.
const char* first_table() {
  return table_under_test() == TableKind::btree ? "1.table" : "1.lsm";
}

/// Opening says what is wrong and changes nothing.
std::string damage_found(const Killed& killed) {
  const auto before = files_in(killed.path());
  std::string message;
  try {
    killed.open();
  } catch (const DamageError& error) {
    message = error.what();
  }
  CHECK(files_in(killed.path()) == before);
  return message;
}

}  // namespace

TEST_CASE("restart: what was committed is there and what was not is gone") {
  Interrupted i;
  i.change_without_commit();
  const bool logged = GENERATE(false, true);
  if (logged) i.flush_log();
  const Killed killed(i.directory.path());
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE("restart: undo finds records that splits have moved since, and logs the splits that it causes") {
  Interrupted i;
  // Removing makes leaves merge, so that putting back must split them again.
  i.session->begin();
  for (const auto& [key, value] : i.committed) {
    if (key.back() != '0') REQUIRE(i.session->remove(i.table, as_bytes(key)) == Status::ok);
  }
  // Inserting splits leaves, so that the inserted ones are no longer where the log says.
  for (int n = 10; n < 1000; n += 10) {
    for (int m = 1; m < 10; ++m) {
      const std::string key = key_of(static_cast<std::uint64_t>(n)) + std::to_string(m);
      REQUIRE(i.session->insert(i.table, as_bytes(key), as_bytes(std::string(150, 'i'))) == Status::ok);
    }
  }
  i.flush_log();
  const Killed killed(i.directory.path());
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE("restart: a transaction that was rolling back is rolled back to its beginning") {
  Interrupted i;
  i.change_without_commit();
  i.session->abort();
  const Lsn end = i.database->log().reserved();
  i.session->begin();
  REQUIRE(i.session->insert(i.table, as_bytes("last"), as_bytes("x")) == Status::ok);
  i.session->commit();
  const Killed whole(i.directory.path());

  // Cut the log off somewhere in the rollback, where no page is ahead of it: the files are as before.
  Interrupted cut;
  const Killed before(cut.directory.path());
  cut.change_without_commit();
  const Lsn rollback = cut.database->log().reserved();
  cut.session->abort();
  cut.flush_log();
  const Lsn done = cut.database->log().reserved();
  REQUIRE(done > rollback);
  for (const Lsn at : {rollback + (done - rollback) / 4, rollback + (done - rollback) * 3 / 4}) {
    const Killed killed(before.path());
    for (const Segment& segment : list_segments(cut.directory.path() / "log")) {
      std::filesystem::copy(segment.path, killed.path() / "log",
                            std::filesystem::copy_options::overwrite_existing);
      if (segment.end() <= at) continue;
      if (segment.first > at) {
        std::filesystem::remove(killed.path() / "log" / segment.path.filename());
        continue;
      }
      const std::uint64_t offset = kSegmentHeaderBytes + (at - segment.first);
      overwrite(killed.path() / "log" / segment.path.filename(), offset,
                std::string(kSegmentHeaderBytes + segment.bytes - offset, '\0'));
    }
    const auto database = killed.open();
    CHECK(contents(*database, "t") == cut.committed);
    database->check();
  }
  CHECK(end > 0);
  i.committed.emplace("last", "x");
  CHECK(contents(*whole.open(), "t") == i.committed);
}

TEST_CASE("restart: several losers are undone together") {
  Interrupted i;
  std::vector<std::unique_ptr<Session>> sessions;
  for (int s = 0; s < 5; ++s) sessions.push_back(i.database->attach(kDurable));
  for (auto& session : sessions) session->begin();
  auto record = i.committed.begin();
  for (int n = 0; n < 500; ++n, ++record) {
    Session& session = *sessions[static_cast<std::size_t>(n) % sessions.size()];
    REQUIRE(session.update(i.table, as_bytes(record->first), as_bytes("not committed")) == Status::ok);
  }
  i.flush_log();
  const Killed killed(i.directory.path());
  CHECK(contents(*killed.open(), "t") == i.committed);
}

TEST_CASE("restart: what fits into memory is read from the log once, and once more where losers are") {
  if (!tables_are(TableKind::btree)) return;
  Interrupted i;
  for (int round = 0; round < 3; ++round) {
    i.session->begin();
    for (const auto& [key, value] : i.committed) {
      REQUIRE(i.session->update(i.table, as_bytes(key), as_bytes(std::string(100, 'x'))) == Status::ok);
    }
    if (round < 2) i.session->commit();
  }
  for (auto& [key, value] : i.committed) value = std::string(100, 'x');
  i.flush_log();
  const Lsn log_bytes = i.database->log().reserved() - kFirstLsn;
  const Lsn windows = 4 * (256 << 10);  // at the log's end, at its last record, and where it was opened anew
  const Killed killed(i.directory.path());
  DatabaseOptions options = killed.options();
  SECTION("all pages fit") {
    options.frames = 4096;
    const ReadCounts reads;
    const auto database = Database::open(options);
    CHECK(reads.log() < log_bytes + log_bytes / 2 + windows);
    CHECK(contents(*database, "t") == i.committed);
  }
  SECTION("few do") {
    const ReadCounts reads;
    const auto database = Database::open(options);
    CHECK(reads.log() > log_bytes + log_bytes / 2);
    CHECK(reads.log() < 2 * log_bytes + log_bytes / 2 + windows);
    CHECK(contents(*database, "t") == i.committed);
  }
}

TEST_CASE("restart: pages that the log does not name are not read") {
  if (!tables_are(TableKind::btree)) return;
  Interrupted i;
  i.session.reset();
  i.database.reset();
  const auto table_file = i.directory.path() / "1.table";
  const std::uint64_t table_bytes = File::open(table_file, O_RDONLY).size();
  const auto again = Database::open(small_database(i.directory.path()));
  const auto session = again->attach(kDurable);
  session->begin();
  const auto& [key, value] = *i.committed.begin();
  REQUIRE(session->update(1, as_bytes(key), as_bytes("new")) == Status::ok);
  session->commit();
  const Killed killed(i.directory.path());
  {
    const ReadCounts reads;
    killed.open();
    CHECK(reads.tables() < table_bytes / 4);
  }
  i.committed[key] = "new";
  CHECK(contents(*killed.open(), "t") == i.committed);
}

TEST_CASE("restart: the WAL rule holds when pages of an open transaction are evicted") {
  if (!tables_are(TableKind::btree)) return;
  // The device forgets what was not synced, so a page that went out before its record is found out.
  Interrupted i(2000, make_holding_device);
  i.change_without_commit();
  CHECK(i.database->buffer_statistics().writes > 0);
  const Killed killed(i.directory.path());
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE("restart: a restart that is cut off anywhere is made good by the next") {
  Interrupted i;
  i.change_without_commit();
  i.flush_log();
  const Killed original(i.directory.path());
  bool finished = false;
  for (std::uint64_t write = 1; !finished; write = write * 2 + 1) {
    const Killed killed(original.path());
    DatabaseOptions options = killed.options();
    options.make_log_device = [&](const LogOptions& log, Lsn begin) {
      return std::make_unique<FaultyLogDevice>(
          std::make_unique<FileLogDevice>(lock_log(log.directory), begin, log.segment_bytes),
          Faults{.write = write, .write_bytes = 100});
    };
    try {
      Database::open(options);
      finished = true;
    } catch (const std::system_error&) {}
    const auto database = killed.open();
    CHECK(contents(*database, "t") == i.committed);
    database->check();
  }
}

TEST_CASE("restart: one that is to break off does so exactly there, flushes nothing, and the next is whole") {
  Interrupted i(400);
  i.change_without_commit();
  i.flush_log();
  const Killed killed(i.directory.path());
  DatabaseOptions options = killed.options();
  const bool small = GENERATE(false, true);  // are the frames enough for the first reading?
  const bool in_undo = GENERATE(false, true);
  const std::uint64_t records = GENERATE(0u, 1u, 700u, 1'000'000u);
  options.frames = small ? 64 : 4096;
  (in_undo ? options.restart_limits.undo : options.restart_limits.redo) = records;
  const auto log_bytes = [&] {
    std::uint64_t bytes = 0;
    LogReader reader(killed.path() / "log");
    while (const auto record = reader.next()) bytes = record->end;
    return bytes;
  };
  const std::uint64_t before = log_bytes();
  try {
    Database::open(options);
    FAIL("it did not break off");
  } catch (const RestartCut& cut) {
    const RestartStatistics& found = cut.statistics();
    INFO(found.redo_records << " " << found.undone);
    const std::uint64_t all = found.records - found.below;
    CHECK(found.redo_records == (in_undo ? all : std::min(all, records)));
    if (in_undo) CHECK(found.undone == (records < 1'000'000 ? records : found.undone));
    if (!in_undo) CHECK(found.undone == 0);
    CHECK(cut.phase() == (in_undo ? RestartPhase::undo : RestartPhase::redo));
  }
  CHECK_FALSE(Master::read(killed.path() / "master").clean);
  if (!in_undo) CHECK(log_bytes() == before);
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE("restart: the log is read once: a second restart right after the first has nothing to do") {
  Interrupted i;
  i.change_without_commit();
  i.flush_log();
  const Killed first(i.directory.path());
  const auto database = first.open();
  const Killed second(first.path());
  BufferManager buffers({.frames = 64}, [](Lsn) {});
  const SelfStoredTables none;
  const Restart restart(second.path() / "log", Master::read(second.path() / "master"),
                        Catalogue::read(second.path() / "catalogue"), buffers, none);
  CHECK(restart.log_is_empty());
  CHECK(contents(*second.open(), "t") == i.committed);
  // What it does not need any more is gone.
  CHECK(list_segments(first.path() / "log").size() <= 2);
}

TEST_CASE("restart: transaction numbers go on") {
  Interrupted i(50);
  const Killed killed(i.directory.path());
  const auto before = Master::read(killed.path() / "master").next_transaction;
  killed.open()->close();
  CHECK(Master::read(killed.path() / "master").next_transaction > before);
}

TEST_CASE("restart: redo without the files' pages brings everything back from the log") {
  if (!tables_are(TableKind::btree)) return;
  Interrupted i;
  const Killed killed(i.directory.path());
  File::open(killed.path() / (std::to_string(i.table) + ".table"), O_RDWR).truncate(0);
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE("restart: what the kernel caches and the disk never got is brought back from the log") {
  if (!tables_are(TableKind::btree)) return;
  Interrupted i;
  const Killed killed(i.directory.path());
  // After a failed sync: the cache holds every page, the disk none, and it shows when the cache is dropped.
  std::set<std::string> forgotten;
  {
    const Judge cache([&](const FileOperation& operation) {
      if (operation.kind == FileOperation::Kind::forget_cached) {
        const std::string name = operation.path.filename();
        forgotten.insert(name.ends_with(".log") ? ".log" : name);
        if (name == "1.table") std::filesystem::resize_file(operation.path, 0);
      }
      return FileVerdict{};
    });
    killed.open()->close();
  }
  CHECK(forgotten == std::set<std::string>{"1.table", ".log"});
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE(
    "restart: what the kernel caches of a tree's manifest and the disk never got is redone from the log") {
  if (!tables_are(TableKind::lsm)) return;
  Interrupted i;
  i.flush_log();
  REQUIRE(comes_true([&] { return i.database->lsm_statistics().flushes > 2; }));
  const Killed killed(i.directory.path());
  // The cache shows edits whose sync failed. The disk has the file's first record, the state of an empty tree (lsm/format.md).
  const auto manifest = killed.path() / "1.lsm/MANIFEST";
  std::uint32_t payload = 0;
  File::open(manifest, O_RDONLY).read_at(16, std::as_writable_bytes(std::span(&payload, 1)));
  const std::uint64_t durable = 16 + 8 + payload;
  REQUIRE(std::filesystem::file_size(manifest) > durable);
  std::set<std::string> forgotten;
  {
    const Judge cache([&](const FileOperation& operation) {
      if (operation.kind == FileOperation::Kind::forget_cached) {
        forgotten.insert(operation.path.extension() == ".sst" ? ".sst" : operation.path.filename().string());
        if (operation.path == manifest) std::filesystem::resize_file(manifest, durable);
      }
      return FileVerdict{};
    });
    killed.open()->close();
  }
  CHECK(forgotten.contains("MANIFEST"));
  CHECK(forgotten.contains(".sst"));
  const auto database = killed.open();
  CHECK(contents(*database, "t") == i.committed);
  database->check();
}

TEST_CASE(
    "restart: a tree's manifest that looks up to date is written anew, since the disk may not have it") {
  if (!tables_are(TableKind::lsm)) return;
  Interrupted i;
  const Killed killed(i.directory.path());
  std::vector<std::string> done;  // to the manifest, and to its directory
  {
    const Judge disk([&](const FileOperation& operation) {
      // The database that was "killed" is still at work beside.
      if (!operation.path.native().starts_with(killed.path().native())) return FileVerdict{};
      const std::string name = operation.path.filename();
      if (operation.kind == FileOperation::Kind::sync && name == "MANIFEST.new") done.emplace_back("sync");
      if (operation.kind == FileOperation::Kind::rename && name == "MANIFEST.new")
        done.emplace_back("rename");
      if (operation.kind == FileOperation::Kind::sync_directory && name == "1.lsm")
        done.emplace_back("directory");
      if (operation.kind == FileOperation::Kind::remove && operation.path.parent_path().filename() == "1.lsm")
        done.emplace_back("remove");
      return FileVerdict{};
    });
    killed.open();
  }
  REQUIRE(done.size() >= 3);
  done.resize(3);
  CHECK(done == std::vector<std::string>{"sync", "rename", "directory"});
}

TEST_CASE("restart: pages that look up to date are written again, since the disk may not have them") {
  if (!tables_are(TableKind::btree)) return;
  Interrupted i;
  i.database->log().flush(i.database->log().reserved());
  const Killed killed(i.directory.path());
  const std::uint64_t pages = std::filesystem::file_size(killed.path() / "1.table") / kPageBytes;
  REQUIRE(pages > 20);
  std::set<std::uint64_t> written;
  const Judge disk([&](const FileOperation& operation) {
    if (operation.kind == FileOperation::Kind::write && operation.path.filename() == "1.table")
      written.insert(operation.offset / kPageBytes);
    return FileVerdict{};
  });
  const auto database = killed.open();
  CHECK(written.size() >= pages);
}

TEST_CASE("restart: a disk without room for a whole segment is opened, and goes on when there is some") {
  Interrupted i;
  i.change_without_commit();
  i.flush_log();
  const Killed killed(i.directory.path());
  DatabaseOptions options = killed.options();
  options.log.segment_bytes = std::uint64_t{16} << 20;
  std::atomic<bool> full{true};
  const Judge disk([&](const FileOperation& operation) {
    const bool large = operation.size >= std::uint64_t{2} << 20;
    return FileVerdict{.error =
                           full && large && operation.kind == FileOperation::Kind::allocate ? ENOSPC : 0};
  });
  const auto database = Database::open(options);
  full = false;
  CHECK(contents(*database, "t") == i.committed);
  const auto session = database->attach(kDurable);
  for (int n = 0; n < 3000; ++n) {
    session->begin();
    REQUIRE(session->insert(i.table, as_bytes(key_of(90'000'000 + static_cast<std::uint64_t>(n))),
                            as_bytes(std::string(900, 'x'))) == Status::ok);
    session->commit();
  }
  const auto segments = list_segments(killed.path() / "log");
  CHECK(segments.front().bytes < std::uint64_t{2} << 20);
  CHECK(segments.back().bytes == options.log.segment_bytes);
}

TEST_CASE("restart: a table whose creation was cut off is not there, and neither is its file") {
  Interrupted i(50);
  const Killed before(i.directory.path());
  i.database->create_table("half");
  const Killed killed(i.directory.path());
  std::filesystem::copy(before.path() / "catalogue", killed.path() / "catalogue",
                        std::filesystem::copy_options::overwrite_existing);
  REQUIRE(std::filesystem::exists(killed.path() / "2.table"));
  const auto database = killed.open();
  CHECK_FALSE(database->find_table("half"));
  CHECK_FALSE(std::filesystem::exists(killed.path() / "2.table"));
  const TableId again = database->create_table("half");
  CHECK(contents(*database, again).empty());
  CHECK(contents(*database, "t") == i.committed);
}

TEST_CASE("restart: a log file that is empty, cut or foreign is reported with its LSN and left alone") {
  Interrupted i(table_under_test() == TableKind::btree ? 2000 : 4000);  // an LSM tree logs no pages
  const Killed killed(i.directory.path());
  const auto segments = list_segments(killed.path() / "log");
  REQUIRE(segments.size() >= 3);  // so that the one in the middle is full
  const bool first = GENERATE(true, false);
  const Segment& segment = first ? segments.front() : segments[segments.size() / 2];
  std::string expected = "LSN";
  SECTION("empty") {
    File::open(segment.path, O_RDWR).truncate(0);
  }
  SECTION("cut inside its header") {
    File::open(segment.path, O_RDWR).truncate(100);
  }
  SECTION("cut in the middle") {
    File::open(segment.path, O_RDWR).truncate(segment.file_bytes / 2);
  }
  SECTION("foreign") {
    overwrite(segment.path, 0, std::string(8192, 'x'));
    expected = "no segment of a log";
  }
  SECTION("damaged in the middle") {
    overwrite(segment.path, segment.file_bytes / 2, "what is this?");
  }
  SECTION("missing") {
    std::filesystem::remove(segment.path);
  }
  const std::string message = damage_found(killed);
  INFO(message);
  CHECK(message.find(expected) != std::string::npos);
}

TEST_CASE("restart: a log without any file is reported") {
  Interrupted i;
  const Killed killed(i.directory.path());
  std::filesystem::remove_all(killed.path() / "log");
  CHECK(damage_found(killed).find("LSN") != std::string::npos);
}

TEST_CASE("restart: a log that ends before what a page holds is reported") {
  Interrupted i;
  const Killed killed(i.directory.path());
  // The newest records vanish without a trace in the log itself, but pages with their changes were evicted.
  const auto segments = list_segments(killed.path() / "log");
  for (std::size_t n = 1; n < segments.size(); ++n) std::filesystem::remove(segments[n].path);
  const auto& first = segments.front();
  LogReader reader(killed.path() / "log");
  Lsn last = 0;
  for (int n = 0; n < 500; ++n) last = reader.next().value().end;
  const std::uint64_t offset = kSegmentHeaderBytes + (last - first.first);
  overwrite(first.path, offset, std::string(first.file_bytes - offset, '\0'));
  const auto mark = killed.path() / "high_water";
  SECTION("and the mark knows") {}
  SECTION("and there is no mark") {
    std::filesystem::remove(mark);
  }
  SECTION("and the mark is of another run of the machine, which may have lost a later one") {
    overwrite(mark, 0, std::string(20, '0') + " 00000000-0000-0000-0000-000000000000");
  }
  const std::string message = damage_found(killed);
  INFO(message);
  CHECK(message.find("the log ends at LSN " + std::to_string(last)) != std::string::npos);
  CHECK(message.find(first_table()) != std::string::npos);
}

TEST_CASE("restart: a log that ends before what was durable is reported although no page shows it") {
  Interrupted i;
  const Killed young(i.directory.path());
  const auto written = [&] {  // behind the log: the mark has gone up
    return i.database->buffer_statistics().writes + i.database->lsm_statistics().flushes;
  };
  const std::uint64_t before = written();
  i.change_without_commit();
  i.flush_log();
  REQUIRE(comes_true([&] { return written() > before; }));
  const Killed killed(i.directory.path());
  for (const char* older : {first_table(), "log"}) {
    std::filesystem::remove_all(killed.path() / older);
    std::filesystem::copy(young.path() / older, killed.path() / older,
                          std::filesystem::copy_options::recursive);
  }
  CHECK(damage_found(killed).find("but was durable up to LSN") != std::string::npos);
}

TEST_CASE("restart: a master, catalogue or table file that is missing or wrong is reported") {
  Interrupted i(50);
  const Killed killed(i.directory.path());
  SECTION("master missing") {
    std::filesystem::remove(killed.path() / "master");
  }
  SECTION("master wrong") {
    overwrite(killed.path() / "master", 0, "}");
  }
  SECTION("catalogue wrong") {
    overwrite(killed.path() / "catalogue", 0, "}");
  }
  SECTION("catalogue without the table") {
    Catalogue().write(killed.path() / "catalogue");
  }
  SECTION("table missing") {
    std::filesystem::remove_all(killed.path() / first_table());
  }
  SECTION("master beyond the log") {
    Master master = Master::read(killed.path() / "master");
    master.log_begin += 1 << 30;
    master.write(killed.path() / "master");
  }
  CHECK_FALSE(damage_found(killed).empty());
}

}  // namespace muster
