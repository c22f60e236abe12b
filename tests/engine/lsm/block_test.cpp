#include "engine/lsm/block.h"

#include "engine/error.h"
#include "engine/lsm/block_frame.h"
#include "tests/engine/lsm/table_testing.h"

namespace muster::lsm {
namespace {

Buffer copy(Bytes bytes) {
  Buffer buffer(bytes.size());
  std::ranges::copy(bytes, buffer.data.get());
  return buffer;
}

std::vector<std::byte> build(const Model& model, std::uint32_t restart_interval) {
  BlockBuilder builder(restart_interval);
  for (const auto& item : model) builder.add(entry_of(item));
  const std::size_t expected = builder.bytes();
  const Bytes built = builder.finish();
  CHECK(built.size() == expected);
  return {built.begin(), built.end()};
}

/// Everything that a reader may do, whatever the order of the entries.
std::size_t read_all(Bytes bytes, std::string_view key) {
  const auto block = std::make_shared<const Block>(copy(bytes));
  std::size_t read = 0;
  Entry found;
  if (block->find(bytes_of(key), found)) read += found.value.size();
  BlockIterator iterator(block);
  for (iterator.seek_to_first(); iterator.valid(); iterator.next())
    read += text_of(iterator.entry().key).size();
  for (iterator.seek_to_last(); iterator.valid(); iterator.previous())
    read += text_of(iterator.entry().value).size();
  iterator.seek(bytes_of(key));
  iterator.seek_below(bytes_of(key));
  return read;
}

TEST_CASE("Block: entries come back as they were added, in both directions, at every restart interval") {
  const auto seed = GENERATE(range(1, 9));
  const auto interval = GENERATE(1u, 2u, 16u);
  CAPTURE(seed, interval);
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const Model model = random_model(random, 1 + random() % 150);
  const auto block = std::make_shared<const Block>(copy(build(model, interval)));
  BlockIterator iterator(block);
  check_iterator(iterator, model, random);
  for (int i = 0; i < 500; ++i) {
    const std::string key = some_key(random, model);
    const auto expected = model.find(key);
    Entry found;
    REQUIRE(block->find(bytes_of(key), found) == (expected != model.end()));
    if (expected != model.end()) {
      REQUIRE(text_of(found.key) == key);
      REQUIRE(Item{found.lsn, found.tombstone, text_of(found.value)} == expected->second);
    }
  }
}

TEST_CASE("Block: an empty one has no entries") {
  BlockBuilder builder;
  const auto block = std::make_shared<const Block>(copy(builder.finish()));
  Entry found;
  CHECK(block->empty());
  CHECK_FALSE(block->find(bytes_of(""), found));
  BlockIterator iterator(block);
  std::mt19937_64 random(1);
  check_iterator(iterator, {}, random);
  iterator.seek(bytes_of("a"));
  CHECK_FALSE(iterator.valid());
  iterator.seek_below(bytes_of("a"));
  CHECK_FALSE(iterator.valid());
}

TEST_CASE("Block: of a key's entries the newest is found") {
  const auto versions = GENERATE(2u, 16u, 17u, 40u);
  BlockBuilder builder(8);
  builder.add({bytes_of("a"), 7, false, bytes_of("before")});
  for (Lsn lsn = versions; lsn > 0; --lsn) {
    const std::string value = "value " + std::to_string(lsn);
    builder.add({bytes_of("key"), lsn, false, bytes_of(value)});
  }
  builder.add({bytes_of("keys"), 9, true, {}});
  const auto block = std::make_shared<const Block>(copy(builder.finish()));
  Entry found;
  REQUIRE(block->find(bytes_of("key"), found));
  CHECK(found.lsn == versions);
  CHECK(text_of(found.value) == "value " + std::to_string(versions));
  REQUIRE(block->find(bytes_of("keys"), found));
  CHECK(found.tombstone);

  BlockIterator iterator(block);
  iterator.seek(bytes_of("key"));
  REQUIRE(iterator.valid());
  CHECK(iterator.entry().lsn == versions);
  iterator.seek_below(bytes_of("keys"));
  REQUIRE(iterator.valid());
  CHECK(iterator.entry().lsn == 1);
  iterator.seek_below(bytes_of("key"));
  REQUIRE(iterator.valid());
  CHECK(text_of(iterator.entry().key) == "a");
}

TEST_CASE("Block: flipped bytes are damage, or entries that are read within the block") {
  std::mt19937_64 random(11);
  const Model model = random_model(random, 60);
  const std::vector<std::byte> whole = build(model, 4);
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::vector<std::byte> flipped = whole;
    flipped[at] ^= static_cast<std::byte>(1 + random() % 255);
    try {
      read_all(flipped, some_key(random, model));
    } catch (const DamageError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
  CHECK_NOTHROW(read_all(whole, "a"));
}

TEST_CASE("Block: random bytes and cut ones are damage, or entries that are read within the block") {
  std::mt19937_64 random(12);
  const std::vector<std::byte> whole = build(random_model(random, 30), 4);
  std::size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bytes(random() % 64);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % (i % 2 == 0 ? 256 : 4));
    if (i < 200)
      bytes.assign(whole.begin(), whole.end() - 1 - static_cast<std::ptrdiff_t>(random() % whole.size()));
    try {
      read_all(bytes, std::string(random() % 3, '\1'));
    } catch (const DamageError&) {
      ++refused;
    }
  }
  CHECK(refused > 10000);
}

TEST_CASE("Block frame: what was put in comes out with every compression") {
  const auto compression = GENERATE(Compression::none, Compression::lz4, Compression::zstd);
  CAPTURE(to_string(compression));
  std::mt19937_64 random(13);
  for (const std::size_t size : {0, 1, 4, 100, 4096, 100000}) {
    std::string repeated, any;
    for (std::size_t i = 0; i < size; ++i) {
      repeated.push_back(static_cast<char>('a' + i % 7));
      any.push_back(static_cast<char>(random()));
    }
    std::vector<std::byte> frames(3);  // frames are appended
    append_frame(compression, bytes_of(any), frames);
    CHECK(frames.size() == 3 + size + kFrameTrailerBytes);  // nothing to save
    CHECK(text_of(open_frame(copy(Bytes(frames).subspan(3))).bytes()) == any);
    frames.clear();
    append_frame(compression, bytes_of(repeated), frames);
    if (size > 1000) CHECK((frames.size() < size / 4) == (compression != Compression::none));
    CHECK(text_of(open_frame(copy(frames)).bytes()) == repeated);
  }
}

TEST_CASE("Block frame: every flipped byte and every cut is damage") {
  const auto compression = GENERATE(Compression::none, Compression::lz4, Compression::zstd);
  CAPTURE(to_string(compression));
  std::mt19937_64 random(14);
  std::vector<std::byte> frame;
  append_frame(compression, build(random_model(random, 40), 16), frame);
  for (std::size_t at = 0; at < frame.size(); ++at) {
    std::vector<std::byte> flipped = frame;
    flipped[at] ^= static_cast<std::byte>(1 + random() % 255);
    REQUIRE_THROWS_AS(open_frame(copy(flipped)), DamageError);
    REQUIRE_THROWS_AS(open_frame(copy(Bytes(frame).first(at))), DamageError);
  }
}

TEST_CASE("Compression: random and cut bytes are damage") {
  const auto compression = GENERATE(Compression::lz4, Compression::zstd);
  CAPTURE(to_string(compression));
  std::mt19937_64 random(15);
  const std::string raw(5000, 'r');
  std::vector<std::byte> compressed;
  REQUIRE(compress(compression, bytes_of(raw), compressed));
  std::vector<std::byte> into(raw.size());
  decompress(compression, compressed, into);
  CHECK(text_of(into) == raw);
  into.resize(raw.size() - 1);
  CHECK_THROWS_AS(decompress(compression, compressed, into), DamageError);
  into.resize(raw.size() + 1);
  CHECK_THROWS_AS(decompress(compression, compressed, into), DamageError);
  for (std::size_t size = 0; size < compressed.size(); ++size)
    CHECK_THROWS_AS(decompress(compression, Bytes(compressed).first(size), into), DamageError);
  for (int i = 0; i < 1000; ++i) {
    std::vector<std::byte> any(random() % 200);
    for (std::byte& byte : any) byte = static_cast<std::byte>(random());
    REQUIRE_THROWS_AS(decompress(compression, any, into), DamageError);
  }
}

}  // namespace
}  // namespace muster::lsm
