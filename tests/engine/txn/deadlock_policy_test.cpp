#include <array>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/lock_testing.h"

namespace muster {
namespace {

constexpr auto kRead = LockMode::shared;
constexpr auto kWrite = LockMode::exclusive;
constexpr auto kAdd = LockMode::add;

const std::array kPolicies{DeadlockPolicy::wait_for_graph, DeadlockPolicy::no_wait, DeadlockPolicy::wait_die,
                           DeadlockPolicy::wound_wait, DeadlockPolicy::timeout};

DeadlockOptions deadlock_by(DeadlockPolicy policy) {
  return {policy, std::chrono::milliseconds(5)};
}

/// Runs `transaction(holder, number)` in as many threads, each until it has succeeded `rounds` times. A transaction that is
/// refused keeps its age.
template <class Transaction>
void run_all(LockManager& locks, std::size_t threads_count, int rounds, Transaction transaction) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < threads_count; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937_64 random(i);
      LockHolder holder;
      bool again = false;
      for (int done = 0; done < rounds;) {
        locks.begins(holder, again);
        again = !transaction(holder, i);
        locks.release_all(holder, 0);
        // A random pause. Without it, threads that never wait would meet over and over.
        if (again) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
        done += again ? 0 : 1;
      }
      locks.forget(holder);
    });
  }
  for (auto& thread : threads) thread.join();
}

/// Two transactions, of which one began first.
struct Pair {
  explicit Pair(DeadlockPolicy policy) : locks(nullptr, deadlock_by(policy)) {
    locks.begins(older, false);
    locks.begins(younger, false);
  }
  LockManager locks;
  LockHolder older, younger;
};

}  // namespace

TEST_CASE("deadlock policy: a cycle of locks comes to an end for all") {
  const auto policy = GENERATE(from_range(kPolicies));
  const std::size_t length = GENERATE(2, 3, 5);
  CAPTURE(policy, length);
  LockManager locks(nullptr, deadlock_by(policy));
  run_all(locks, length, 50, [&](LockHolder& holder, std::size_t i) {
    if (!locks.acquire(holder, i + 1, kWrite)) return false;
    std::this_thread::yield();
    return locks.acquire(holder, (i + 1) % length + 1, kWrite);
  });
}

TEST_CASE("deadlock policy: upgrades of one lock come to an end for all") {
  const auto policy = GENERATE(from_range(kPolicies));
  const auto first = GENERATE(kRead, kAdd);
  CAPTURE(policy, first);
  LockManager locks(nullptr, deadlock_by(policy));
  std::int64_t guarded = 0;
  run_all(locks, 3, 50, [&](LockHolder& holder, std::size_t) {
    if (!locks.acquire(holder, 7, first)) return false;
    std::this_thread::yield();
    if (!locks.acquire(holder, 7, kWrite)) return false;
    ++guarded;
    return true;
  });
  CHECK(guarded == 150);
}

TEST_CASE("deadlock policy: many threads over few locks in all modes exclude each other, and all end") {
  const auto policy = GENERATE(from_range(kPolicies));
  CAPTURE(policy);
  constexpr std::size_t kNames = 4;
  LockManager locks(nullptr, deadlock_by(policy));
  std::array<std::array<std::atomic<int>, 3>, kNames> inside{};
  std::atomic<int> wrong{0};
  const auto check = [&](std::size_t n) {
    const int readers = inside[n][0].load(), writers = inside[n][1].load(), adders = inside[n][2].load();
    const bool right = writers == 0 ? readers == 0 || adders == 0 : writers == 1 && readers + adders == 0;
    wrong += right ? 0 : 1;
  };
  std::array<std::mt19937_64, 4> random{std::mt19937_64(1), std::mt19937_64(2), std::mt19937_64(3),
                                        std::mt19937_64(4)};
  run_all(locks, 4, 500, [&](LockHolder& holder, std::size_t i) {
    std::array<std::optional<LockMode>, kNames> held{};
    bool ok = true;
    for (int operation = 0; operation < 4 && ok; ++operation) {
      const std::size_t n = random[i]() % kNames;
      const auto mode = static_cast<LockMode>(random[i]() % 3);
      const LockName name = n + 1;
      ok = locks.acquire(holder, name, mode);
      if (!ok) break;
      const LockMode now = holder.mode_of(name).value();
      if (held[n] != now) {
        if (held[n]) --inside[n][static_cast<std::size_t>(*held[n])];
        ++inside[n][static_cast<std::size_t>(now)];
        held[n] = now;
        check(n);
      }
      if (random[i]() % 8 == 0) {
        --inside[n][static_cast<std::size_t>(now)];
        held[n].reset();
        locks.release_early(holder, name);
      } else if (now == kWrite && random[i]() % 4 == 0) {
        --inside[n][static_cast<std::size_t>(now)];
        ++inside[n][static_cast<std::size_t>(kRead)];
        held[n] = kRead;
        locks.weaken(holder, name);
      }
    }
    for (std::size_t n = 0; n < kNames; ++n) {
      if (held[n]) --inside[n][static_cast<std::size_t>(*held[n])];
    }
    return ok;
  });
  CHECK(wrong.load() == 0);
}

