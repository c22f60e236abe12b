#include <fmt/format.h>

#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/lsm/manifest.h"
#include "engine/lsm/table_format.h"
#include "tests/catch.h"
#include "tests/damage.h"
#include "tests/engine/lsm/manifest_testing.h"
#include "tests/engine/txn/database_testing.h"

// What a database says of an LSM tree whose files are damaged, and what can be read of it.

namespace muster {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

constexpr std::uint64_t kRecords = 6000;
const std::string kValue(100, 'v');

/// A database that was closed, with an LSM tree `t` of several files and a B+ tree `other`. Each key lies in one file alone.
class Closed {
 public:
  Closed() {
    const auto database = Database::open(options());
    const TableId table = database->create_table("t", TableKind::lsm);
    const TableId other = database->create_table("other");
    const auto session = database->attach(CommitPolicy::async);
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      session->begin();
      REQUIRE(session->insert(table, as_bytes(key_of(i)), as_bytes(kValue)) == Status::ok);
      if (i < 100) {
        REQUIRE(session->insert(other, as_bytes(key_of(i)), as_bytes(kValue)) == Status::ok);
      }
      session->commit();
    }
  }
  DatabaseOptions options() const { return small_database(directory_.path()); }
  fs::path tree() const { return directory_.path() / "1.lsm"; }
  fs::path manifest() const { return tree() / "MANIFEST"; }
  /// The file that has the smallest keys, and where its parts lie.
  fs::path file() const { return lsm::table_path(tree(), placed().table.number); }
  lsm::TableFooter footer() const {
    const auto content = lsm::test::content_of(file());
    return lsm::TableFooter::decode(content, content.size(), placed().table.number);
  }
  std::uint64_t files() const { return lsm::read_manifest(tree()).state.tables().size(); }

  /// An opening is refused, and has changed nothing of the tree.
  std::string why_not_open() const {
    const auto before = contents();
    try {
      Database::open(options());
    } catch (const DamageError& error) {
      CHECK(contents() == before);
      return error.what();
    }
    return "";
  }

 private:
  lsm::PlacedTable placed() const {
    const auto state = lsm::read_manifest(tree()).state;
    for (const auto& [number, placed] : state.tables()) {
      if (placed.table.smallest == lsm::test::key(key_of(0))) return placed;
    }
    throw std::logic_error("no file has the smallest key");
  }
  std::map<fs::path, std::vector<std::byte>> contents() const {
    std::map<fs::path, std::vector<std::byte>> files;
    for (const auto& entry : fs::directory_iterator(tree())) {
      files[entry.path()] = lsm::test::content_of(entry.path());
    }
    return files;
  }

  TemporaryDirectory directory_;
};

