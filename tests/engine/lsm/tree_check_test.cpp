#include "engine/lsm/tree_check.h"

#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "engine/error.h"
#include "engine/io/crc32c.h"
#include "engine/lsm/block_frame.h"
#include "engine/lsm/table_writer.h"
#include "tests/catch.h"
#include "tests/damage.h"
#include "tests/engine/lsm/tree_testing.h"

namespace muster::lsm {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using test::content_of;
using test::TestTree;

struct Checked {
  TreeCheck check;
  std::vector<std::string> wrong;
};

Checked check(const fs::path& directory) {
  Checked checked;
  checked.check = check_tree(directory, [&](const std::string& what) { checked.wrong.push_back(what); });
  return checked;
}

/// Finds one thing wrong, which `what` is a part of, and `sound` sound files.
void check_finds(const fs::path& directory, const std::string& what, std::uint64_t sound) {
  const Checked checked = check(directory);
  CAPTURE(checked.wrong);
  REQUIRE(checked.wrong.size() == 1);
  CHECK_THAT(checked.wrong[0], Contains(what));
  CHECK(checked.check.sound == sound);
}

void write(const fs::path& path, Bytes content) {
  File file = File::open(path, O_WRONLY | O_CREAT | O_TRUNC);
  file.write_at(0, content);
}

/// The parts of a table file that lie behind its blocks: replaces one by another of the same size, with its right checksum.
class Parts {
 public:
  explicit Parts(const fs::path& path) : path_(path), content_(content_of(path)) {
    footer = TableFooter::decode(content_, content_.size(), *table_number(path));
  }
  std::vector<std::byte> read(Section part) const {
    Buffer frame(part.bytes);
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(part.offset), part.bytes, frame.data.get());
    const Buffer opened = open_frame(std::move(frame));
    return {opened.bytes().begin(), opened.bytes().end()};
  }
  void replace(Section part, Bytes payload) {
    std::vector<std::byte> frame;
    append_frame(Compression::none, payload, frame);
    REQUIRE(frame.size() == part.bytes);
    std::ranges::copy(frame, content_.begin() + static_cast<std::ptrdiff_t>(part.offset));
    write(path_, content_);
  }

  TableFooter footer;

 private:
  const fs::path path_;
  std::vector<std::byte> content_;
};

/// Adds an edit to a manifest file, with its right checksum, whether or not it fits.
void append_edit(const fs::path& path, const ManifestEdit& edit) {
  std::vector<std::byte> content = content_of(path);
  const auto add = [&](Bytes bytes) { content.insert(content.end(), bytes.begin(), bytes.end()); };
  const std::uint64_t offset = content.size();
  const std::vector<std::uint8_t> encoded = encode(edit);
  const Bytes payload = std::as_bytes(std::span(encoded));
  const auto size = static_cast<std::uint32_t>(payload.size());
  const Bytes size_bytes = std::as_bytes(std::span(&size, 1));
  const std::uint32_t crc = crc32c(payload, crc32c(size_bytes, crc32c(std::as_bytes(std::span(&offset, 1)))));
  add(size_bytes);
  add(std::as_bytes(std::span(&crc, 1)));
  add(payload);
  write(path, content);
}

/// Tables 1 and 2 in level 1, 3 and 4 in level 0.
class TwoLevels : public TestTree {
 public:
  TwoLevels() {
    fill("a", 40);
    fill("m", 40);
    compact(test::all_of(0, 1));
    fill("b", 10);
    remove("a03");
    flush();
  }
  void fill(const std::string& prefix, int records) {
    for (int i = 0; i < records; ++i) put(fmt::format("{}{:02}", prefix, i), std::string(50, 'v'));
    flush();
  }
  fs::path table(unsigned level, std::size_t at = 0) const {
    return table_path(path(), store->levels()->level(level).at(at)->info().number);
  }
  fs::path manifest() const { return path() / "MANIFEST"; }
  const fs::path& path() const { return directory.path(); }
};

std::map<std::string, std::vector<std::byte>> contents(const fs::path& directory) {
  std::map<std::string, std::vector<std::byte>> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    files[entry.path().filename().string()] = content_of(entry.path());
  }
  return files;
}

}  // namespace

