#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <map>

#include "engine/catalogue.h"
#include "engine/storage/slotted_page.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

constexpr int kRecords = 2000;

std::string value_of(int number) {
  return std::string(100, static_cast<char>('a' + number % 26));
}

void fill(Database& database) {
  const TableId table = database.create_table("t");
  const auto session = database.attach(CommitPolicy::durable);
  session->begin();
  for (int i = 0; i < kRecords; ++i) {
    const std::string key = key_of(static_cast<std::uint64_t>(i));
    if (session->insert(table, as_bytes(key), as_bytes(value_of(i))) != Status::ok)
      throw std::logic_error(key);
  }
  session->commit();
}

/// A database that was closed, with one table in many pages and no copies of them.
struct Closed {
  Closed() {
    const auto database = Database::open(options());
    fill(*database);
    database->close();
    std::filesystem::remove(directory.path() / "doublewrite");  // or what is damaged below would be restored
  }
  DatabaseOptions options() const { return small_database(directory.path()); }
  std::filesystem::path file() const { return directory.path() / "1.table"; }
  std::string why_not_open() const {
    try {
      Database::open(options());
      return {};
    } catch (const DamageError& error) {
      return error.what();
    }
  }

  TemporaryDirectory directory;
};

using PageBytes = std::array<std::byte, kPageBytes>;

/// A leaf of the table, and where it lies.
PageNumber find_leaf(const std::filesystem::path& file, PageBytes& page) {
  const File table = File::open(file, O_RDONLY);
  for (PageNumber number = 5;; ++number) {
    if (table.read_at(number * kPageBytes, page) != kPageBytes) throw std::logic_error("no leaf");
    if (PageView(page.data()).shape().kind == PageKind::leaf) return number;
  }
}

}  // namespace

TEST_CASE("damaged pages: one is reported with table, page and LSN, and the rest stays readable") {
  const Closed closed;
  alignas(kWordBytes) PageBytes page;
  const PageNumber number = find_leaf(closed.file(), page);
  const Lsn lsn = PageView(page.data()).lsn();
  const std::byte flipped = page[kPageBytes - 100] ^ std::byte{1};
  File::open(closed.file(), O_WRONLY).write_at(number * kPageBytes + kPageBytes - 100, {&flipped, 1});

  const auto database = Database::open(closed.options());
  const TableId table = database->find_table("t").value();
  int lost = 0;
  for (int i = 0; i < kRecords; ++i) {
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    try {
      const auto value = read_text(*session, table, key_of(static_cast<std::uint64_t>(i)));
      CHECK(value == value_of(i));
    } catch (const DamageError& error) {
      if (++lost == 1) {
        CHECK(error.what() ==
              fmt::format("page {} of table t ({}), LSN {}, is torn or damaged: its checksum does not fit",
                          number, closed.file().string(), lsn));
      }
    }
  }
  CHECK(lost > 0);
  CHECK(lost < 40);
  CHECK_THROWS_AS(database->check(), DamageError);
}

TEST_CASE("damaged pages: a page in another's place is reported") {
  const Closed closed;
  alignas(kWordBytes) PageBytes page;
  const PageNumber number = find_leaf(closed.file(), page);
  File::open(closed.file(), O_WRONLY).write_at((number + 1) * kPageBytes, page);
  CHECK_THROWS_AS(Database::open(closed.options())->check(), DamageError);
}

TEST_CASE("damaged pages: a table file that is not one, or is cut, is refused in one line") {
  const Closed closed;
  std::string expected;
  File file = File::open(closed.file(), O_RDWR);
  SECTION("empty") {
    file.truncate(0);
    expected = "0 bytes, fewer than a table's header has";
  }
  SECTION("shorter than its header") {
    file.truncate(kPageBytes - 1);
    expected = "4095 bytes, fewer than a table's header has";
  }
  SECTION("shorter than its header says") {
    file.truncate(5 * kPageBytes);
    expected = "cut: 20480 bytes, but its header counts";
  }
  SECTION("something else") {
    file.write_at(0, as_bytes(std::string(8192, 'x')));
    expected = "its first page is not the header of table 1";
  }
  SECTION("zeros") {
    file.write_at(0, as_bytes(std::string(kPageBytes, '\0')));
    expected = "its first page is not the header of table 1";
  }
  const std::string message = closed.why_not_open();
  INFO(message);
  CHECK(message.find(closed.file().string() + ": " + expected) == 0);
  CHECK(message.find('\n') == std::string::npos);
  CHECK(Master::read(closed.directory.path() / "master").clean);  // nothing was changed
}

