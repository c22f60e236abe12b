#include "engine/lsm/merging_iterator.h"

#include "engine/lsm/memtable.h"
#include "engine/lsm/newest_iterator.h"
#include "tests/catch.h"
#include "tests/engine/lsm/memtable_testing.h"

namespace muster::lsm::test {
namespace {

/// Some memtables, and all that is in them.
struct Sources {
  std::vector<std::unique_ptr<Memtable>> memtables;
  Model model;

  Sources(std::mt19937_64& random, std::size_t count, int entries) {
    for (std::size_t i = 0; i < count; ++i) memtables.push_back(std::make_unique<Memtable>());
    if (count > 0) add(random, entries);
  }

  void add(std::mt19937_64& random, int entries) {
    for (int i = 0; i < entries; ++i) {
      const Owned entry = random_entry(random, 1 + random() % 100'000);
      const Owned& known = model.try_emplace({entry.key, entry.lsn}, entry).first->second;
      one(random).add(known.entry());
      if (random() % 3 == 0) one(random).add(known.entry());  // once more, somewhere
    }
  }

  Memtable& one(std::mt19937_64& random) { return *memtables[random() % memtables.size()]; }

  std::unique_ptr<MergingIterator> merged() const {
    std::vector<std::unique_ptr<EntryIterator>> iterators;
    for (const auto& memtable : memtables) iterators.push_back(memtable->iterator());
    return std::make_unique<MergingIterator>(std::move(iterators));
  }
};

}  // namespace

TEST_CASE("MergingIterator: it shows every entry of its sources once, in order, in both directions") {
  const auto [count, entries] =
      GENERATE(std::pair(0, 0), std::pair(1, 300), std::pair(2, 5), std::pair(3, 600), std::pair(9, 900));
  const std::uint64_t seed = GENERATE(range(0, 6));
  CAPTURE(count, seed);
  std::mt19937_64 random(seed);
  Sources sources(random, static_cast<std::size_t>(count), entries);
  const auto merged = sources.merged();
  CHECK_FALSE(merged->valid());
  const std::vector<Owned> all = all_of(sources.model);
  CHECK(forward(*merged) == all);
  CHECK(backward(*merged) == all);
  CHECK(walk_at_random(*merged, all, random, 4000) == 4000);
}

TEST_CASE("MergingIterator: it turns round at every place, also at those that were added behind it") {
  std::mt19937_64 random(5);
  Sources sources(random, 4, 40);
  const auto merged = sources.merged();
  for (int round = 0; round < 60; ++round) {
    const std::string key = random_key(random);
    merged->seek(bytes(key));
    sources.add(random, 3);  // while the iterator stands
    if (!merged->valid()) continue;
    const Owned at = owned(merged->entry());
    auto known = sources.model.find({at.key, at.lsn});
    REQUIRE(known != sources.model.end());
    merged->previous();
    REQUIRE(merged->valid() == (known != sources.model.begin()));
    if (!merged->valid()) continue;
    CHECK(owned(merged->entry()) == std::prev(known)->second);
    merged->next();
    REQUIRE(merged->valid());
    CHECK(owned(merged->entry()) == at);
  }
}

TEST_CASE("NewestIterator: it shows the newest entry of each key, tombstones as such, in both directions") {
  const auto [count, entries] =
      GENERATE(std::pair(0, 0), std::pair(1, 300), std::pair(2, 5), std::pair(3, 3000), std::pair(9, 900));
  const std::uint64_t seed = GENERATE(range(0, 4));
  CAPTURE(count, seed);
  std::mt19937_64 random(seed);
  Sources sources(random, static_cast<std::size_t>(count), entries);
  NewestIterator newest(sources.merged());
  CHECK_FALSE(newest.valid());
  const std::vector<Owned> expected = newest_of(sources.model);
  CHECK(forward(newest) == expected);
  CHECK(backward(newest) == expected);
  CHECK(walk_at_random(newest, expected, random, 4000) == 4000);
}

TEST_CASE("NewestIterator: a key with many entries is one step") {
  Memtable memtable;
  for (Lsn lsn = 1; lsn <= 1000; ++lsn) {
    memtable.add({{}, lsn, false, bytes("empty")});
    memtable.add({bytes("m"), lsn, false, bytes(fmt::format("{}", lsn))});
    memtable.add({bytes(std::string_view("m\0", 2)), lsn, true, {}});
  }
  NewestIterator newest(memtable.iterator());
  const std::vector<Owned> expected{
      {"", 1000, false, "empty"}, {"m", 1000, false, "1000"}, {std::string("m\0", 2), 1000, true}};
  CHECK(forward(newest) == expected);
  CHECK(backward(newest) == expected);
}

}  // namespace muster::lsm::test
