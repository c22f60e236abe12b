// What makes the consolidation array itself.
#include <algorithm>
#include <thread>

#include "algorithms/consolidation.h"
#include "tests/algorithms/drive.h"
#include "tests/catch.h"

namespace muster {
namespace {

/// Four workers, 1 to 4, arrive while worker 0 holds the lock; once all have joined, it lets go. Says how many
/// slots they filled, and the workers in the order of their LSNs.
struct Arrival {
  std::uint32_t slots = 0;
  std::vector<std::pair<Lsn, WorkerId>> order;
};

Arrival arrive_at_a_busy_lock(std::uint32_t slots) {
  Consolidation<> log({.capacity = 4096, .max_workers = 5, .consolidation_slots = slots});
  const WorkerId holder = log.attach();
  const Reservation held = log.reserve(holder, 10);
  std::mutex mutex;
  Arrival arrival;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const WorkerId worker = log.attach();
        const Reservation r = log.reserve(worker, 10);
        test::fill(r);
        log.publish(worker, r);
        const std::lock_guard guard(mutex);
        arrival.order.emplace_back(r.begin, worker);
      });
    }
    CHECK(test::eventually([&] { return log.joined().bytes == 40; }));
    arrival.slots = log.joined().slots;
    test::fill(held);
    log.publish(holder, held);
  }
  std::sort(arrival.order.begin(), arrival.order.end());
  CHECK(log.advance() == 50);
  return arrival;
}

}  // namespace

TEST_CASE("Consolidation: threads that meet at a busy lock fill several slots") {
  for (const std::uint32_t slots : {1u, 2u, 4u}) {
    const Arrival arrival = arrive_at_a_busy_lock(slots);
    CHECK(arrival.slots == slots);
    REQUIRE(arrival.order.size() == 4);
    CHECK(arrival.order.front().first == 10);
    CHECK(arrival.order.back().first == 40);
  }
}

TEST_CASE("Consolidation: the members of a slot get one range") {
  const Arrival arrival = arrive_at_a_busy_lock(2);  // workers 1 and 3 meet in one slot, 2 and 4 in the other
  REQUIRE(arrival.order.size() == 4);
  CHECK(arrival.order[0].second % 2 == arrival.order[1].second % 2);
  CHECK(arrival.order[2].second % 2 == arrival.order[3].second % 2);
}

TEST_CASE("Consolidation: a group never asks for more than the ring holds") {
  const LogBufferOptions options{.capacity = 4096, .max_workers = 8, .consolidation_slots = 1};
  Consolidation<> log(options);
  CHECK(
      test::drive(log, options, {.workers = 8, .records = 500, .size_min = 1500, .size_max = 4096}).total() ==
      0);
}

}  // namespace muster
