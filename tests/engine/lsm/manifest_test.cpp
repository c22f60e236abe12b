#include "engine/lsm/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/engine/lsm/manifest_testing.h"
#include "tests/temporary_directory.h"

namespace muster::lsm {
namespace {

namespace fs = std::filesystem;
using Kind = FileOperation::Kind;
using test::placed;

void write_files(const fs::path& directory, const ManifestEdit& edit) {
  for (const PlacedTable& added : edit.added) test::write_table_file(directory, added.table);
}

/// The tree of life_of_a_tree(), and where each of its manifest's records ends.
struct Life {
  Life() {
    Manifest manifest = Manifest::create(directory.path());
    ends.push_back(manifest.bytes());
    for (const ManifestEdit& edit : edits) {
      write_files(directory.path(), edit);
      manifest.apply(edit);
      ends.push_back(manifest.bytes());
    }
  }
  void write(const std::vector<std::byte>& content) const {
    File file = File::open(directory / "MANIFEST", O_WRONLY | O_TRUNC);
    file.write_at(0, content);
  }

  const std::vector<ManifestEdit> edits = test::life_of_a_tree();
  const std::vector<ManifestState> states = test::states_of(edits);
  TemporaryDirectory directory;
  std::vector<std::uint64_t> ends;
};

/// The message of the DamageError that `act` throws; empty if it throws none.
template <class Act>
std::string damage(Act act) {
  try {
    act();
  } catch (const DamageError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("Manifest: what was applied is there after an opening, again and again") {
  const Life life;
  for (int time = 0; time < 3; ++time) {
    const Manifest manifest = test::open_manifest(life.directory.path());
    CHECK(manifest.state() == life.states.back());
  }
  CHECK(life.states.back().flushed() == 600);
  CHECK(life.states.back().next_file() == 7);
  CHECK(life.states.back().tables().size() == 3);
}

TEST_CASE(
    "Manifest: a flipped bit is damage at the record's offset, or in the last one its end; never another "
    "state") {
  const Life life;
  const std::vector<std::byte> sound = test::content_of(life.directory / "MANIFEST");
  REQUIRE(sound.size() == life.ends.back());
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < sound.size(); ++at) {
    const std::size_t record =
        static_cast<std::size_t>(std::ranges::upper_bound(life.ends, at) - life.ends.begin());
    for (int bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> content = sound;
      content[at] ^= std::byte{1} << bit;
      life.write(content);
      ManifestState state;
      const std::string error = damage([&] { state = read_manifest(life.directory.path()).state; });
      if (record + 1 == life.ends.size()) {  // as if the last append had been cut off
        wrong += !error.empty() || state != life.states[record - 1];
        continue;
      }
      std::uint64_t begin = record == 0 ? 16 : life.ends[record - 1];
      if (at < 16) begin = at < 8 ? 0 : at < 12 ? 8 : 12;
      wrong +=
          !error.starts_with(fmt::format("{} at byte {}:", (life.directory / "MANIFEST").string(), begin));
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("Manifest: cut off anywhere, it is the state of the records that are whole") {
  const Life life;
  const std::vector<std::byte> sound = test::content_of(life.directory / "MANIFEST");
  std::size_t wrong = 0;
  for (std::size_t size = 0; size < sound.size(); ++size) {
    life.write({sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(size)});
    const auto whole =
        static_cast<std::size_t>(std::ranges::upper_bound(life.ends, size) - life.ends.begin());
    ManifestState state;
    const std::string error = damage([&] { state = read_manifest(life.directory.path()).state; });
    if (whole == 0) {
      const std::string where = fmt::format("MANIFEST at byte {}:", size < 16 ? size : 16);
      wrong += error.find(where) == std::string::npos;
    } else {
      wrong += !error.empty() || state != life.states[whole - 1];
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("Manifest: what a crash left of an append stands in front of no later record") {
  const Life life;
  std::vector<std::byte> torn = test::content_of(life.directory / "MANIFEST");
  torn.resize(torn.size() - 3);
  torn.resize(torn.size() + 5000, std::byte{0});  // the file's size went ahead of its bytes
  life.write(torn);
  {
    Manifest manifest = test::open_manifest(life.directory.path());
    CHECK(manifest.state() == life.states[life.states.size() - 2]);
    write_files(life.directory.path(), life.edits.back());
    manifest.apply(life.edits.back());
  }
  CHECK(read_manifest(life.directory.path()).state == life.states.back());
}

TEST_CASE("Manifest: a key that reads like a record is none where an append was cut off") {
  const Life life;
  Manifest manifest = test::open_manifest(life.directory.path());
  const std::vector<std::byte> content = test::content_of(life.directory / "MANIFEST");
  PlacedTable table = placed(0, 6, "a", "b");
  table.table.largest.assign(content.begin() + 16, content.end());  // the first record, which is the only one
  table.table.largest.insert(table.table.largest.begin(), std::byte{'b'});
  test::write_table_file(life.directory.path(), table.table);
  manifest.apply({.added = {table}});
  fs::resize_file(life.directory / "MANIFEST", manifest.bytes() - 3);
  CHECK(read_manifest(life.directory.path()).state == life.states.back());
}

TEST_CASE("Manifest: one that is missing, or of another version, is refused by name") {
  const Life life;
  std::vector<std::byte> content = test::content_of(life.directory / "MANIFEST");
  content[8] = std::byte{9};
  life.write(content);
  const std::string version = damage([&] { test::open_manifest(life.directory.path()); });
  CHECK(version.find("MANIFEST at byte 8: has format version 9, want 1") != std::string::npos);
  fs::remove(life.directory / "MANIFEST");
  const std::string missing = damage([&] { test::open_manifest(life.directory.path()); });
  CHECK(missing.find("MANIFEST: missing") != std::string::npos);
}

TEST_CASE("Manifest: a table's file that is missing or of another size is refused, and nothing is removed") {
  const Life life;
  const fs::path leftover = life.directory / "000099.sst";
  File::open(leftover, O_WRONLY | O_CREAT);
  fs::resize_file(table_path(life.directory.path(), 4), 63);
  const std::string size = damage([&] { test::open_manifest(life.directory.path()); });
  CHECK(size.find("000004.sst: has 63 bytes, want 64") != std::string::npos);
  fs::remove(table_path(life.directory.path(), 4));
  const std::string missing = damage([&] { test::open_manifest(life.directory.path()); });
  CHECK(missing.find("000004.sst: missing") != std::string::npos);
  CHECK(exists(leftover));
}

TEST_CASE("Manifest: an opening removes the table files that it does not name, and no others") {
  const Life life;
  const std::vector<std::string> leftovers{"000001.sst", "000002.sst", "000099.sst", "MANIFEST.new",
                                           "1234567890.sst"};
  const std::vector<std::string> others{"notes.sst", "000001.txt", "1.sst", "00000001.sst", "MANIFEST.old"};
  for (const auto* names : {&leftovers, &others}) {
    for (const std::string& name : *names) File::open(life.directory / name, O_WRONLY | O_CREAT);
  }
  const Manifest manifest = test::open_manifest(life.directory.path());
  for (const std::string& name : leftovers) CHECK_FALSE(exists(life.directory / name));
  for (const std::string& name : others) CHECK(exists(life.directory / name));
  for (const auto& [number, table] : manifest.state().tables()) {
    CHECK(exists(table_path(life.directory.path(), number)));
  }
}

TEST_CASE("Manifest: an edit that does not fit is refused, and changes nothing") {
  const Life life;
  Manifest manifest = test::open_manifest(life.directory.path());
  const std::uint64_t bytes = manifest.bytes();
  const auto at_7 = [](PlacedTable table) {
    return ManifestEdit{.added = {std::move(table)}, .next_file = 8};
  };
  const std::vector<ManifestEdit> wrong{
      {.removed = {1}},
      {.removed = {3, 3}},
      at_7(placed(0, 5, "a", "b")),        // is there
      at_7(placed(0, 8, "a", "b")),        // beyond next_file
      at_7(placed(0, 0, "a", "b")),        // no number
      at_7(placed(1, 7, "k", "l")),        // table 3 ends at k
      at_7(placed(2, 7, "", "zzz")),       // table 4 lies within
      at_7(placed(2, 7, "m", "n")),        // lies within table 4
      at_7(placed(kLevels, 7, "a", "b")),  // no level
      at_7(placed(0, 7, "b", "a")),        // ends before it begins
      {.flushed = 599},
      {.next_file = 6},
  };
  for (const ManifestEdit& edit : wrong) CHECK_THROWS_AS(manifest.apply(edit), std::logic_error);
  CHECK(manifest.state() == life.states.back());
  CHECK(manifest.bytes() == bytes);
  CHECK_FALSE(manifest.is_in_doubt());
}

TEST_CASE("Manifest: it is made anew when it has grown, and stays small") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t kBytes = 1000;
  Manifest manifest = Manifest::create(directory.path(), kBytes);
  std::uint64_t most = 0;
  Judge judge([](const FileOperation&) { return FileVerdict{}; });
  for (std::uint64_t number = 1; number <= 200; ++number) {
    ManifestEdit edit{.added = {placed(0, number, "a", "b")}, .flushed = number, .next_file = number + 1};
    if (number > 1) edit.removed = {number - 1};
    manifest.apply(edit);
    most = std::max(most, manifest.bytes());
  }
  CHECK(most < 2 * kBytes);
  CHECK(judge.count[Kind::rename] > 5);
  CHECK(judge.count[Kind::rename] < 50);
  CHECK(read_manifest(directory.path()).state == manifest.state());
}

TEST_CASE("Manifest: on a full disk edits are refused one by one, and what was there stays") {
  const Life life;
  Manifest manifest = test::open_manifest(life.directory.path(), 1);  // wants to be made anew at every edit
  const ManifestEdit edit{.flushed = 700};
  for (const std::size_t room : {0, 3, 20}) {
    std::size_t left = room;
    const Judge full([&](const FileOperation& operation) {
      if (operation.kind != Kind::write) return FileVerdict{};
      if (left == 0) return FileVerdict{.error = ENOSPC};
      const std::size_t bytes = std::exchange(left, 0);
      return FileVerdict{.bytes_max = bytes};
    });
    CHECK_THROWS_AS(manifest.apply(edit), std::system_error);
    CHECK(manifest.state() == life.states.back());
    CHECK_FALSE(manifest.is_in_doubt());
    CHECK(fs::file_size(life.directory / "MANIFEST") == manifest.bytes());
  }
  manifest.apply(edit);
  CHECK(manifest.state().flushed() == 700);
  CHECK(read_manifest(life.directory.path()).state == manifest.state());
  CHECK_FALSE(exists(life.directory / "MANIFEST.new"));
}

TEST_CASE("Manifest: on a full disk it opens, without what a crash left of an append") {
  const Life life;
  std::vector<std::byte> torn = test::content_of(life.directory / "MANIFEST");
  torn.resize(torn.size() - 3);
  life.write(torn);
  {
    const Judge full([](const FileOperation& operation) {
      return FileVerdict{.error = operation.kind == Kind::write ? ENOSPC : 0};
    });
    CHECK(test::open_manifest(life.directory.path()).state() == life.states[life.states.size() - 2]);
  }
  CHECK(test::content_of(life.directory / "MANIFEST").size() == life.ends[life.ends.size() - 2]);
}

TEST_CASE("Manifest: after a failed sync it is in doubt, and takes no more edits until it is opened anew") {
  const Life life;
  Manifest manifest = test::open_manifest(life.directory.path());
  {
    const Judge broken([](const FileOperation& operation) {
      return FileVerdict{.error = operation.kind == Kind::sync ? EIO : 0};
    });
    CHECK_THROWS_AS(manifest.apply({.flushed = 700}), std::system_error);
  }
  CHECK(manifest.is_in_doubt());
  CHECK_THROWS_AS(manifest.apply({.flushed = 800}), std::system_error);
  CHECK(manifest.state() == life.states.back());
  Manifest opened = test::open_manifest(life.directory.path());
  opened.apply({.flushed = 900});
  CHECK(opened.state().flushed() == 900);
}

}  // namespace muster::lsm
