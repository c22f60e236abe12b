#include "engine/lsm/memtable.h"

#include <set>

#include "tests/catch.h"
#include "tests/engine/lsm/memtable_testing.h"

namespace muster::lsm::test {
namespace {

constexpr std::size_t kChunkMax = Arena::kChunkBytesMin;  // many chunks

/// The same in both; some LSNs come twice, as in a redo.
void fill(Memtable& memtable, Model& model, std::mt19937_64& random, int count) {
  for (int i = 0; i < count; ++i) {
    const Owned entry = random_entry(random, 1 + random() % 50);
    const bool is_new = model.try_emplace({entry.key, entry.lsn}, entry).second;
    REQUIRE(memtable.add(entry.entry()) == is_new);
  }
}

}  // namespace

TEST_CASE("Memtable: it has what a map has, in both directions, whatever bytes the keys are of") {
  const std::uint64_t seed = GENERATE(range(0, 8));
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Memtable memtable(kChunkMax);
  Model model;
  const auto iterator = memtable.iterator();
  for (int round = 0; round < 5; ++round) {
    fill(memtable, model, random, round * 300);
    const std::vector<Owned> all = all_of(model);
    CHECK(forward(*iterator) == all);
    CHECK(backward(*iterator) == all);
    CHECK(walk_at_random(*iterator, all, random, 2000) == 2000);
    CHECK(memtable.entries() == model.size());
  }
}

TEST_CASE("Memtable: find gives the newest entry of a key, tombstones too, and none of another key") {
  std::mt19937_64 random(GENERATE(range(0, 4)));
  Memtable memtable(kChunkMax);
  Model model;
  fill(memtable, model, random, 1500);
  for (const Owned& newest : newest_of(model)) {
    const auto found = memtable.find(bytes(newest.key));
    REQUIRE(found);
    CHECK(owned(*found) == newest);
  }
  for (int i = 0; i < 2000; ++i) {
    const std::string key = random_key(random);
    const auto known = model.lower_bound({key, SkipList::kNewest});
    const bool exists = known != model.end() && known->first.first == key;
    CHECK(memtable.find(bytes(key)).has_value() == exists);
  }
}

TEST_CASE("Memtable: an empty one finds nothing, and its iterator is nowhere") {
  const Memtable memtable;
  CHECK_FALSE(memtable.find({}));
  const auto iterator = memtable.iterator();
  CHECK_FALSE(iterator->valid());
  CHECK(forward(*iterator).empty());
  CHECK(backward(*iterator).empty());
  iterator->seek(bytes("a"));
  CHECK_FALSE(iterator->valid());
  iterator->seek_below(bytes("a"));
  CHECK_FALSE(iterator->valid());
  CHECK(memtable.entries() == 0);
  CHECK(memtable.least_lsn() == 0);
  CHECK(memtable.greatest_lsn() == 0);
}

TEST_CASE("Memtable: an entry that is there stays as it is when its like is added") {
  Memtable memtable;
  CHECK(memtable.add({bytes("k"), 5, false, bytes("first")}));
  const std::size_t used = memtable.used_bytes();
  CHECK_FALSE(memtable.add({bytes("k"), 5, false, bytes("second")}));
  CHECK(text(memtable.find(bytes("k"))->value) == "first");
  CHECK(memtable.entries() == 1);
  CHECK(memtable.used_bytes() == used);
}

TEST_CASE("Memtable: the bounds hold every LSN, and nothing but LSNs that were added") {
  std::mt19937_64 random(3);
  Memtable memtable;
  CHECK(memtable.least_lsn() == 0);
  std::set<Lsn> lsns;
  for (int i = 0; i < 300; ++i) {
    const Owned entry = random_entry(random, 1000 + random() % 1'000'000);
    memtable.add(entry.entry());
    lsns.insert(entry.lsn);
    CHECK(memtable.least_lsn() == *lsns.begin());
    CHECK(memtable.greatest_lsn() == *lsns.rbegin());
  }
}

TEST_CASE("Memtable: it has all lengths of keys and values that it takes") {
  Memtable memtable;
  const std::string longest(Memtable::kKeyBytesMax, 'k');
  const std::string large(5'000'000, 'v');
  CHECK(memtable.add({bytes(longest), 1, false, bytes(large)}));
  CHECK(memtable.add({{}, 2, false, {}}));
  CHECK(text(memtable.find(bytes(longest))->value) == large);
  CHECK(memtable.find({})->value.empty());
  CHECK(memtable.bytes() > large.size());
}

}  // namespace muster::lsm::test
