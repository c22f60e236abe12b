// What makes the lock-free reservation itself: back-links, and that a worker waits for one only until it is written.
#include "algorithms/postgres_lock_free.h"

#include <map>
#include <thread>

#include "tests/algorithms/drive.h"
#include "tests/algorithms/impatient_platform.h"
#include "tests/algorithms/overtaking.h"
#include "tests/catch.h"

namespace muster {

using test::append;
using test::ImpatientPlatform;
using test::InstrumentedPlatform;
using test::Overtaken;
using test::waits_for;

TEST_CASE(
    "PostgresLockFree: every record knows where the one before it begins, whichever worker wrote that one") {
  constexpr std::uint32_t kWorkers = 4, kRecords = 3000;
  const Lsn start = GENERATE(as<Lsn>{}, 0, 77, (Lsn{1} << 62) - 3);
  const std::uint32_t size_max = GENERATE(as<std::uint32_t>{}, 3, 300);  // many in a slot of links; few
  PostgresLockFree<> log({.capacity = 4096, .max_workers = kWorkers, .start = start});
  std::vector<std::map<Lsn, Lsn>> previous(kWorkers);
  std::atomic<std::uint32_t> working{kWorkers};
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      threads.emplace_back([&, w] {
        const WorkerId worker = log.attach();
        for (std::uint32_t i = 0; i < kRecords; ++i) {
          const Reservation r = log.reserve(worker, 1 + (i * 7 + w) % size_max);
          previous[w][r.begin] = log.previous(worker);
          log.publish(worker, r);
        }
        --working;
      });
    }
    for (Backoff backoff; working != 0; backoff.pause()) log.recycle(log.advance());
  }
  std::map<Lsn, Lsn> all;
  for (const auto& of_worker : previous) all.insert(of_worker.begin(), of_worker.end());
  CHECK(all.size() == std::size_t{kWorkers} * kRecords);
  std::uint64_t wrong = 0;
  Lsn expected = start;
  for (const auto& [begin, said] : all) {
    wrong += said == expected ? 0 : 1;
    expected = begin;
  }
  CHECK(wrong == 0);
}

TEST_CASE(
    "PostgresLockFree: a worker that waits for room tells where it is, and so frees what it waits for") {
  PostgresLockFree<ImpatientPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, b, 10);
  append(log, a, 4000);
  CHECK(waits_for(WaitFor::room, [&] { log.reserve(b, 500); }));
  CHECK(log.advance() == 4010);
}

TEST_CASE("PostgresLockFree: a worker waits for the link of one that waits for room, for no longer") {
  PostgresLockFree<ImpatientPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 4000);
  CHECK(waits_for(WaitFor::room, [&] { log.reserve(b, 500); }));
  log.recycle(log.advance());
  CHECK(waits_for(WaitFor::predecessor, [&] { log.reserve(a, 10); }));  // b has left no link yet
}

TEST_CASE(
    "PostgresLockFree: the cutoff is read before the scan, so that a lock seen free cannot be overtaken") {
  const Overtaken scene = test::overtake_the_scan<PostgresLockFree<InstrumentedPlatform>>("word");
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("PostgresLockFree: the contract holds, with fewer locks than workers, and with more") {
  for (const std::uint32_t locks : {1u, 2u, 3u, 16u}) {
    const LogBufferOptions options{.capacity = 4096, .max_workers = 4, .lock_free_insert_locks = locks};
    PostgresLockFree<> log(options);
    INFO(locks << " locks");
    CHECK(test::drive(log, options, {.workers = 4, .records = 2000}).total() == 0);
  }
}

}  // namespace muster
