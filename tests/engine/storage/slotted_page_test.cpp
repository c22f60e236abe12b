#include "engine/storage/slotted_page.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <random>
#include <string>
#include <string_view>

#include "engine/error.h"
#include "tests/catch.h"

namespace muster::test {
namespace {

Bytes bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
std::string text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct alignas(kWordBytes) Memory {
  std::array<std::byte, kPageBytes> bytes{};
  PageEditor page{bytes.data()};
};

using Model = std::map<std::string, std::string>;

Model contents(const PageView& page) {
  Model all;
  const PageShape shape = page.shape();
  for (std::uint32_t i = 0; i < shape.slots; ++i) all.emplace(text(page.key(shape, i)), text(page.value(i)));
  return all;
}

bool insert(PageEditor page, const std::string& key, const std::string& value) {
  return page.insert(page.search(page.shape(), bytes(key)).index, bytes(key), bytes(value));
}

/// What a page with these records has in use, whatever happened to it before.
std::size_t used_by(const Model& model, std::size_t prefix) {
  std::size_t used = 0;
  for (const auto& [key, value] : model) used += record_bytes(key.size() - prefix, value.size());
  return used;
}

}  // namespace

TEST_CASE("SlottedPage: whether a record fits depends on what the page holds, not on its history") {
  const auto seed = GENERATE(1u, 2u, 3u);
  std::mt19937_64 random(seed);
  Memory memory;
  memory.page.format_tree_page(0, bytes("ab"), bytes("abz"));
  const std::size_t room = kPageCapacity - 2 * kWordBytes;
  Model model;
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = fmt::format("ab{}", random() % 40);
    const std::string value(random() % 300, static_cast<char>('a' + random() % 26));
    const PagePosition position = memory.page.search(memory.page.shape(), bytes(key));
    REQUIRE(position.equal == (model.count(key) == 1));
    if (position.equal && random() % 3 == 0) {
      memory.page.remove(position.index);
      model.erase(key);
      continue;
    }
    Model after = model;
    after[key] = value;
    const bool fits = used_by(after, 2) <= room;
    refused += fits ? 0 : 1;
    const bool done =
        position.equal ? memory.page.update(position.index, bytes(value)) : insert(memory.page, key, value);
    REQUIRE(done == fits);
    if (fits) model = after;
    REQUIRE(contents(memory.page) == model);
  }
  CHECK(refused > 100);
}

TEST_CASE(
    "SlottedPage: keys are found in byte order, also where heads are equal or keys are prefixes of others") {
  Memory memory;
  memory.page.format_tree_page(0, {}, std::nullopt);
  const std::vector<std::string> keys = {"",     std::string("\0", 1),        std::string("\0\0\0\0", 4),
                                         "a",    std::string("a\0", 2),       std::string("a\0\0\0", 4),
                                         "aaaa", std::string("aaaa\0", 5),    "aaaab",
                                         "aaab", "aaabcdefghijklm",           "aaabcdefghijklmn",
                                         "b",    std::string("b\xff\xff", 3), "\xff\xff\xff\xff\xff"};
  REQUIRE(std::is_sorted(keys.begin(), keys.end()));
  for (std::size_t i = 0; i < keys.size(); i += 2) REQUIRE(insert(memory.page, keys[i], keys[i]));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const PagePosition position = memory.page.search(memory.page.shape(), bytes(keys[i]));
    CHECK(position.equal == (i % 2 == 0));
    CHECK(position.index == (i + 1) / 2);
  }
}

