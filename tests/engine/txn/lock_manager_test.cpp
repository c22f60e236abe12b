#include "engine/txn/lock_manager.h"

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/engine/txn/lock_testing.h"

namespace muster {
namespace {

constexpr auto kShared = LockMode::shared;
constexpr auto kExclusive = LockMode::exclusive;
constexpr auto kAdd = LockMode::add;

}  // namespace

TEST_CASE("LockManager: a lock is free when nobody holds it and what it protected is durable") {
  LockManager locks;
  LockHolder a, b;
  CHECK(locks.is_free(7, 0));
  REQUIRE(locks.acquire(a, 7, kShared));
  CHECK_FALSE(locks.is_free(7, 1000));
  CHECK(locks.is_free(8, 0));
  locks.release_all(a, 1000);  // what only reads makes nobody depend on it
  CHECK(locks.is_free(7, 0));
  REQUIRE(locks.acquire(a, 7, kExclusive));
  Asking reader(locks, b, 7, kShared);
  await_waiting(b);
  locks.release_all(a, 1000);
  CHECK(reader.granted());
  CHECK_FALSE(locks.is_free(7, 1000));
  locks.release_all(b, 0);
  CHECK_FALSE(locks.is_free(7, 999));
  CHECK(locks.is_free(7, 1000));
}

TEST_CASE("LockManager: shared locks are held together, an exclusive one alone") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 7, kShared));
  REQUIRE(locks.acquire(b, 7, kShared));
  Asking writer(locks, c, 7, kExclusive);
  await_waiting(c);
  locks.release_all(a, 0);
  CHECK(c.waits());
  locks.release_all(b, 0);
  CHECK(writer.granted());
  Asking reader(locks, a, 7, kShared);
  await_waiting(a);
  locks.release_all(c, 0);
  CHECK(reader.granted());
  locks.release_all(a, 0);
}

TEST_CASE("LockManager: a lock that is held already is granted again, with an exclusive one shared too") {
  LockManager locks;
  LockHolder a, b;
  REQUIRE(locks.acquire(a, 7, kExclusive));
  CHECK(locks.acquire(a, 7, kShared));
  CHECK(locks.acquire(a, 7, kExclusive));
  Asking other(locks, b, 7, kShared);
  await_waiting(b);
  locks.release_all(a, 0);  // once, however often it was asked for
  CHECK(other.granted());
  locks.release_all(b, 0);
}

TEST_CASE("LockManager: who tries gets what is free, and else leaves no trace") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.try_acquire(a, 7, kShared));
  REQUIRE(locks.try_acquire(b, 7, kShared));
  CHECK_FALSE(locks.try_acquire(a, 7, kExclusive));  // an upgrade
  CHECK_FALSE(locks.try_acquire(c, 7, kExclusive));
  REQUIRE(locks.try_acquire(c, 7, kShared));  // nobody waits
  locks.release_all(b, 0);
  Asking writer(locks, b, 7, kExclusive);
  await_waiting(b);
  locks.release_all(c, 0);
  CHECK_FALSE(locks.try_acquire(c, 7, kShared));  // no overtaking
  REQUIRE(locks.try_acquire(a, 7, kExclusive));   // the only holder
  locks.release_all(a, 0);
  CHECK(writer.granted());
  CHECK_FALSE(locks.try_acquire(a, 7, kShared));
  locks.release_all(b, 0);
  REQUIRE(locks.try_acquire(a, 7, kExclusive));
  locks.release_all(a, 0);
}

TEST_CASE("LockManager: who asks for shared does not overtake a waiting exclusive") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 7, kShared));
  Asking writer(locks, b, 7, kExclusive);
  await_waiting(b);
  Asking reader(locks, c, 7, kShared);
  await_waiting(c);
  locks.release_all(a, 0);
  CHECK(writer.granted());
  CHECK(c.waits());
  locks.release_all(b, 0);
  CHECK(reader.granted());
  locks.release_all(c, 0);
}

TEST_CASE(
    "LockManager: an upgrade is granted at once to the only holder, and else before the holders that wait") {
  LockManager locks;
  LockHolder a, b, c, d;
  REQUIRE(locks.acquire(a, 7, kShared));
  CHECK(locks.acquire(a, 7, kExclusive));
  locks.release_all(a, 0);

  REQUIRE(locks.acquire(a, 7, kShared));
  REQUIRE(locks.acquire(b, 7, kShared));
  Asking writer(locks, c, 7, kExclusive);
  await_waiting(c);
  Asking upgrade(locks, b, 7, kExclusive);
  await_waiting(b);
  Asking reader(locks, d, 7, kShared);
  await_waiting(d);
  locks.release_all(a, 0);
  CHECK(upgrade.granted());
  CHECK(c.waits());
  locks.release_all(b, 0);
  CHECK(writer.granted());
  locks.release_all(c, 0);
  CHECK(reader.granted());
  locks.release_all(d, 0);
}

