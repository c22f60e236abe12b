#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "algorithms/parts/backoff.h"
#include "engine/lsm/memtable.h"
#include "engine/lsm/pending_insertions.h"
#include "tests/catch.h"
#include "tests/engine/lsm/memtable_testing.h"

namespace muster::lsm::test {
namespace {

constexpr std::uint64_t kThreads = 4;
constexpr std::uint64_t kEntries = 6000;  // a thread
constexpr int kRounds = 20'000;
constexpr std::uint64_t kKeys = 1500;  // so that keys have many entries, and threads meet

/// The entry with this number, which is its LSN. Entries of all threads mix in the order.
Owned numbered(std::uint64_t number) {
  const std::string key = fmt::format("{:04}", number * 7919 % kKeys);
  if (number % 5 == 0) return {key, number, true};
  return {key, number, false, fmt::format("{}:{}", key, number)};
}

bool is_whole(const Entry& entry) {
  return owned(entry) == numbered(entry.lsn);
}

bool is_behind(const Entry& a, const Entry& b) {
  return KeyThenNewest{}({text(b.key), b.lsn}, {text(a.key), a.lsn});
}

/// Goes through the whole memtable. Returns how many entries were out of order or not whole; an entry more counts for each
/// that is missing of `least`.
std::uint64_t count_wrong(EntryIterator& iterator, bool forwards, std::uint64_t least) {
  std::uint64_t wrong = 0;
  std::uint64_t met = 0;
  std::optional<Entry> last;
  forwards ? iterator.seek_to_first() : iterator.seek_to_last();
  while (iterator.valid()) {
    const Entry entry = iterator.entry();  // its bytes stay as long as the memtable
    wrong += is_whole(entry) ? 0 : 1;
    if (last) wrong += (forwards ? is_behind(entry, *last) : is_behind(*last, entry)) ? 0 : 1;
    last = entry;
    ++met;
    forwards ? iterator.next() : iterator.previous();
  }
  return wrong + (met < least ? least - met : 0);
}

/// Two threads, numbers 0 and 1, that begin each round at the same time as far as the machine lets them.
template <class Round>
void run_in_step(Round run) {
  std::array<std::atomic<int>, 2> begun{};
  const auto run_all = [&](int thread) {
    std::atomic<int>& mine = begun[static_cast<std::size_t>(thread)];
    const std::atomic<int>& other = begun[static_cast<std::size_t>(1 - thread)];
    for (int round = 0; round < kRounds; ++round) {
      // Relaxed: the step must not order what the memtable is there to order.
      mine.store(round + 1, std::memory_order_relaxed);
      for (Backoff backoff; other.load(std::memory_order_relaxed) <= round; backoff.pause()) {}
      run(thread, round);
    }
  };
  std::thread first(run_all, 0), second(run_all, 1);
  first.join();
  second.join();
}

}  // namespace

TEST_CASE("Memtable: readers find what a writer added before it said so, and meet everything in order") {
  Memtable memtable(std::size_t{64} << 10);
  std::array<std::atomic<std::uint64_t>, kThreads> added{};  // of this thread's entries
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<int> writing{kThreads};
  const auto number_of = [](std::uint64_t thread, std::uint64_t i) { return 1 + i * kThreads + thread; };

  const auto write = [&](std::uint64_t thread) {
    for (std::uint64_t i = 0; i < kEntries; ++i) {
      wrong += memtable.add(numbered(number_of(thread, i)).entry()) ? 0 : 1;
      added[thread].store(i + 1,
                          std::memory_order_release);  // the reader acquires it: what is added is visible
    }
    --writing;
  };
  const auto read = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto iterator = memtable.iterator();
    while (writing.load() > 0) {
      std::uint64_t least = 0;
      for (std::uint64_t thread = 0; thread < kThreads; ++thread) {
        const std::uint64_t count = added[thread].load(std::memory_order_acquire);  // see write
        least += count;
        if (count == 0) continue;
        const Owned known = numbered(number_of(thread, random() % count));
        const auto found = memtable.find(bytes(known.key));
        if (!found || found->lsn < known.lsn || !is_whole(*found)) ++wrong;
      }
      wrong += count_wrong(*iterator, random() % 4 != 0, least);
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread) threads.emplace_back(write, thread);
  for (std::uint64_t seed = 0; seed < 2; ++seed) threads.emplace_back(read, seed);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);

  const auto iterator = memtable.iterator();
  CHECK(count_wrong(*iterator, true, kThreads * kEntries) == 0);
  CHECK(count_wrong(*iterator, false, kThreads * kEntries) == 0);
  CHECK(memtable.entries() == kThreads * kEntries);
  CHECK(memtable.least_lsn() == 1);
  CHECK(memtable.greatest_lsn() == kThreads * kEntries);
}

TEST_CASE("Memtable: of two threads that add the same entries exactly one succeeds for each") {
  Memtable memtable(Arena::kChunkBytesMin);
  std::atomic<std::uint64_t> added{0};
  run_in_step([&](int, int round) {
    const std::uint64_t number = static_cast<std::uint64_t>(round) + 1;
    if (memtable.add(numbered(number).entry())) ++added;
  });
  CHECK(added.load() == kRounds);
  CHECK(memtable.entries() == kRounds);
  CHECK(forward(*memtable.iterator()).size() == kRounds);
}

TEST_CASE("Memtable: a thread that meets an entry reads bounds that hold it") {
  Memtable memtable;
  int outside = 0;
  const auto meet = [&](Lsn lsn) {
    const std::string key = fmt::format("{:06}", lsn);
    for (Backoff backoff; !memtable.find(bytes(key)); backoff.pause()) {}
    if (memtable.greatest_lsn() < lsn) ++outside;
  };
  run_in_step([&](int thread, int round) {
    const auto lsn = static_cast<Lsn>(round) + 1;
    if (thread == 1) return meet(lsn);
    memtable.add({bytes(fmt::format("{:06}", lsn)), lsn, true, {}});
  });
  CHECK(outside == 0);
}

TEST_CASE(
    "PendingInsertions: an inserter that announces meets the scan's lock, or the scan meets the announced "
    "key") {
  PendingInsertions insertions(1);
  std::optional<PendingInsertions::Guard> announced;  // until the next round
  std::mutex latch;
  int locked_round = -1;  // guarded by the latch
  std::vector<char> inserter_met(kRounds, 0), scan_met(kRounds, 0);
  const auto key_of = [](int round) { return fmt::format("{:06}", round); };
  const auto insert = [&](int round) {
    announced.reset();
    announced.emplace(insertions, 0, bytes(key_of(round)));
    const std::lock_guard guard(latch);
    inserter_met[static_cast<std::size_t>(round)] = locked_round >= round;
  };
  const auto scan = [&](int round) {
    {
      const std::lock_guard guard(latch);
      locked_round = round;
    }
    PendingInsertions::fence();
    const std::string key = key_of(round);
    scan_met[static_cast<std::size_t>(round)] = insertions.any(bytes(key), false, bytes(key));
  };
  run_in_step([&](int thread, int round) { thread == 0 ? insert(round) : scan(round); });
  int neither = 0;
  for (std::size_t round = 0; round < kRounds; ++round)
    neither += inserter_met[round] == 0 && scan_met[round] == 0 ? 1 : 0;
  CHECK(neither == 0);
}

}  // namespace muster::lsm::test
