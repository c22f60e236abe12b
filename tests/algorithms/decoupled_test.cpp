// What makes the decoupled fill itself, with and without consolidation: the lock is free again before the copy.
#include <algorithm>
#include <set>
#include <thread>
#include <tuple>

#include "algorithms/consolidation_decoupled.h"
#include "algorithms/consolidation_delegated.h"
#include "algorithms/decoupled.h"
#include "tests/algorithms/drive.h"
#include "tests/catch.h"

namespace muster {
namespace {

using AllDecoupled = std::tuple<Decoupled<>, ConsolidationDecoupled<>, ConsolidationDelegated<>>;
using DecoupledInGroups = std::tuple<ConsolidationDecoupled<>, ConsolidationDelegated<>>;

/// The ring is full, and five workers want 10 bytes each: one takes the lock and waits for room, the others
/// meet at it. Then there is room, and nobody publishes before all have their reservations.
struct Arrival {
  bool joined = false;        // four of them, in slots
  bool reserved_all = false;  // while all were open
  std::uint32_t slots = 0;
  std::uint64_t boundary_moved = 0;               // while all were open
  std::vector<std::pair<Lsn, WorkerId>> workers;  // in the order of their LSNs; the first held the lock
};

template <class A>
Arrival arrive_at_a_full_ring(std::uint32_t slots) {
  A log({.capacity = 4096, .max_workers = 5, .consolidation_slots = slots});
  const WorkerId first = log.attach();
  const Reservation all = log.reserve(first, 4096);
  test::fill(all);
  log.publish(first, all);
  log.detach(first);

  Arrival arrival;
  std::mutex mutex;
  std::atomic<std::uint32_t> reserved{0};
  std::atomic<bool> may_publish{false};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 5; ++i) {
      threads.emplace_back([&] {
        const WorkerId worker = log.attach();
        const Reservation r = log.reserve(worker, 10);
        test::fill(r);
        {
          const std::lock_guard guard(mutex);
          arrival.workers.emplace_back(r.begin, worker);
        }
        ++reserved;
        for (Backoff backoff; !may_publish; backoff.pause()) {}
        log.publish(worker, r);
      });
    }
    arrival.joined = test::eventually([&] { return log.joined().bytes == 40; });
    arrival.slots = log.joined().slots;
    log.recycle(log.advance());
    arrival.reserved_all = test::eventually([&] { return reserved == 5; });
    arrival.boundary_moved = log.advance() - 4096;
    may_publish = true;
  }
  std::sort(arrival.workers.begin(), arrival.workers.end());
  CHECK(log.advance() == 4096 + 50);
  return arrival;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("Decoupled: a worker reserves while an earlier reservation is open", "",
                        AllDecoupled) {
  TestType log({.capacity = 4096, .max_workers = 2});
  const WorkerId slow = log.attach();
  const Reservation open = log.reserve(slow, 10);
  std::atomic<Lsn> begin{0};
  std::jthread quick([&] {
    const WorkerId worker = log.attach();
    const Reservation r = log.reserve(worker, 10);
    begin = r.begin;
    test::fill(r);
    log.publish(worker, r);
  });
  CHECK(test::eventually([&] { return begin == 10; }));
  CHECK(log.advance() == 0);
  test::fill(open);
  log.publish(slow, open);
  quick.join();
  CHECK(log.advance() == 20);
}

TEMPLATE_LIST_TEST_CASE("Decoupled: threads that meet at a busy lock form groups, which fill at once", "",
                        DecoupledInGroups) {
  for (const std::uint32_t slots : {1u, 2u, 4u}) {
    const Arrival arrival = arrive_at_a_full_ring<TestType>(slots);
    CHECK(arrival.joined);
    CHECK(arrival.reserved_all);
    CHECK(arrival.boundary_moved == 0);
    REQUIRE(arrival.workers.size() == 5);
    std::set<WorkerId> positions;
    std::uint32_t changes = 0;
    for (std::size_t i = 1; i < 5; ++i) {
      CHECK(arrival.workers[i].first == 4096 + 10 * i);
      const WorkerId position = arrival.workers[i].second % slots;
      positions.insert(position);
      if (i > 1 && position != arrival.workers[i - 1].second % slots) ++changes;
    }
    CHECK(arrival.slots == positions.size());
    CHECK(changes == positions.size() - 1);  // who joined in one place got one range
  }
}

TEMPLATE_LIST_TEST_CASE("Decoupled: a group never asks for more than the ring holds", "", DecoupledInGroups) {
  const LogBufferOptions options{.capacity = 4096, .max_workers = 8, .consolidation_slots = 1};
  TestType log(options);
  CHECK(
      test::drive(log, options, {.workers = 8, .records = 500, .size_min = 1500, .size_max = 4096}).total() ==
      0);
}

TEMPLATE_LIST_TEST_CASE("Decoupled: slots serve again and again, when a few workers share many groups", "",
                        DecoupledInGroups) {
  const LogBufferOptions options{.capacity = 4096, .max_workers = 4, .consolidation_slots = 2};
  TestType log(options);
  CHECK(
      test::drive(log, options, {.workers = 4, .records = 5000, .size_min = 500, .size_max = 1500}).total() ==
      0);
}

}  // namespace muster