TEST_CASE("damaged pages: a database of the format before checksums is refused by its number") {
  const Closed closed;
  const std::filesystem::path path = closed.directory.path() / "master";
  const std::string old = "{\"format\": 1, \"log_begin\": 4096, \"next_transaction\": 1, \"clean\": true}";
  replace_file(path, as_bytes(old));
  CHECK(closed.why_not_open().find(path.string() + ": a database of format 1, want format 3") == 0);
}

/// The database as a power loss leaves it that tore every page which was being written: its first bytes are new,
/// the rest is as it was. Returns how many pages differ.
int tear_pages(const std::filesystem::path& before, const std::filesystem::path& after, std::size_t split) {
  const File old = File::open(before, O_RDONLY);
  File torn = File::open(after, O_RDWR);
  int pages = 0;
  for (PageNumber number = 0; number * kPageBytes < torn.size(); ++number) {
    PageBytes then{};
    PageBytes now{};
    old.read_at(number * kPageBytes, then);
    torn.read_at(number * kPageBytes, now);
    if (then == now) continue;
    torn.write_at(number * kPageBytes + split, std::span(then).subspan(split));
    ++pages;
  }
  return pages;
}

/// Updates that were committed in a database that was closed before, and pages of it that were evicted since.
struct Updated {
  Updated() : before(closed.directory.path()), database(Database::open(closed.options())) {
    const TableId table = database->find_table("t").value();
    const auto session = database->attach(CommitPolicy::durable);
    for (int round = 1; round <= 3; ++round) {
      for (int i = 0; i < kRecords; ++i) {
        const std::string key = key_of(static_cast<std::uint64_t>(i));
        committed[key] = value_of(i + round);
        session->begin();
        if (session->update(table, as_bytes(key), as_bytes(committed[key])) != Status::ok)
          throw std::logic_error(key);
        session->commit();
      }
    }
  }

  Closed closed;
  Killed before;
  std::unique_ptr<Database> database;
  std::map<std::string, std::string> committed;
};

TEST_CASE("torn pages: all that were being written are restored, and no committed update is lost") {
  Updated updated;
  for (std::size_t split = 512; split < kPageBytes; split += 512) {
    const Killed killed(updated.closed.directory.path());
    REQUIRE(tear_pages(updated.before.path() / "1.table", killed.path() / "1.table", split) > 10);
    const auto database = killed.open();
    CHECK(contents(*database, "t") == updated.committed);
    database->check();
  }
}

TEST_CASE("torn pages: without their copies they are reported, never taken for sound") {
  Updated updated;
  for (std::size_t split = 512; split < kPageBytes; split += 512) {
    const Killed killed(updated.closed.directory.path());
    tear_pages(updated.before.path() / "1.table", killed.path() / "1.table", split);
    std::filesystem::remove(killed.path() / "doublewrite");
    CHECK_THROWS_AS(contents(*killed.open(), "t"), DamageError);
  }
}

TEST_CASE("torn pages: a restart that is killed while it restores is made good by the next") {
  Updated updated;
  const Killed killed(updated.closed.directory.path());
  tear_pages(updated.before.path() / "1.table", killed.path() / "1.table", 1024);
  {
    const Killed again(killed.path());
    DatabaseOptions options = again.options();
    options.make_log_device = [](const LogOptions&, Lsn) -> std::unique_ptr<LogDevice> {
      throw std::runtime_error("killed");
    };
    CHECK_THROWS_AS(Database::open(options), std::runtime_error);
    const auto database = again.open();
    CHECK(contents(*database, "t") == updated.committed);
  }
}

}  // namespace muster