TEST_CASE("no_wait: a request that would have to wait is refused") {
  LockManager locks(nullptr, deadlock_by(DeadlockPolicy::no_wait));
  LockHolder a, b;
  REQUIRE(locks.acquire(a, 7, kRead));
  CHECK(locks.acquire(b, 7, kRead));
  CHECK_FALSE(locks.acquire(a, 7, kWrite));
  locks.release_all(b, 0);
  CHECK(locks.acquire(a, 7, kWrite));
  CHECK_FALSE(locks.acquire(b, 7, kRead));
  locks.release_all(a, 0);
}

TEST_CASE(
    "wait_die: an older one waits for a younger one, which is rolled back where it would wait for the "
    "older") {
  Pair pair(DeadlockPolicy::wait_die);
  auto& [locks, older, younger] = pair;
  REQUIRE(locks.acquire(older, 1, kWrite));
  REQUIRE(locks.acquire(younger, 2, kWrite));
  Asking waiting(locks, older, 2, kRead);
  await_waiting(older);
  CHECK_FALSE(locks.acquire(younger, 1, kRead));
  CHECK(older.waits());
  locks.release_all(younger, 0);
  CHECK(waiting.granted());
  locks.release_all(older, 0);
}

TEST_CASE("wait_die: a transaction that waits is older than the transactions that wait before it, too") {
  Pair pair(DeadlockPolicy::wait_die);
  auto& [locks, older, younger] = pair;
  LockHolder youngest;
  locks.begins(youngest, false);
  REQUIRE(locks.acquire(youngest, 1, kRead));
  Asking writer(locks, older, 1, kWrite);
  await_waiting(older);
  // It is older than the holder, but not than the writer, which comes next.
  CHECK_FALSE(locks.acquire(younger, 1, kRead));
  locks.release_all(youngest, 0);
  CHECK(writer.granted());
  locks.release_all(older, 0);
}

TEST_CASE("wait_die: one that was rolled back keeps its age, and in the end waits instead") {
  Pair pair(DeadlockPolicy::wait_die);
  auto& [locks, a, victim] = pair;
  REQUIRE(locks.acquire(a, 1, kWrite));
  CHECK_FALSE(locks.acquire(victim, 1, kWrite));
  locks.release_all(victim, 0);
  locks.release_all(a, 0);
  locks.begins(a, false);  // the next one, and quicker than the victim
  REQUIRE(locks.acquire(a, 1, kWrite));
  const bool keeps_age = GENERATE(false, true);
  locks.begins(victim, keeps_age);
  if (keeps_age) {
    Asking waiting(locks, victim, 1, kWrite);
    await_waiting(victim);
    locks.release_all(a, 0);
    CHECK(waiting.granted());
  } else {
    CHECK_FALSE(locks.acquire(victim, 1, kWrite));  // starves
  }
  locks.release_all(victim, 0);
  locks.release_all(a, 0);
}

TEST_CASE("wound_wait: a younger one waits for an older one") {
  Pair pair(DeadlockPolicy::wound_wait);
  auto& [locks, older, younger] = pair;
  REQUIRE(locks.acquire(older, 1, kWrite));
  Asking waiting(locks, younger, 1, kWrite);
  await_waiting(younger);
  CHECK(locks.acquire(older, 2, kWrite));
  locks.release_all(older, 0);
  CHECK(waiting.granted());
  locks.release_all(younger, 0);
}

TEST_CASE(
    "wound_wait: a wounded one learns of it when it asks for its next lock, and is not wounded any more "
    "after") {
  Pair pair(DeadlockPolicy::wound_wait);
  auto& [locks, older, younger] = pair;
  REQUIRE(locks.acquire(younger, 1, kWrite));
  Asking waiting(locks, older, 1, kWrite);
  await_waiting(older);
  // The wound comes behind the wait's beginning.
  for (Backoff backoff; locks.acquire(younger, 2, kRead); backoff.pause()) {}
  CHECK_FALSE(locks.acquire(younger, 1, kWrite));  // not even what it has
  locks.release_all(younger, 0);
  CHECK(waiting.granted());
  locks.begins(younger, true);
  CHECK(locks.acquire(younger, 2, kRead));
  locks.release_all(younger, 0);
  locks.release_all(older, 0);
}

