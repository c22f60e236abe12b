#include <fcntl.h>

#include <array>
#include <thread>

#include "engine/error.h"
#include "engine/io/file_observer.h"
#include "engine/lsm/table_file.h"
#include "engine/lsm/table_writer.h"
#include "tests/engine/lsm/table_testing.h"
#include "tests/temporary_directory.h"

namespace muster::lsm {
namespace {

TableProperties write_table(const std::filesystem::path& path, const Model& model,
                            const TableOptions& options, std::uint64_t number = 1) {
  TableWriter writer(path, number, options);
  for (const auto& item : model) writer.add(entry_of(item));
  return writer.finish();
}

std::vector<std::byte> read_file(const std::filesystem::path& path) {
  const File file = File::open(path, O_RDONLY);
  std::vector<std::byte> bytes(file.size());
  REQUIRE(file.read_at(0, bytes) == bytes.size());
  return bytes;
}

void write_file(const std::filesystem::path& path, Bytes bytes) {
  File file = File::open(path, O_WRONLY | O_CREAT | O_TRUNC);
  file.write_at(0, bytes);
}

std::optional<Item> find(const TableFile& table, std::string_view key) {
  std::vector<std::byte> value;
  Item item;
  if (!table.find(bytes_of(key), value, item.tombstone, item.lsn)) return std::nullopt;
  item.value = text_of(value);
  return item;
}

TEST_CASE(
    "TableFile: entries come back by key and in both directions, with every compression and block size") {
  const auto compression = GENERATE(Compression::none, Compression::lz4, Compression::zstd);
  const auto block_bytes = GENERATE(std::size_t{1}, std::size_t{200}, std::size_t{4096});
  const auto bloom_bits = GENERATE(0u, 10u);
  const auto cache_bytes = GENERATE(std::size_t{0}, std::size_t{20000}, std::size_t{1} << 24);
  CAPTURE(to_string(compression), block_bytes, bloom_bits, cache_bytes);
  std::mt19937_64 random(block_bytes + cache_bytes);
  const TemporaryDirectory directory;
  const Model model = random_model(random, 400);
  const TableOptions options{
      .compression = compression, .bloom_bits = bloom_bits, .block_bytes = block_bytes};
  const TableProperties written = write_table(directory / "t", model, options, 12);

  BlockCache cache(cache_bytes);
  const auto table = TableFile::open(directory / "t", cache, 12);
  CHECK(table->properties() == written);
  CHECK_NOTHROW(table->verify());
  check_iterator(*table->iterator(), model, random);
  check_iterator(*table->iterator(Caching::bypass), model, random);
  for (int i = 0; i < 500; ++i) {
    const std::string key = some_key(random, model);
    const auto expected = model.find(key);
    const std::optional<Item> found = find(*table, key);
    REQUIRE(found.has_value() == (expected != model.end()));
    if (found) REQUIRE(*found == expected->second);
  }
}

TEST_CASE("TableFile: the properties are those of the entries") {
  const TemporaryDirectory directory;
  const Model model = {{"apple", {30, false, "red"}}, {"lemon", {20, true, ""}}, {"plum", {40, false, ""}}};
  const TableProperties properties =
      write_table(directory / "t", model, {.compression = Compression::zstd}, 7);
  CHECK(properties.number == 7);
  CHECK(properties.entries == 3);
  CHECK(properties.tombstones == 1);
  CHECK(text_of(properties.smallest) == "apple");
  CHECK(text_of(properties.largest) == "plum");
  CHECK(properties.least_lsn == 20);
  CHECK(properties.greatest_lsn == 40);
  CHECK(properties.raw_bytes == 17);
  CHECK(properties.blocks == 1);
  CHECK(properties.compression == Compression::zstd);
  CHECK(properties.format_version == kTableFormatVersion);
  CHECK(properties.file_bytes == std::filesystem::file_size(directory / "t"));
}

TEST_CASE("TableFile: an empty one holds nothing") {
  const TemporaryDirectory directory;
  write_table(directory / "t", {}, {});
  BlockCache cache(1 << 20);
  const auto table = TableFile::open(directory / "t", cache, 1);
  table->verify();
  std::mt19937_64 random(1);
  check_iterator(*table->iterator(), {}, random);
  CHECK_FALSE(find(*table, ""));
  const auto iterator = table->iterator();
  iterator->seek(bytes_of("a"));
  CHECK_FALSE(iterator->valid());
  iterator->seek_below(bytes_of("a"));
  CHECK_FALSE(iterator->valid());
}

TEST_CASE("TableFile: of a key's entries the newest is found, also where they fill several blocks") {
  const TemporaryDirectory directory;
  TableWriter writer(directory / "t", 1, {.compression = Compression::none, .block_bytes = 100});
  writer.add({bytes_of("a"), 5, false, bytes_of("before")});
  for (Lsn lsn = 60; lsn > 0; --lsn) writer.add({bytes_of("key"), lsn, false, bytes_of("some ten bytes")});
  writer.add({bytes_of("z"), 5, false, bytes_of("behind")});
  CHECK(writer.finish().blocks > 5);
  BlockCache cache(1 << 20);
  const auto table = TableFile::open(directory / "t", cache, 1);
  table->verify();
  CHECK(find(*table, "key")->lsn == 60);
  const auto iterator = table->iterator();
  iterator->seek(bytes_of("key"));
  CHECK(iterator->entry().lsn == 60);
  iterator->seek_below(bytes_of("z"));
  CHECK(iterator->entry().lsn == 1);
  iterator->seek_below(bytes_of("key"));
  CHECK(text_of(iterator->entry().key) == "a");
}

TEST_CASE("TableWriter: an entry that is not behind the one before is refused") {
  const TemporaryDirectory directory;
  TableWriter writer(directory / "t", 1, {.block_bytes = 1});  // each entry begins a block
  writer.add({bytes_of("b"), 5, false, {}});
  CHECK_THROWS_AS(writer.add({bytes_of("a"), 9, false, {}}), std::logic_error);
  CHECK_THROWS_AS(writer.add({bytes_of("b"), 5, false, {}}), std::logic_error);
  CHECK_THROWS_AS(writer.add({bytes_of("b"), 6, false, {}}), std::logic_error);
  CHECK_THROWS_AS(writer.add({bytes_of("c"), 6, true, bytes_of("v")}), std::logic_error);
  CHECK_NOTHROW(writer.add({bytes_of("b"), 4, false, {}}));
  writer.finish();
  CHECK_THROWS_AS(writer.finish(), std::logic_error);
}

TEST_CASE("TableWriter: a file that was not finished is removed, a finished one stays") {
  const TemporaryDirectory directory;
  {
    TableWriter writer(directory / "t", 1, {});
    writer.add({bytes_of("b"), 5, false, {}});
    CHECK(std::filesystem::exists(directory / "t"));
  }
  CHECK_FALSE(std::filesystem::exists(directory / "t"));
  write_table(directory / "t", {}, {});
  CHECK(std::filesystem::exists(directory / "t"));
}

/// Lets the n-th operation that changes a file fail, counted from 0, and remembers their kinds.
class FailingDisk : public FileObserver {
 public:
  explicit FailingDisk(std::size_t fails) : fails_(fails) { observe_files(this); }
  ~FailingDisk() override { observe_files(nullptr); }
  FileVerdict before(const FileOperation& operation) override {
    kinds.push_back(operation.kind);
    return {.error = kinds.size() - 1 == fails_ ? ENOSPC : 0};
  }
  void after(const FileOperation& /*operation*/, std::int64_t /*result*/) override {}

