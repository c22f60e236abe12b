#include "engine/lsm/block_cache.h"

#include <array>
#include <thread>

#include "tests/engine/lsm/table_testing.h"

namespace muster::lsm {
namespace {

/// A block that tells its id, of a little more than `bytes`.
std::shared_ptr<const Block> block_of(BlockId id, std::size_t bytes) {
  BlockBuilder builder;
  const std::string value(bytes, 'v');
  builder.add({bytes_of("key"), id.owner << 32 | id.offset, false, bytes_of(value)});
  const Bytes built = builder.finish();
  Buffer buffer(built.size());
  std::ranges::copy(built, buffer.data.get());
  return std::make_shared<const Block>(std::move(buffer));
}

bool is_block_of(const std::shared_ptr<const Block>& block, BlockId id) {
  Entry found;
  return block->find(bytes_of("key"), found) && found.lsn == (id.owner << 32 | id.offset);
}

TEST_CASE("BlockCache: what was put in is found, and counted") {
  BlockCache cache(1 << 20);
  const BlockId id{.owner = cache.new_owner(), .offset = 40};
  CHECK(cache.find(id) == nullptr);
  const auto block = block_of(id, 100);
  CHECK(cache.insert(id, block) == block);
  CHECK(cache.find(id) == block);
  CHECK(cache.find({.owner = id.owner, .offset = 41}) == nullptr);
  CHECK(cache.find({.owner = cache.new_owner(), .offset = 40}) == nullptr);
  BlockCacheStatistics statistics = cache.statistics();
  CHECK(statistics.hits == 1);
  CHECK(statistics.misses == 3);
  CHECK(statistics.blocks == 1);
  CHECK(statistics.bytes >= block->bytes());
  CHECK(statistics.bytes < block->bytes() + 300);
  cache.erase(id);
  cache.erase(id);
  CHECK(cache.find(id) == nullptr);
  CHECK(cache.statistics().bytes == 0);
  CHECK(is_block_of(block, id));  // it stays with its reader
}

TEST_CASE("BlockCache: of two readers that read the same block both get the first one's") {
  BlockCache cache(1 << 20);
  const auto first = block_of({1, 2}, 100);
  CHECK(cache.insert({1, 2}, first) == first);
  CHECK(cache.insert({1, 2}, block_of({1, 2}, 100)) == first);
  CHECK(cache.statistics().blocks == 1);
}

TEST_CASE("BlockCache: the bound holds after every insertion, whatever the blocks' sizes") {
  const auto capacity =
      GENERATE(std::size_t{0}, std::size_t{3000}, std::size_t{1} << 17, std::size_t{1} << 20);
  CAPTURE(capacity);
  BlockCache cache(capacity);
  std::mt19937_64 random(21);
  std::size_t most = 0;
  for (std::uint64_t i = 0; i < 3000; ++i) {
    const BlockId id{.owner = i % 3, .offset = i};
    REQUIRE(is_block_of(cache.insert(id, block_of(id, random() % 5000)), id));
    if (random() % 4 == 0) cache.erase({.owner = random() % 3, .offset = random() % (i + 1)});
    const std::size_t bytes = cache.statistics().bytes;
    REQUIRE(bytes <= capacity);
    most = std::max(most, bytes);
  }
  CHECK(most >= capacity / 2);
  for (std::uint64_t i = 0; i < 3000; ++i) cache.erase({.owner = i % 3, .offset = i});
  CHECK(cache.statistics().bytes == 0);
  CHECK(cache.statistics().blocks == 0);
}

TEST_CASE("BlockCache: blocks that are used stay when others are only passed through") {
  BlockCache cache(std::size_t{200} << 10);  // one shard: which blocks meet in it is not chance
  const std::uint64_t used = 20;
  for (std::uint64_t i = 0; i < used; ++i) cache.insert({0, i}, block_of({0, i}, 4000));
  std::uint64_t lost = 0;
  for (std::uint64_t scanned = 0; scanned < 500; ++scanned) {
    cache.insert({1, scanned}, block_of({1, scanned}, 4000));
    lost += cache.find({0, scanned % used}) == nullptr ? 1 : 0;
  }
  CHECK(lost == 0);
}

TEST_CASE("BlockCache: the oldest of unused blocks goes first") {
  BlockCache cache(std::size_t{100} << 10);
  std::uint64_t inserted = 0;
  while (cache.statistics().blocks == inserted) {
    cache.insert({0, inserted}, block_of({0, inserted}, 4000));
    ++inserted;
  }
  CHECK(cache.find({0, 0}) == nullptr);
  CHECK(cache.find({0, 1}) != nullptr);
}

TEST_CASE("BlockCache: threads that find, insert and erase get the right blocks, within the bound") {
  const std::size_t capacity = 300000;  // about 60 of the 200 blocks
  BlockCache cache(capacity);
  constexpr std::size_t kThreads = 4;
  std::array<std::uint64_t, kThreads> wrong{};
  std::array<std::uint64_t, kThreads> found{};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (int i = 0; i < 5000; ++i) {
        const BlockId id{.owner = random() % 2, .offset = random() % 100};
        std::shared_ptr<const Block> block = cache.find(id);
        if (block != nullptr) ++found[t];
        if (block == nullptr) block = cache.insert(id, block_of(id, 4000));
        if (!is_block_of(block, id)) ++wrong[t];
        if (i % 50 == 0) cache.erase(id);
        if (i % 100 == 0 && cache.statistics().bytes > capacity) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::uint64_t hits = 0;
  for (std::size_t t = 0; t < kThreads; ++t) {
    CHECK(wrong[t] == 0);
    hits += found[t];
  }
  CHECK(hits > 0);
  CHECK(cache.statistics().hits == hits);
  CHECK(cache.statistics().misses == kThreads * 5000 - hits);
}

}  // namespace
}  // namespace muster::lsm