TEST_CASE("LockManager: while an upgrade waits nobody else is let in") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 7, kShared));
  REQUIRE(locks.acquire(b, 7, kShared));
  Asking upgrade(locks, b, 7, kExclusive);
  await_waiting(b);
  Asking reader(locks, c, 7, kShared);
  await_waiting(c);
  locks.release_all(a, 0);
  CHECK(upgrade.granted());
  CHECK(c.waits());
  locks.release_all(b, 0);
  CHECK(reader.granted());
  locks.release_all(c, 0);
}

TEST_CASE("LockManager: of two upgrades of one lock one is the victim and the other succeeds") {
  LockManager locks;
  LockHolder a, b;
  REQUIRE(locks.acquire(a, 7, kShared));
  REQUIRE(locks.acquire(b, 7, kShared));
  Asking first(locks, a, 7, kExclusive);
  await_waiting(a);
  CHECK_FALSE(locks.acquire(b, 7, kExclusive));
  CHECK_FALSE(first.done());  // the victim still has its shared lock
  locks.release_all(b, 0);
  CHECK(first.granted());
  locks.release_all(a, 0);
}

TEST_CASE("LockManager: a cycle of any length has one victim, who closes it") {
  const std::size_t length = GENERATE(2, 3, 4, 7);
  LockManager locks;
  std::vector<LockHolder> holders(length);
  for (std::size_t i = 0; i < length; ++i) REQUIRE(locks.acquire(holders[i], i + 1, kExclusive));
  std::vector<std::unique_ptr<Asking>> asking;
  for (std::size_t i = 0; i + 1 < length; ++i) {
    asking.push_back(std::make_unique<Asking>(locks, holders[i], i + 2, kExclusive));
    await_waiting(holders[i]);
  }
  CHECK_FALSE(locks.acquire(holders.back(), 1, kShared));
  locks.release_all(holders.back(), 0);
  for (std::size_t i = length - 1; i-- > 0;) {
    CHECK(asking[i]->granted());
    locks.release_all(holders[i], 0);
  }
}

TEST_CASE("LockManager: a cycle through a holder that waits behind a waiter is found") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 1, kShared));
  REQUIRE(locks.acquire(c, 2, kExclusive));
  Asking writer(locks, b, 1, kExclusive);  // waits for a
  await_waiting(b);
  Asking reader(locks, c, 1, kShared);  // waits for b only
  await_waiting(c);
  CHECK_FALSE(locks.acquire(a, 2, kShared));  // a, c, b, a
  locks.release_all(a, 0);
  CHECK(writer.granted());
  locks.release_all(b, 0);
  CHECK(reader.granted());
  locks.release_all(c, 0);
}