  std::vector<FileOperation::Kind> kinds;

 private:
  const std::size_t fails_;
};

TEST_CASE(
    "TableWriter: a file whose writing failed at any point is removed, and a finished one was synced last") {
  std::mt19937_64 random(30);
  const TemporaryDirectory directory;
  const Model model = random_model(random, 4000);  // more than one write
  using Kind = FileOperation::Kind;
  std::size_t failed = 0;
  for (;; ++failed) {
    FailingDisk disk(failed);
    try {
      write_table(directory / "t", model, {.compression = Compression::none});
    } catch (const std::system_error&) {
      REQUIRE_FALSE(std::filesystem::exists(directory / "t"));
      continue;
    }
    CHECK(disk.kinds.front() == Kind::open);
    CHECK(std::ranges::count(disk.kinds, Kind::write) >= 2);
    CHECK(disk.kinds.back() == Kind::sync);
    CHECK(disk.kinds.size() == failed);  // each of them has failed once
    break;
  }
}

TEST_CASE("TableWriter: options out of range are refused before a file is there") {
  const TemporaryDirectory directory;
  CHECK_THROWS_AS(TableWriter(directory / "t", 1, {.block_bytes = 0}), std::invalid_argument);
  CHECK_THROWS_AS(TableWriter(directory / "t", 1, {.block_bytes = 1 << 21}), std::invalid_argument);
  CHECK_THROWS_AS(TableWriter(directory / "t", 1, {.bloom_bits = kBloomBitsMax + 1}), std::invalid_argument);
  CHECK_FALSE(std::filesystem::exists(directory / "t"));
}

TEST_CASE("TableFile: any flipped byte is found by verify, or by the opening") {
  const auto compression = GENERATE(Compression::none, Compression::lz4, Compression::zstd);
  CAPTURE(to_string(compression));
  std::mt19937_64 random(31);
  const TemporaryDirectory directory;
  const Model model = random_model(random, 20);
  write_table(directory / "t", model, {.compression = compression, .block_bytes = 500});
  const std::vector<std::byte> whole = read_file(directory / "t");
  BlockCache cache(1 << 20);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::vector<std::byte> flipped = whole;
    flipped[at] ^= static_cast<std::byte>(1 + random() % 255);
    write_file(directory / "t", flipped);
    std::string said;
    try {
      TableFile::open(directory / "t", cache, 1)->verify();
    } catch (const DamageError& error) {
      said = error.what();
    }
    CAPTURE(at, said);
    REQUIRE(said.starts_with((directory / "t").string() + ": the "));
    REQUIRE(said.find("at offset ") != std::string::npos);
  }
}

TEST_CASE("TableFile: a read that meets a flipped byte says so, and the other reads are right") {
  std::mt19937_64 random(32);
  const TemporaryDirectory directory;
  const Model model = random_model(random, 60);
  const TableProperties properties = write_table(directory / "t", model, {.block_bytes = 300});
  REQUIRE(properties.blocks > 5);
  std::vector<std::byte> bytes = read_file(directory / "t");
  bytes[0] ^= std::byte{0x10};
  write_file(directory / "t", bytes);
  BlockCache cache(1 << 20);
  const auto table = TableFile::open(directory / "t", cache, 1);
  std::size_t damaged = 0;
  for (const auto& [key, item] : model) {
    std::optional<Item> found = item;
    try {
      found = find(*table, key);
    } catch (const DamageError&) {
      ++damaged;
    }
    REQUIRE(found == item);
  }
  CHECK(damaged > 0);
  CHECK(damaged < model.size() / 2);
  const auto iterator = table->iterator();
  CHECK_THROWS_AS(iterator->seek_to_first(), DamageError);
  CHECK_FALSE(iterator->valid());
  iterator->seek_to_last();
  std::size_t read = 0;
  CHECK_THROWS_AS(
      [&] {
        for (; iterator->valid(); iterator->previous()) ++read;
      }(),
      DamageError);
  CHECK(read == model.size() - damaged);
}

TEST_CASE("TableFile: a file that was cut anywhere, or goes on, does not open") {
  std::mt19937_64 random(33);
  const TemporaryDirectory directory;
  write_table(directory / "t", random_model(random, 20), {});
  std::vector<std::byte> whole = read_file(directory / "t");
  BlockCache cache(1 << 20);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(directory / "t", Bytes(whole).first(size));
    REQUIRE_THROWS_AS(TableFile::open(directory / "t", cache, 1), DamageError);
  }
  whole.insert(whole.begin(), std::byte{0});
  write_file(directory / "t", whole);
  CHECK_THROWS_AS(TableFile::open(directory / "t", cache, 1), DamageError);
  whole.erase(whole.begin());
  whole.push_back(std::byte{0});
  write_file(directory / "t", whole);
  CHECK_THROWS_AS(TableFile::open(directory / "t", cache, 1), DamageError);
}

