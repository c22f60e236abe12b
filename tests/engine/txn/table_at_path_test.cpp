#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <vector>

#include "engine/catalogue.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

namespace fs = std::filesystem;
using Contents = std::map<std::string, std::string>;

void put(Database& database, TableId table, std::string_view key, std::string_view value) {
  const auto session = database.attach(CommitPolicy::durable);
  session->begin();
  REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
  session->commit();
}

std::string refusal(Database& database, const fs::path& file) {
  try {
    database.open_table(file);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return {};
}

/// Runs `work` in a process of its own; whether it ended by itself and not with the operation that is killed.
bool ends_before(std::uint64_t operation, const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<std::uint64_t> left{operation};
    const Judge judge([&](const FileOperation&) {
      if (left.fetch_sub(1) == 0) ::_exit(9);
      return FileVerdict{};
    });
    work();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

struct Directories {
  TemporaryDirectory directory;
  fs::path database = directory / "db";
  fs::path elsewhere = directory / "tables";
  fs::path file = elsewhere / "accounts";
  Directories() { fs::create_directory(elsewhere); }
  std::unique_ptr<Database> open() const { return Database::open(small_database(database)); }
};

}  // namespace

TEST_CASE(
    "table at a path: it is there, found again by any name of the path, and by restart before it is opened") {
  const Directories d;
  const bool crash = GENERATE(false, true);
  {
    const auto database = d.open();
    const TableId table = database->open_table(d.file);
    CHECK(database->open_table(d.elsewhere / ".." / "tables" / "." / "accounts") == table);
    fs::create_symlink(d.elsewhere, d.directory / "link");
    CHECK(database->open_table(d.directory / "link" / "accounts") == table);
    CHECK(database->find_table(fs::canonical(d.file).string()) == table);
    CHECK(database->create_table("beside") != table);
    put(*database, table, "a", "1");
    if (!crash) database->close();
    if (crash) {  // the log alone has the record; the files' locks go with the process
      fs::copy(d.database, d.directory / "killed", fs::copy_options::recursive);
    }
  }
  const auto database = Database::open(small_database(crash ? d.directory / "killed" : d.database));
  CHECK(fs::file_size(d.file) > 0);
  CHECK(contents(*database, fs::canonical(d.file).string()) == Contents{{"a", "1"}});
  database->check();
}

TEST_CASE("table at a path: a relative one is stored as absolute") {
  const Directories d;
  const fs::path relative = fs::relative(d.file);
  REQUIRE(relative.is_relative());
  d.open()->open_table(relative);
  const Catalogue catalogue = Catalogue::read(d.database / "catalogue");
  REQUIRE(catalogue.tables().size() == 1);
  CHECK(catalogue.tables()[0].file == fs::canonical(d.file));
  CHECK(catalogue.unfinished().empty());
}

TEST_CASE("table at a path: one whose file is missing is reported in one line when the database opens") {
  const Directories d;
  d.open()->open_table(d.file);
  fs::remove(d.file);
  CHECK_THROWS_WITH(d.open(), fs::weakly_canonical(d.file).string() + ": the file of table " +
                                  fs::weakly_canonical(d.file).string() + " is missing");
}

TEST_CASE("table at a path: what is there already and no table of this database is refused and left alone") {
  const Directories d;
  const auto database = d.open();
  File::open(d.file, O_RDWR | O_CREAT).write_at(0, as_bytes("somebody's"));
  CHECK(refusal(*database, d.file).find("this is no table of the database") != std::string::npos);
  CHECK(fs::file_size(d.file) == 10);
  CHECK_THROWS_AS(database->open_table(d.elsewhere), std::system_error);
  CHECK_THROWS_AS(database->open_table(d.elsewhere / "none" / "t"), std::system_error);
  CHECK_THROWS_AS(database->open_table(""), std::system_error);
  CHECK_FALSE(refusal(*database, "/dev/null").empty());
  CHECK_FALSE(refusal(*database, d.elsewhere / "t\xff").empty());
  for (const char* own : {"7.table", "master", "lock", "doublewrite", "catalogue.new", "log/t"}) {
    INFO(own);
    CHECK(refusal(*database, d.database / own).find("does not use itself") != std::string::npos);
  }
  CHECK(Catalogue::read(d.database / "catalogue").next_id() == 1);
  File::open(d.elsewhere / "empty", O_RDWR | O_CREAT);
  CHECK(database->open_table(d.elsewhere / "empty") == 1);
  CHECK(database->open_table(d.database / "beside the log") == 2);
}

TEST_CASE("table at a path: a second database cannot take one that is open") {
  const Directories d;
  const auto database = d.open();
  const TableId table = database->open_table(d.file);
  const auto other = Database::open(small_database(d.directory / "other"));
  CHECK(refusal(*other, d.file).find("no database has open") != std::string::npos);
  fs::create_hard_link(d.file, d.elsewhere / "again");
  CHECK(refusal(*database, d.elsewhere / "again").find("no database has open") != std::string::npos);
  fs::copy(d.database, d.directory / "copy", fs::copy_options::recursive);
  CHECK_THROWS_AS(Database::open(small_database(d.directory / "copy")), ConfigError);
  put(*database, table, "a", "1");
}

TEST_CASE("table at a path: a log in memory has none") {
  const Directories d;
  const auto database = Database::open(memory_database(d.database));
  CHECK_THROWS_AS(database->open_table(d.file), ConfigError);
}

TEST_CASE(
    "table at a path: its name is durable before the catalogue says so, and that before it holds a page") {
  const Directories d;
  const auto database = d.open();
  std::vector<std::string> seen;
  {
    const Judge judge([&](const FileOperation& operation) {
      const std::string name = operation.path.filename().string();
      using Kind = FileOperation::Kind;
      if (operation.kind == Kind::open && name == "accounts") seen.emplace_back("created");
      if (operation.kind == Kind::sync_directory && name == "tables") seen.emplace_back("named");
      if (operation.kind == Kind::rename && name == "catalogue.new") seen.emplace_back("in the catalogue");
      if (operation.kind == Kind::sync && operation.path.parent_path().filename() == "log")
        seen.emplace_back("logged");
      if (operation.kind == Kind::write && name == "accounts" && seen.back() != "written")
        seen.emplace_back("written");
      return FileVerdict{};
    });
    database->open_table(d.file);
    database->checkpoint();
  }
  REQUIRE(seen.size() >= 6);
  seen.resize(6);
  CHECK(seen == std::vector<std::string>{"created", "named", "in the catalogue", "logged", "in the catalogue",
                                         "written"});
}

TEST_CASE("table at a path: a creation killed at any operation leaves the table or nothing in its way") {
  const Directories d;
  d.open()->close();
  bool finished = false;
  std::uint64_t with_file = 0;
  for (std::uint64_t operation = 0; !finished; ++operation) {
    finished = ends_before(operation, [&] {
      const auto database = d.open();
      database->open_table(d.file);
      database->checkpoint();  // now the file holds pages
      ::_exit(0);
    });
    const auto database = d.open();
    const bool there = database->find_table(fs::weakly_canonical(d.file).string()).has_value();
    const bool has_file = fs::exists(d.file) && fs::file_size(d.file) != 0;
    CHECK(Catalogue::read(d.database / "catalogue").unfinished().empty());
    CHECK(there == has_file);
    if (there) ++with_file;
    const TableId table = database->open_table(d.file);
    put(*database, table, "a", "1");
    CHECK(contents(*database, table) == Contents{{"a", "1"}});
    database->close();
    fs::remove(d.file);
    fs::remove_all(d.database);
    d.open()->close();
  }
  CHECK(with_file > 1);
}

TEST_CASE(
    "table at a path: a creation that was cut off after pages were written goes, unless it is somebody "
    "else's by now") {
  const Directories d;
  const bool taken = GENERATE(false, true);
  ends_before(1'000'000, [&] {
    const auto database = d.open();
    database->open_table(d.file);
    database->close();
    ::_exit(0);
  });
  Catalogue catalogue = Catalogue::read(d.database / "catalogue");
  Catalogue cut_off;
  cut_off.add_unfinished(catalogue.tables().at(0));
  cut_off.write(d.database / "catalogue");
  if (taken) File::open(d.file, O_WRONLY | O_TRUNC).write_at(0, as_bytes("a letter"));
  const auto database = d.open();
  CHECK(fs::exists(d.file) == taken);
  CHECK(refusal(*database, d.file).empty() == !taken);
}

}  // namespace muster