TEST_CASE("wound_wait: a wounded one that waits is woken") {
  LockManager locks(nullptr, deadlock_by(DeadlockPolicy::wound_wait));
  LockHolder oldest, older, younger;
  locks.begins(oldest, false);
  locks.begins(older, false);
  locks.begins(younger, false);
  REQUIRE(locks.acquire(oldest, 1, kWrite));
  REQUIRE(locks.acquire(younger, 2, kWrite));
  Asking victim(locks, younger, 1, kRead);
  await_waiting(younger);
  std::this_thread::sleep_for(std::chrono::milliseconds(GENERATE(0, 20)));  // asleep, in the second case
  Asking waiting(locks, older, 2, kRead);
  CHECK_FALSE(victim.granted());
  locks.release_all(younger, 0);
  CHECK(waiting.granted());
  locks.release_all(older, 0);
  locks.release_all(oldest, 0);
}

TEST_CASE("timeout: a request that waits for long is refused, and the requests behind it go on") {
  constexpr std::chrono::seconds kTimeout(2);
  LockManager locks(nullptr, {DeadlockPolicy::timeout, kTimeout});
  LockHolder a, b, c;
  REQUIRE(locks.acquire(a, 7, kRead));
  Asking writer(locks, b, 7, kWrite);
  await_waiting(b);
  std::this_thread::sleep_for(kTimeout / 2);  // so that a busy machine does not make the reader late, too
  Asking reader(locks, c, 7, kRead);
  CHECK_FALSE(writer.granted());
  CHECK(reader.granted());
  locks.release_all(c, 0);
  Asking again(locks, b, 7, kWrite);
  await_waiting(b);
  locks.release_all(a, 0);
  CHECK(again.granted());
  locks.release_all(b, 0);
}

TEST_CASE("deadlock policy: sessions that lock in opposite orders all commit, and keep the sum") {
  const auto policy = GENERATE(from_range(kPolicies));
  CAPTURE(policy);
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.deadlock = deadlock_by(policy);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  constexpr int kAccounts = 4, kThreads = 3, kTransfers = 100;
  {
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    for (std::uint64_t i = 0; i < kAccounts; ++i)
      REQUIRE(session->insert(table, as_bytes(key_of(i)), as_bytes("1000")) == Status::ok);
    session->commit();
  }
  std::atomic<int> unexpected{0}, victims{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      const auto session = database->attach(CommitPolicy::async);
      std::vector<std::byte> value;
      // On until some meet: threads may happen to run one after the other.
      for (int done = 0; done < kTransfers || (victims.load() == 0 && done < 100 * kTransfers);) {
        const std::uint64_t from = random() % kAccounts,
                            to = (from + 1 + random() % (kAccounts - 1)) % kAccounts;
        session->begin();
        Status status = Status::ok;
        for (const auto& [key, change] : {std::pair(key_of(from), -1), std::pair(key_of(to), 1)}) {
          status = session->read(table, as_bytes(key), value);
          if (status != Status::ok) break;
          std::this_thread::yield();
          status = session->update(table, as_bytes(key),
                                   as_bytes(std::to_string(std::stoi(as_text(value)) + change)));
          if (status != Status::ok) break;
        }
        if (status == Status::ok) {
          session->commit();
          ++done;
        } else if (status == Status::deadlock) {
          ++victims;
          std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
        } else {
          ++unexpected;
          session->abort();
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  int sum = 0;
  for (const auto& [key, amount] : contents(*database, table)) sum += std::stoi(amount);
  CHECK(sum == 1000 * kAccounts);
  CHECK(unexpected.load() == 0);
  CHECK(victims.load() > 0);
}

TEST_CASE("deadlock policy: a session that was a victim begins again with the age that it had") {
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.deadlock = deadlock_by(DeadlockPolicy::wait_die);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", table_under_test());
  const auto quick = database->attach(CommitPolicy::durable);
  const auto victim = database->attach(CommitPolicy::durable);
  std::vector<std::byte> value;
  const auto lock = [&](Session& session) { return session.read_for_update(table, as_bytes("n"), value); };
  quick->begin();
  victim->begin();
  CHECK(lock(*quick) == Status::not_found);
  CHECK(lock(*victim) == Status::deadlock);
  quick->commit();
  quick->begin();
  CHECK(lock(*quick) == Status::not_found);
  victim->begin();
  std::atomic<Status> of_victim{Status::ok};
  std::thread waiting([&] {
    std::vector<std::byte> its_value;
    of_victim.store(victim->read_for_update(table, as_bytes("n"), its_value));
  });
  CHECK(comes_true([&] { return victim->waits(); }));
  CHECK(of_victim.load() == Status::ok);  // it has not returned
  quick->commit();
  waiting.join();
  CHECK(of_victim.load() == Status::not_found);
  victim->commit();
}

}  // namespace muster
