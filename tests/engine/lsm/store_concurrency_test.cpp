#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/lsm/tree_testing.h"

namespace muster::lsm {
namespace {

using test::TestTree;

constexpr int kRounds = 60;
constexpr int kKeys = 100;
constexpr int kCompactors = 2;
constexpr int kReaders = 2;

std::string name_of(int n) {
  return fmt::format("k{:03}", n);
}

/// What the levels hold of the key: the round that wrote it, by a value or a removal; -1: nothing.
int round_of(const Levels& levels, int n) {
  std::vector<std::byte> value;
  bool tombstone = false;
  Lsn lsn = 0;
  if (!levels.find(test::key(name_of(n)), value, tombstone, lsn)) return -1;
  return static_cast<int>(lsn / 10 - 1) / kKeys;
}

}  // namespace

TEST_CASE(
    "LevelStore: beside flushes and compactions, readers meet each key at least as new as it was flushed") {
  const bool leveled = GENERATE(true, false);
  TestTree tree;
  // No removal is forgotten, so that an old value which came back would be seen.
  tree.may_drop = [](const Entry&) { return false; };
  const LevelStore::Picker picker = leveled ? test::small_leveled() : test::small_tiered();
  std::atomic<int> flushed{-1};
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> threads;
  for (int n = 0; n < kCompactors; ++n) {
    threads.emplace_back([&] {
      try {
        for (bool last = false; !last;) {
          last = done;
          while (tree.compact(picker)) last = false;
          std::this_thread::yield();
        }
      } catch (const std::exception&) {
        ++wrong;
      }
    });
  }
  for (int n = 0; n < kReaders; ++n) {
    threads.emplace_back([&, n] {
      for (int key = n; !done; key = (key + 7) % kKeys) {
        const int least = flushed;
        const auto levels = tree.store->levels();
        const int found = round_of(*levels, key);
        if (found < least || round_of(*levels, key) != found) ++wrong;
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    for (int key = 0; key < kKeys; ++key) {
      if ((key + round) % 4 == 0) {
        tree.remove(name_of(key));
      } else {
        tree.put(name_of(key), std::string(20, 'v'));
      }
    }
    tree.flush();
    flushed = round;
  }
  done = true;
  threads.clear();
  CHECK(wrong == 0);
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
  CHECK(tree.store->traffic().compactions > 5);
  tree.reopen();
  CHECK(TestTree::content(*tree.store->levels()) == tree.model);
  CHECK(tree.files().size() == tree.store->levels()->tables() + 1);
}

}  // namespace muster::lsm