TEST_CASE("SlottedPage: a ghost keeps its place and its room until it is revived or removed") {
  Memory memory;
  memory.page.format_tree_page(0, bytes("k1"), bytes("k9"));
  for (const std::string key : {"k15", "k2", "k3", "k4"})
    REQUIRE(insert(memory.page, key, std::string(50, key.back())));
  const std::size_t free = memory.page.free_bytes(memory.page.shape());
  memory.page.make_ghost(1);
  memory.page.make_ghost(3);
  CHECK(memory.page.free_bytes(memory.page.shape()) == free);
  CHECK(memory.page.is_sound());
  Memory copy, half;
  copy.page.install(memory.page.image());
  half.page.format_tree_page(0, bytes("k1"), bytes("k9"));
  REQUIRE(half.page.append(memory.page, 1, 4));
  for (std::uint32_t i = 0; i < 4; ++i) {
    CHECK(copy.page.is_ghost(i) == (i % 2 == 1));
    if (i > 0) CHECK(half.page.is_ghost(i - 1) == (i % 2 == 1));
  }
  while (insert(memory.page, "k5", std::string(50, 'x'))) {}  // full, with cells moved together
  CHECK(memory.page.revive(1, bytes(std::string(50, '2'))));
  CHECK_FALSE(memory.page.is_ghost(1));
  CHECK(text(memory.page.value(1)) == std::string(50, '2'));
  CHECK_FALSE(memory.page.revive(3, bytes(std::string(1000, '4'))));
  CHECK(memory.page.is_ghost(3));
  const std::uint16_t gone[] = {0, 3};
  const std::uint32_t slots = memory.page.shape().slots;
  memory.page.remove(gone);
  CHECK(memory.page.shape().slots == slots - 2);
  CHECK(memory.page.search(memory.page.shape(), bytes("k2")).index == 0);
  CHECK_FALSE(memory.page.search(memory.page.shape(), bytes("k4")).equal);
  CHECK(memory.page.is_sound());
}

TEST_CASE("SlottedPage: an inner page with a ghost is no sound one") {
  Memory memory;
  memory.page.format_tree_page(1, bytes("k1"), bytes("k9"));
  REQUIRE(insert(memory.page, "k3", std::string(8, '\1')));
  CHECK(memory.page.is_sound());
  memory.page.make_ghost(0);
  CHECK_FALSE(memory.page.is_sound());
}

TEST_CASE("SlottedPage: an image is the page without its gap, and makes the same page again") {
  Memory memory;
  memory.page.format_tree_page(0, bytes("k1"), bytes("k9"));
  for (const std::string key : {"k15", "k2", "k3"})
    REQUIRE(insert(memory.page, key, std::string(50, key.back())));
  memory.page.remove(1);
  const std::vector<std::byte> image = memory.page.image();
  CHECK(image.size() < 300);
  Memory other;
  other.bytes.fill(std::byte{0x5a});
  other.page.set_lsn(77);
  other.page.install(image);
  CHECK(other.page.lsn() == 77);
  CHECK(contents(other.page) == contents(memory.page));
  CHECK(text(other.page.upper_fence(other.page.shape())) == "k9");
}

TEST_CASE("SlottedPage: an image that is none is damage and changes nothing") {
  Memory memory;
  memory.page.format_tree_page(0, {}, std::nullopt);
  REQUIRE(insert(memory.page, "a", "1"));
  std::vector<std::byte> image = memory.page.image();
  image.pop_back();
  const Memory before = memory;
  CHECK_THROWS_AS(memory.page.install(image), DamageError);
  CHECK_THROWS_AS(memory.page.install({}), DamageError);
  CHECK(memory.bytes == before.bytes);
}

TEST_CASE("SlottedPage: any bytes can be read as a page without leaving it") {
  std::mt19937_64 random(11);
  struct alignas(kWordBytes) {
    std::array<std::byte, kPageBytes> bytes;
  } memory;
  const auto page_of = [&] { return PageView(memory.bytes.data()); };
  std::vector<std::byte> value;
  for (int round = 0; round < 2000; ++round) {  // the address sanitizer watches
    for (std::byte& byte : memory.bytes) byte = static_cast<std::byte>(random());
    const PageShape shape = page_of().shape();
    const std::string key = fmt::format("{}", random());
    const PagePosition position = page_of().search(shape, bytes(key));
    CHECK(position.index <= kSlotsMax);
    page_of().child_for(shape, bytes(key));
    if (position.index < kSlotsMax) page_of().copy_value(position.index, value);
  }
}

}  // namespace muster::test