/// What a read of the key finds, or the damage that it meets.
std::string read(Session& session, TableId table, const std::string& key) {
  std::vector<std::byte> value;
  try {
    return session.read(table, as_bytes(key), value) == Status::ok ? as_text(value) : "none";
  } catch (const DamageError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE(
    "damaged trees: a manifest that is missing, damaged or of another version is refused by its place") {
  const Closed closed;
  const std::string manifest = closed.manifest().string();
  SECTION("missing") {
    fs::remove(closed.manifest());
    CHECK(closed.why_not_open() == manifest + ": missing: without it the directory holds no tree");
  }
  SECTION("empty") {
    fs::resize_file(closed.manifest(), 0);
    CHECK_THAT(closed.why_not_open(), Contains(manifest + " at byte 0: ends within the header"));
  }
  SECTION("another program's") {
    flip(closed.manifest(), 0);
    CHECK_THAT(closed.why_not_open(), Contains(manifest + " at byte 0: is no manifest"));
  }
  SECTION("another version") {
    flip(closed.manifest(), 8);
    CHECK_THAT(closed.why_not_open(), Contains(manifest + " at byte 8: has format version 33, want 1"));
  }
  SECTION("the first record") {
    flip(closed.manifest(), 20);
    CHECK_THAT(closed.why_not_open(), Contains(manifest + " at byte 16: the first record"));
  }
  SECTION("a record in front of a sound one") {
    std::vector<std::uint64_t> offsets;
    lsm::read_manifest(closed.tree(),
                       [&](std::uint64_t at, const lsm::ManifestEdit&) { offsets.push_back(at); });
    REQUIRE(offsets.size() >= 3);
    flip(closed.manifest(), offsets[1] + 12);
    CHECK(closed.why_not_open() ==
          fmt::format("{} at byte {}: a damaged record in front of a sound one at byte {}", manifest,
                      offsets[1], offsets[2]));
  }
}

TEST_CASE("damaged trees: a table file that cannot be relied on is refused by file and offset") {
  const Closed closed;
  const std::string file = closed.file().string();
  const lsm::TableFooter footer = closed.footer();
  const std::uint64_t size = fs::file_size(file);
  const auto offset_of_footer = size - lsm::TableFooter::kBytes;
  SECTION("missing") {
    fs::remove(file);
    CHECK_THAT(closed.why_not_open(), Contains(file + ": missing") && Contains(closed.manifest().string()));
  }
  SECTION("cut off") {
    fs::resize_file(file, size - 1);
    CHECK_THAT(closed.why_not_open(),
               Contains(fmt::format("{}: has {} bytes, want {}", file, size - 1, size)));
  }
  SECTION("filter") {
    flip(file, footer.filter.offset);
    CHECK_THAT(closed.why_not_open(), Contains(fmt::format("{}: the filter at offset {}: the checksum", file,
                                                           footer.filter.offset)));
  }
  SECTION("index") {
    flip(file, footer.index.offset);
    CHECK_THAT(closed.why_not_open(),
               Contains(fmt::format("{}: the index at offset {}: the checksum", file, footer.index.offset)));
  }
  SECTION("properties") {
    flip(file, footer.properties.offset);
    CHECK_THAT(closed.why_not_open(), Contains(fmt::format("{}: the properties at offset {}: the checksum",
                                                           file, footer.properties.offset)));
  }
  SECTION("footer") {
    flip(file, size - 40);
    CHECK_THAT(
        closed.why_not_open(),
        Contains(fmt::format("{}: the footer at offset {}: the footer's checksum", file, offset_of_footer)));
  }
  SECTION("another version") {
    flip(file, size - 16);
    CHECK_THAT(
        closed.why_not_open(),
        Contains(fmt::format("{}: the footer at offset {}: format version 33, this build wants version 1",
                             file, offset_of_footer)));
  }
  SECTION("another file of the tree in its place") {
    for (const auto& entry : fs::directory_iterator(closed.tree())) {
      if (entry.path() == file || entry.path().extension() != ".sst") continue;
      fs::copy_file(entry.path(), file, fs::copy_options::overwrite_existing);
      break;
    }
    CHECK_THAT(closed.why_not_open(), Contains(file));
  }
}

TEST_CASE("damaged trees: behind a damaged block all else is read, in this tree and in others") {
  const Closed closed;
  const std::string file = closed.file().string();
  REQUIRE(closed.files() > 1);
  flip(file, 5);
  const auto database = Database::open(closed.options());
  const TableId table = database->find_table("t").value();
  const std::string what = file + ": the block at offset 0: the checksum is ";
  {
    const auto session = database->attach(CommitPolicy::async);
    session->begin();
    CHECK_THAT(read(*session, table, key_of(0)), Contains(what));
    std::uint64_t damaged = 0, wrong = 0;
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      const std::string found = read(*session, table, key_of(i));
      if (found.find(what) != std::string::npos) {
        ++damaged;
      } else if (found != kValue) {
        ++wrong;
      }
    }
    CHECK(wrong == 0);
    CHECK(damaged > 0);
    CHECK(damaged < 200);  // a block
    for (std::uint64_t i = 0; i < 100; ++i) {
      CHECK(read(*session, database->find_table("other").value(), key_of(i)) == kValue);
    }
    // A scan that begins behind the block does not meet it.
    std::uint64_t scanned = 0;
    CHECK(session->scan(table, as_bytes(key_of(1000)), [&](Bytes, Bytes) { return ++scanned > 0; }) ==
          Status::ok);
    CHECK(scanned == kRecords - 1000);
    CHECK_THROWS_WITH(session->scan(table, {}, [](Bytes, Bytes) { return true; }), Contains(what));
    session->abort();
  }
  CHECK_THROWS_WITH(database->check(), Contains(what));
}

TEST_CASE("damaged trees: when a compaction meets a damaged block, changes are refused and reads go on") {
  const Closed closed;
  flip(closed.file(), 5);
  const std::string what = closed.file().string() + ": the block at offset 0: ";
  const auto database = Database::open(closed.options());
  const TableId table = database->find_table("t").value();
  const auto session = database->attach(CommitPolicy::async);
  std::string refused;
  // Each round writes over all the tree, so that compactions have to take in the damaged file.
  for (std::uint64_t i = 0; refused.empty() && i < 40 * kRecords; ++i) {
    session->begin();
    const std::string key = key_of(i * 7919 % kRecords);
    try {
      if (session->insert(table, as_bytes(key + "+" + std::to_string(i)), as_bytes(kValue)) != Status::ok) {
        refused = "not inserted";
      }
      session->commit();
    } catch (const DamageError& error) {
      refused = error.what();
      session->abort();
    }
  }
  CHECK_THAT(refused, Contains(what));
  session->begin();
  CHECK(read(*session, table, key_of(kRecords - 1)) == kValue);
  CHECK_THAT(read(*session, table, key_of(0)), Contains(what));
  session->abort();
}

}  // namespace muster