TEST_CASE("LockManager: of all who close one cycle at the same moment at most one is the victim") {
  constexpr std::size_t kThreads = 3, kRounds = 2000;
  LockManager locks;
  std::vector<LockHolder> holders(kThreads);
  std::atomic<std::size_t> arrived{0}, refused{0};
  std::vector<std::atomic<int>> victims(kRounds);
  const auto meet = [&](std::size_t time) {
    arrived.fetch_add(1);
    for (Backoff backoff; arrived.load() < kThreads * time; backoff.pause()) {}
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t round = 0; round < kRounds; ++round) {
        if (!locks.acquire(holders[i], i + 1, kExclusive)) refused.fetch_add(1);
        meet(2 * round + 1);
        // Who comes late may find its lock released already: no cycle then, and no victim.
        if (!locks.acquire(holders[i], (i + 1) % kThreads + 1, kExclusive)) victims[round].fetch_add(1);
        locks.release_all(holders[i], 0);
        meet(2 * round + 2);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(refused.load() == 0);
  std::size_t rounds_with_victim = 0, rounds_with_several = 0;
  for (const auto& count : victims) {
    rounds_with_victim += count.load() > 0;
    rounds_with_several += count.load() > 1;
  }
  CHECK(rounds_with_victim > 0);
  CHECK(rounds_with_several == 0);
}

TEST_CASE("LockManager: exclusive locks that outlive their transaction keep others out and close no cycle") {
  LockManager locks;
  LockHolder a, b;
  REQUIRE(locks.acquire(a, 1, kExclusive));
  REQUIRE(locks.acquire(a, 2, kShared));
  LockRequest* pending = locks.release_shared(a);
  REQUIRE(locks.acquire(b, 2, kExclusive));  // the shared one is free
  Asking other(locks, b, 1, kShared);
  await_waiting(b);
  // a waits for b, who waits for what a has no longer: not a deadlock.
  Asking next(locks, a, 2, kShared);
  await_waiting(a);
  locks.release(pending, 0);
  CHECK(other.granted());
  locks.release_all(b, 0);
  CHECK(next.granted());
  locks.release_all(a, 0);
  a.take_back(pending);

  // Its own earlier transaction is one to wait for like any other.
  REQUIRE(locks.acquire(a, 1, kExclusive));
  pending = locks.release_shared(a);
  Asking again(locks, a, 1, kExclusive);
  await_waiting(a);
  locks.release(pending, 0);
  CHECK(again.granted());
  locks.release_all(a, 0);
  a.take_back(pending);
}

TEST_CASE("LockManager: who gets a lock depends on the commits that released it exclusively") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 1, kExclusive));
  CHECK(a.depends_on() == 0);
  Asking waiting(locks, b, 1, kShared);
  await_waiting(b);
  locks.release_all(a, 4711);
  REQUIRE(waiting.granted());
  CHECK(b.depends_on() == 4711);  // after a wait
  REQUIRE(locks.acquire(c, 1, kShared));
  CHECK(c.depends_on() == 4711);  // at once
  locks.release_all(b, 9999);     // it only read
  REQUIRE(locks.acquire(a, 1, kShared));
  CHECK(a.depends_on() == 4711);
  locks.release_all(a, 0);
  REQUIRE(locks.acquire(a, LockName{1} << 63, kExclusive));
  CHECK(a.depends_on() == 0);  // another bucket
  locks.release_all(a, 0);
  locks.release_all(c, 0);
}

TEST_CASE("LockManager: many threads over few locks never hold one that excludes another, and all end") {
  constexpr std::size_t kNames = 5, kThreads = 4;
  constexpr int kTransactions = 4000;
  LockManager locks;
  std::array<std::int64_t, kNames> guarded{};  // plain memory: the race detector watches the locks
  std::array<std::atomic<int>, kNames> writers{}, readers{};
  std::atomic<int> wrong{0}, deadlocks{0}, committed{0};
  std::atomic<std::int64_t> written{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      LockHolder holder;
      for (int i = 0; i < kTransactions; ++i) {
        std::array<int, kNames> held{};  // 1 shared, 2 exclusive
        bool victim = false;
        const std::size_t operations = 1 + random() % 4;
        for (std::size_t o = 0; o < operations && !victim; ++o) {
          const std::size_t n = random() % kNames;
          const bool write = random() % 3 == 0;
          if (!locks.acquire(holder, 1 + n * (LockName{1} << 50), write ? kExclusive : kShared)) {
            victim = true;
            break;
          }
          if (write) {
            if (held[n] == 1) readers[n].fetch_sub(1);
            if (held[n] != 2 && writers[n].fetch_add(1) != 0) wrong.fetch_add(1);
            if (readers[n].load() != 0) wrong.fetch_add(1);
            held[n] = 2;
            ++guarded[n];
            written.fetch_add(1);
          } else if (held[n] == 0) {
            readers[n].fetch_add(1);
            if (writers[n].load() != 0) wrong.fetch_add(1);
            if (guarded[n] < 0) wrong.fetch_add(1);
            held[n] = 1;
          }
        }
        for (std::size_t n = 0; n < kNames; ++n) {
          if (held[n] == 1) readers[n].fetch_sub(1);
          if (held[n] == 2) writers[n].fetch_sub(1);
        }
        (victim ? deadlocks : committed).fetch_add(1);
        locks.release_all(holder, 0);
      }
      locks.forget(holder);
    });
  }
  for (auto& thread : threads) thread.join();
  std::int64_t sum = 0;
  for (const std::int64_t n : guarded) sum += n;
  CHECK(wrong.load() == 0);
  CHECK(sum == written.load());
  CHECK(committed.load() + deadlocks.load() == static_cast<int>(kThreads) * kTransactions);
  CHECK(committed.load() > deadlocks.load());
}