TEST_CASE("TableFile: another number and another format version are refused by what was found and wanted") {
  const TemporaryDirectory directory;
  write_table(directory / "t", {{"a", {1, false, ""}}}, {}, 5);
  BlockCache cache(1 << 20);
  const auto refusal = [&](std::uint64_t number) -> std::string {
    try {
      TableFile::open(directory / "t", cache, number);
    } catch (const DamageError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refusal(5).empty());
  CHECK(refusal(6).ends_with("holds table 5, want table 6"));
  std::vector<std::byte> bytes = read_file(directory / "t");
  bytes[bytes.size() - 16] = std::byte{9};
  write_file(directory / "t", bytes);
  CHECK(refusal(5).ends_with("format version 9, this build wants version 1"));
}

TEST_CASE("TableFile: a table that is closed leaves nothing in the cache") {
  std::mt19937_64 random(34);
  const TemporaryDirectory directory;
  const Model model = random_model(random, 300);
  write_table(directory / "t", model, {.block_bytes = 300});
  BlockCache cache(1 << 24);
  const auto other = TableFile::open(directory / "t", cache, 1);
  REQUIRE(find(*other, model.begin()->first));
  const BlockCacheStatistics before = cache.statistics();
  {
    const auto table = TableFile::open(directory / "t", cache, 1);
    check_iterator(*table->iterator(Caching::bypass), model, random);
    CHECK(cache.statistics().blocks == before.blocks);
    check_iterator(*table->iterator(), model, random);
    CHECK(cache.statistics().blocks == before.blocks + table->properties().blocks);
  }
  CHECK(cache.statistics().blocks == before.blocks);
  CHECK(cache.statistics().bytes == before.bytes);
}

TEST_CASE("TableFile: the filter spares absent keys their blocks") {
  const TemporaryDirectory directory;
  Model model;
  for (int i = 0; i < 1000; ++i) model["user" + std::to_string(2 * i)] = {1, false, "value"};
  write_table(directory / "t", model, {.bloom_bits = 10});
  BlockCache cache(0);
  const auto table = TableFile::open(directory / "t", cache, 1);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(find(*table, "user" + std::to_string(2 * i + 1)));
  CHECK(cache.statistics().misses < 50);
}

TEST_CASE("TableFile: threads read one table through a cache that is too small for it") {
  std::mt19937_64 random(35);
  const TemporaryDirectory directory;
  const Model model = random_model(random, 1000);
  write_table(directory / "t", model, {.compression = Compression::zstd, .block_bytes = 1000});
  const std::size_t capacity = 30000;
  BlockCache cache(capacity);
  const auto table = TableFile::open(directory / "t", cache, 1);
  std::array<std::uint64_t, 4> wrong{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 mine(t);
      const auto iterator = table->iterator(t % 2 == 0 ? Caching::fill : Caching::bypass);
      for (int i = 0; i < 500; ++i) {
        const std::string key = some_key(mine, model);
        const auto expected = model.find(key);
        const std::optional<Item> found = find(*table, key);
        if (found.has_value() != (expected != model.end()) || (found && *found != expected->second))
          ++wrong[t];
        iterator->seek(bytes_of(key));
        auto at = model.lower_bound(key);
        for (int step = 0; step < 10 && at != model.end(); ++step, ++at, iterator->next())
          if (!iterator->valid() || read_entry_of(*iterator) != *at) ++wrong[t];
        if (cache.statistics().bytes > capacity) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::uint64_t count : wrong) CHECK(count == 0);
  CHECK(cache.statistics().hits > 0);
}

TEST_CASE("Table files are named by their number") {
  CHECK(table_path("d", 7) == "d/000007.sst");
  CHECK(table_path("d", 1234567) == "d/1234567.sst");
  CHECK(table_number("d/000007.sst") == 7);
  CHECK(table_number("1234567.sst") == 1234567);
  for (const char* name :
       {"7.sst", "0000007.sst", "000007.sst.new", "000007", "-00007.sst", ".sst", "manifest"})
    CHECK_FALSE(table_number(name).has_value());
}

}  // namespace
}  // namespace muster::lsm
