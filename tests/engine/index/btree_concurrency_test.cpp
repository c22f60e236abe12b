#include <thread>

#include "tests/catch.h"
#include "tests/engine/index/tree_fixture.h"

namespace muster::test {
namespace {

constexpr int kThreads = 4;
constexpr int kKeys = 3000;
constexpr int kSteps = 6000;

std::string key_of(std::uint64_t number) {
  return fmt::format("key{:05}", number);
}

/// A value of any length that says whose it is, all the way.
std::string value_of(const std::string& key, std::mt19937_64& random) {
  std::string value = key;
  while (value.size() < 8 + random() % 300) value += value.substr(value.size() - 8);
  return value;
}

bool is_whole(const std::string& key, const std::string& value) {
  if (value.size() % 8 != 0 || value.empty()) return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != key[i % 8]) return false;
  }
  return true;
}

/// Changes keys that are this thread's alone, in leaves that are everybody's. Returns how often the tree was
/// wrong.
int change_own_keys(std::uint64_t thread, BTree& tree, ChangeLog& log,
                    std::map<std::string, std::string>& model) {
  std::mt19937_64 random(thread);
  std::vector<std::byte> found;
  int wrong = 0;
  for (int step = 0; step < kSteps; ++step) {
    const std::string key = key_of(random() % (kKeys / kThreads) * kThreads + thread);
    const auto known = model.find(key);
    const bool exists = known != model.end();
    // Phases that grow and phases that shrink, so that splits and merges meet.
    const std::uint64_t removals = step / 1500 % 2 == 0 ? 10 : 60;
    const std::uint64_t choice = random() % 100;
    if (choice < removals) {
      wrong += remove_and_reclaim(tree, bytes(key), log) == (exists ? Status::ok : Status::not_found) ? 0 : 1;
      model.erase(key);
    } else if (choice < removals + 20) {
      const Status status = tree.find(bytes(key), found);
      wrong +=
          status == (exists ? Status::ok : Status::not_found) && (!exists || text(found) == known->second)
              ? 0
              : 1;
    } else {
      const std::string value = value_of(key, random);
      const Status status =
          exists ? tree.update(bytes(key), bytes(value), log) : tree.insert(bytes(key), bytes(value), log);
      wrong += status == Status::ok ? 0 : 1;
      model[key] = value;
    }
  }
  return wrong;
}

/// Scans from random keys; every record must be whole, and the keys must rise.
int scan_all_the_time(const BTree& tree, const std::atomic<bool>& stop) {
  std::mt19937_64 random(99);
  int wrong = 0;
  while (!stop.load()) {
    std::string last;
    int left = 200;
    tree.scan(bytes(key_of(random() % kKeys)), [&](const TableRecord& record) {
      const std::string key = text(record.key);
      wrong += key > last && is_whole(key, text(record.value)) ? 0 : 1;
      last = key;
      return --left > 0;
    });
  }
  return wrong;
}

}  // namespace

TEST_CASE("BTree: threads that change neighbouring records never lose or mix them, whatever is evicted") {
  const auto [frames, read_latch] =
      GENERATE(std::pair(24, ReadLatch::optimistic), std::pair(4096, ReadLatch::optimistic),
               std::pair(24, ReadLatch::shared), std::pair(32, ReadLatch::exclusive));
  CAPTURE(frames, static_cast<int>(read_latch));
  RecordingLog log;
  TreeFixture fixture(log, static_cast<std::size_t>(frames), read_latch);
  std::vector<std::map<std::string, std::string>> models(kThreads);
  std::atomic<int> wrong{0};
  std::atomic<bool> stop{false};
  std::thread scanner([&] { wrong += scan_all_the_time(*fixture.tree, stop); });
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back(
        [&, thread] { wrong += change_own_keys(thread, *fixture.tree, log, models[thread]); });
  }
  for (std::thread& thread : threads) thread.join();
  stop.store(true);
  scanner.join();
  CHECK(wrong.load() == 0);

  std::map<std::string, std::string> model;
  for (const auto& some : models) model.insert(some.begin(), some.end());
  CHECK(fixture.tree->check().records == model.size());
  CHECK(contents(*fixture.tree) == model);

  // The log's order is the order of changes: replayed alone it makes the same tree.
  BufferManager buffers({.frames = 64}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  for (std::size_t i = 0; i < log.records.size(); ++i) log.replay(i, buffers);
  const BTree replayed(buffers, kTable);
  CHECK(replayed.check().records == model.size());
  CHECK(contents(replayed) == model);
}

TEST_CASE("BTree: of threads that insert the same keys exactly one succeeds for each") {
  CountingLog log;
  TreeFixture fixture(log, 32);
  std::atomic<int> inserted{0};
  std::atomic<int> removed{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kKeys; ++i) {
        if (fixture.tree->insert(bytes(key_of(i)), bytes("v"), log) == Status::ok) ++inserted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(inserted.load() == kKeys);
  CHECK(fixture.tree->check().records == kKeys);
  threads.clear();
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < kKeys; ++i) {
        if (remove_and_reclaim(*fixture.tree, bytes(key_of(i)), log) == Status::ok) ++removed;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(removed.load() == kKeys);
  CHECK(fixture.tree->check().records == 0);
}

}  // namespace muster::test