TEST_CASE("LockManager: holders that add have a lock together, and no reader or writer beside them") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 7, kAdd));
  REQUIRE(locks.acquire(b, 7, kAdd));
  CHECK_FALSE(locks.try_acquire(c, 7, kShared));
  CHECK_FALSE(locks.try_acquire(c, 7, kExclusive));
  CHECK_FALSE(locks.try_acquire(a, 7, kShared));  // to read, it would have to be alone
  Asking reader(locks, c, 7, kShared);
  await_waiting(c);
  CHECK(locks.acquire(a, 7, kAdd));  // it has it
  locks.release_all(b, 0);
  CHECK(locks.acquire(a, 7, kShared));
  CHECK(a.mode_of(7) == kExclusive);
  locks.release_all(a, 0);
  CHECK(reader.granted());
  CHECK_FALSE(locks.try_acquire(a, 7, kAdd));
  locks.release_all(c, 0);
}

TEST_CASE(
    "LockManager: a lock to add outlives its transaction as a writer's does, and the next holder depends on "
    "it") {
  LockManager locks;
  LockHolder a, b;
  REQUIRE(locks.acquire(a, 7, kAdd));
  LockRequest* const kept = locks.release_shared(a);
  CHECK_FALSE(locks.try_acquire(b, 7, kShared));
  locks.release(kept, 4711);
  a.take_back(kept);
  REQUIRE(locks.try_acquire(b, 7, kShared));
  CHECK(b.depends_on() == 4711);
  locks.release_all(b, 0);
}

TEST_CASE("LockManager: a lock that is released early is free, and the others stay") {
  LockManager locks;
  LockHolder a, b;
  constexpr LockName kLocks = 200;
  // Names that meet in the holder's table: each is found across the places of names that are gone.
  for (LockName n = 1; n <= kLocks; ++n) REQUIRE(locks.acquire(a, n % 8 + n * 4096, kShared));
  for (LockName n = 2; n <= kLocks; n += 2) locks.release_early(a, n % 8 + n * 4096);
  for (LockName n = 1; n <= kLocks; ++n) {
    const bool held = n % 2 == 1;
    CHECK(a.mode_of(n % 8 + n * 4096).has_value() == held);
    CHECK(locks.try_acquire(b, n % 8 + n * 4096, kExclusive) != held);
  }
  locks.release_all(b, 0);
  locks.release_all(a, 0);
  for (LockName n = 1; n <= kLocks; ++n) REQUIRE(locks.try_acquire(b, n % 8 + n * 4096, kExclusive));
  locks.release_all(b, 0);
}

TEST_CASE("LockManager: an early release lets a waiting holder in") {
  LockManager locks;
  LockHolder a, b;
  REQUIRE(locks.acquire(a, 7, kExclusive));
  Asking waiting(locks, b, 7, kShared);
  await_waiting(b);
  locks.release_early(a, 7);
  CHECK(waiting.granted());
  CHECK(b.depends_on() == 0);
  locks.release_all(b, 0);
  locks.release_all(a, 0);
}

TEST_CASE("LockManager: a weakened lock lets readers in, and keeps writers out") {
  LockManager locks;
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 7, kExclusive));
  Asking reader(locks, b, 7, kShared);
  await_waiting(b);
  locks.weaken(a, 7);
  CHECK(reader.granted());
  CHECK(a.mode_of(7) == kShared);
  CHECK_FALSE(locks.try_acquire(c, 7, kExclusive));
  locks.release_all(b, 0);
  CHECK_FALSE(locks.try_acquire(c, 7, kExclusive));
  locks.release_all(a, 0);
  CHECK(locks.try_acquire(c, 7, kExclusive));
  locks.release_all(c, 0);
}

TEST_CASE("LockManager: a transaction of thousands of locks finds each again and releases all") {
  LockManager locks;
  LockHolder a, b;
  constexpr LockName kLocks = 5000;
  for (int round = 0; round < 2; ++round) {
    for (LockName n = 1; n <= kLocks; ++n) REQUIRE(locks.acquire(a, n * 0x9e3779b97f4a7c15, kShared));
    for (LockName n = 1; n <= kLocks; ++n) REQUIRE(locks.acquire(a, n * 0x9e3779b97f4a7c15, kExclusive));
    locks.release_all(a, 0);
    for (LockName n = 1; n <= kLocks; ++n) REQUIRE(locks.acquire(b, n * 0x9e3779b97f4a7c15, kExclusive));
    locks.release_all(b, 0);
  }
}

TEST_CASE("lock_name: tables, lengths and every byte of the key make a difference") {
  std::vector<std::byte> key(20);
  const LockName name = lock_name(1, key);
  CHECK(lock_name(1, key) == name);
  CHECK(lock_name(2, key) != name);
  for (std::size_t size = 0; size < key.size(); ++size) CHECK(lock_name(1, Bytes(key).first(size)) != name);
  for (std::byte& byte : key) {
    byte = std::byte{1};
    CHECK(lock_name(1, key) != name);
    byte = std::byte{0};
  }
}

}  // namespace muster