TEST_CASE("check_tree: a sound tree is summed up by level, and nothing is written") {
  const TwoLevels tree;
  const auto before = contents(tree.path());
  const Checked checked = check(tree.path());
  CHECK(checked.wrong.empty());
  CHECK(contents(tree.path()) == before);
  const std::uint64_t files = tree.store->levels()->tables();
  CHECK(files >= 3);
  CHECK(checked.check.files == files);
  CHECK(checked.check.sound == files);
  CHECK(checked.check.unnamed == 0);
  const auto levels = summarize(checked.check.manifest.state);
  CHECK(levels[0].files == 2);
  CHECK(levels[0].entries == 11);
  CHECK(levels[0].tombstones == 1);
  CHECK(test::text(levels[0].smallest) == "a03");
  CHECK(test::text(levels[0].largest) == "b09");
  CHECK(levels[1].entries == 80);
  CHECK(levels[1].bytes == tree.store->levels()->bytes(1));
  CHECK(test::text(levels[1].smallest) == "a00");
  CHECK(test::text(levels[1].largest) == "m39");
  CHECK(levels[2].files == 0);
}

TEST_CASE("check_tree: what is wrong with a table file is named with the place, and the others are sound") {
  const TwoLevels tree;
  const fs::path path = tree.table(1);
  const std::uint64_t others = tree.store->levels()->tables() - 1;
  Parts parts(path);
  const auto finds = [&](const std::string& what) {
    check_finds(tree.path(), path.string() + ": " + what, others);
  };
  SECTION("a block") {
    flip(path, 3);
    finds("the block at offset 0: the checksum is");
  }
  SECTION("the filter's bytes") {
    flip(path, parts.footer.filter.offset + 1);
    finds(fmt::format("the filter at offset {}: the checksum is", parts.footer.filter.offset));
  }
  SECTION("the index's bytes") {
    flip(path, parts.footer.index.offset + 1);
    finds(fmt::format("the index at offset {}: the checksum is", parts.footer.index.offset));
  }
  SECTION("the footer's version") {
    flip(path, fs::file_size(path) - 16);
    finds(fmt::format("the footer at offset {}: format version 33, this build wants version 1",
                      fs::file_size(path) - 72));
  }
  SECTION("a cut") {
    fs::resize_file(path, fs::file_size(path) - 100);
    finds("the footer at offset");
  }
  SECTION("a missing file") {
    fs::remove(path);
    finds("missing: the manifest names it");
  }
  SECTION("a filter that does not know a key") {
    std::vector<std::byte> filter = parts.read(parts.footer.filter);
    std::fill(filter.begin(), filter.end() - 1, std::byte{0});
    parts.replace(parts.footer.filter, filter);
    const Checked checked = check(tree.path());
    REQUIRE(!checked.wrong.empty());  // a line a block
    CHECK_THAT(checked.wrong[0],
               Contains(path.string() + ": the block at offset 0: the filter does not know one of its keys"));
    CHECK(checked.check.sound == others);
  }
  SECTION("properties of other entries") {
    TableProperties properties = decode_properties(parts.read(parts.footer.properties));
    SECTION("as the manifest would not have them") {
      properties.entries += 1;
      parts.replace(parts.footer.properties, encode_properties(properties));
      check_finds(tree.path(), path.string() + " at byte 0: tells of other entries than the manifest says",
                  others);
    }
    SECTION("as only the entries show") {
      properties.raw_bytes += 1;
      parts.replace(parts.footer.properties, encode_properties(properties));
      finds("the properties are not those of the entries");
    }
  }
}

TEST_CASE("check_tree: blocks of a file are checked one by one, behind a damaged one as well") {
  const TwoLevels tree;
  const fs::path path = tree.table(1);
  flip(path, 3);
  flip(path, Parts(path).footer.filter.offset - 1);  // the last block's checksum
  const Checked checked = check(tree.path());
  REQUIRE(checked.wrong.size() == 2);
  CHECK_THAT(checked.wrong[0], Contains("the block at offset 0"));
  CHECK_THAT(checked.wrong[1], Contains(path.string() + ": the block at offset "));
}

TEST_CASE("check_tree: a file with another number's name, or with entries out of order, is found") {
  const TwoLevels tree;
  SECTION("another number's name") {
    const fs::path first = tree.table(0), second = tree.table(1);
    fs::copy_file(first, second, fs::copy_options::overwrite_existing);
    check_finds(tree.path(), "holds table", tree.store->levels()->tables() - 1);
  }
  SECTION("two blocks in each other's place") {
    // Both of one size: all records are alike.
    const fs::path path = tree.table(1);
    std::vector<std::byte> content = content_of(path);
    const Parts parts(path);
    const Block index([&] {
      const auto bytes = parts.read(parts.footer.index);
      Buffer buffer(bytes.size());
      std::ranges::copy(bytes, buffer.data.get());
      return buffer;
    }());
    BlockIterator at(std::shared_ptr<const Block>(&index, [](const Block*) {}));
    at.seek_to_first();
    const auto size = static_cast<std::ptrdiff_t>(std::to_integer<unsigned>(at.entry().value[0]) & 0x7f) |
                      (at.entry().value.size() > 1 ? std::to_integer<unsigned>(at.entry().value[1]) << 7 : 0);
    at.next();
    std::swap_ranges(content.begin(), content.begin() + size, content.begin() + size);
    write(path, content);
    const Checked checked = check(tree.path());
    REQUIRE(!checked.wrong.empty());
    CHECK_THAT(checked.wrong[0], Contains("the block at offset 0: the index has another last key"));
  }
}

