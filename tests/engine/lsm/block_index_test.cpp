#include "engine/lsm/block_index.h"

#include <algorithm>

#include "tests/engine/lsm/table_testing.h"

namespace muster::lsm {
namespace {

BlockIndex index_of(const std::vector<std::string>& keys) {
  BlockIndex index;
  for (std::size_t i = 0; i < keys.size(); ++i) index.add(bytes_of(keys[i]), {.offset = 100 * i, .bytes = i});
  index.seal();
  return index;
}

TEST_CASE("BlockIndex: a search finds the first block that ends at or behind the key") {
  const auto seed = GENERATE(range(1, 40));
  CAPTURE(seed);
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  const Model model = random_model(random, 1 + random() % 200);
  const std::string prefix(random() % 12, 'p');
  std::vector<std::string> keys;
  for (const auto& [key, item] : model) keys.insert(keys.end(), 1 + random() % 2, prefix + key);
  const BlockIndex index = index_of(keys);
  REQUIRE(index.size() == keys.size());
  for (int i = 0; i < 1000; ++i) {
    std::string key = (i % 3 == 0 ? prefix.substr(0, prefix.size() / 2) : prefix) + some_key(random, model);
    if (i % 5 == 0) key = key.substr(0, random() % (key.size() + 1));
    const auto expected = std::ranges::lower_bound(keys, key) - keys.begin();
    REQUIRE(index.find(bytes_of(key)) == static_cast<std::size_t>(expected));
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    CHECK(text_of(index.last_key(i)) == keys[i]);
    CHECK(index.block(i).offset == 100 * i);
  }
}

TEST_CASE("BlockIndex: keys that differ only by zeros behind their end are told apart") {
  using namespace std::string_literals;
  const BlockIndex index = index_of({"k"s, "k\0"s, "k\0\0"s, "k\0\0\0\0\0\0\0\0"s, "k\0\0\0\0\0\0\0\0\1"s});
  CHECK(index.find(bytes_of("k"s)) == 0);
  CHECK(index.find(bytes_of("k\0"s)) == 1);
  CHECK(index.find(bytes_of("k\0\0"s)) == 2);
  CHECK(index.find(bytes_of("k\0\0\0"s)) == 3);
  CHECK(index.find(bytes_of("k\0\0\0\0\0\0\0\0\0"s)) == 4);
  CHECK(index.find(bytes_of("k\0\0\0\0\0\0\0\0\2"s)) == 5);
}

TEST_CASE("BlockIndex: an empty one finds nothing") {
  CHECK(index_of({}).find(bytes_of("a")) == 0);
}

}  // namespace
}  // namespace muster::lsm