TEST_CASE("check_tree: a damaged manifest is named with its offset, and each file is checked by itself") {
  const TwoLevels tree;
  const std::uint64_t files = tree.store->levels()->tables();
  const std::string manifest = tree.manifest().string();
  std::string what;
  SECTION("missing") {
    fs::remove(tree.manifest());
    what = ": missing: without it the directory holds no tree";
  }
  SECTION("the first record") {
    flip(tree.manifest(), 30);
    what = " at byte 16: the first record, which holds a whole state, is damaged";
  }
  SECTION("the version") {
    flip(tree.manifest(), 8);
    what = " at byte 8: has format version 33, want 1";
  }
  SECTION("levels that overlap, with right checksums") {
    const std::uint64_t offset = fs::file_size(tree.manifest());
    const std::uint64_t number = tree.store->new_number();
    append_edit(tree.manifest(), {.added = {test::placed(1, number, "a00", "zz")}, .next_file = number + 1});
    what = fmt::format(
        " at byte {}: a record with a right checksum is wrong: an edit that makes its level "
        "overlap with table {}",
        offset, number);
  }
  check_finds(tree.path(), manifest + what, files);
}

TEST_CASE("check_tree: what a crash leaves is no damage, and is said") {
  const TwoLevels tree;
  const std::vector<std::byte> sound = content_of(tree.manifest());
  write(tree.manifest(), Bytes(sound).first(sound.size() - 5));
  write(tree.path() / "000099.sst", Bytes(sound).first(7));
  const Checked checked = check(tree.path());
  CHECK(checked.wrong.empty());
  CHECK(checked.check.manifest.end < checked.check.manifest.bytes);
  CHECK(checked.check.manifest.bytes == sound.size() - 5);
  CHECK(checked.check.unnamed >= 1);
  CHECK(checked.check.sound == checked.check.files);
}

TEST_CASE("read_live_manifest: shows every edit with its offset, up to a damaged one") {
  const TwoLevels tree;
  std::vector<std::pair<std::uint64_t, ManifestEdit>> edits;
  const auto keep = [&](std::uint64_t offset, const ManifestEdit& edit) { edits.emplace_back(offset, edit); };
  const ManifestContent content = read_live_manifest(tree.path(), keep);
  REQUIRE(edits.size() == 6);  // the empty state, four flushes, a compaction
  ManifestState state;
  for (const auto& [offset, edit] : edits) state.apply(edit);
  CHECK(state == content.state);
  const std::uint64_t damaged = edits[2].first;
  flip(tree.manifest(), damaged + 20);
  edits.clear();
  CHECK_THROWS_WITH(read_live_manifest(tree.path(), keep), Contains(fmt::format("at byte {}", damaged)));
  CHECK(edits.size() == 2);
}

TEST_CASE("check_tree: beside flushes and compactions a sound tree never looks damaged") {
  TestTree tree;
  std::atomic<bool> done{false};
  std::jthread work([&] {
    for (int round = 0; !done; ++round) {
      for (int i = 0; i < 60; ++i)
        tree.put(fmt::format("k{:03}", (round * 17 + i) % 300), std::string(30, 'v'));
      tree.flush();
      while (tree.compact(test::small_leveled())) {}
    }
  });
  std::uint64_t files = 0;
  std::set<std::uint64_t> next_files;
  std::vector<std::string> wrong;
  for (int i = 0; i < 100 || next_files.size() < 40; ++i) {  // until enough has happened
    const Checked checked = check(tree.directory.path());
    wrong.insert(wrong.end(), checked.wrong.begin(), checked.wrong.end());
    CHECK(checked.check.sound + checked.check.unread == checked.check.files);
    files += checked.check.sound;
    next_files.insert(checked.check.manifest.state.next_file());
  }
  done = true;
  work.join();
  CHECK(wrong == std::vector<std::string>());
  CHECK(files > 100);
}

}  // namespace muster::lsm
