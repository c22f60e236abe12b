// What makes the consolidation array itself.
#include <algorithm>
#include <thread>

#include "algorithms/consolidation.h"
#include "tests/algorithms/drive.h"
#include "tests/catch.h"

namespace muster {
namespace {

/// Four workers arrive while a fifth holds the lock; once they have joined, it lets go. Returns their
/// reservations in LSN order.
struct Joined {
  bool slots_filled = false;
  std::vector<std::pair<Lsn, WorkerId>> order;
};

Joined join_behind_a_holder(std::uint32_t slots, std::uint32_t joined_slots) {
  Consolidation<> log({.capacity = 4096, .max_workers = 5, .consolidation_slots = slots});
  const WorkerId holder = log.attach();
  const Reservation held = log.reserve(holder, 10);
  std::mutex mutex;
  Joined result;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const WorkerId worker = log.attach();
        const Reservation r = log.reserve(worker, 10);
        test::fill(r);
        log.publish(worker, r);
        const std::lock_guard guard(mutex);
        result.order.emplace_back(r.begin, worker);
      });
    }
    result.slots_filled = test::eventually([&] { return log.joined_slots() == joined_slots; });
    test::fill(held);
    log.publish(holder, held);
  }
  std::sort(result.order.begin(), result.order.end());
  CHECK(log.advance() == 50);
  return result;
}

}  // namespace

TEST_CASE("Consolidation: threads that meet at a busy lock fill several slots") {
  for (const std::uint32_t slots : {1u, 2u, 4u}) {
    INFO(slots << " slots");
    const Joined joined = join_behind_a_holder(slots, slots);
    CHECK(joined.slots_filled);
    REQUIRE(joined.order.size() == 4);
    CHECK(joined.order.front().first == 10);
    CHECK(joined.order.back().first == 40);
  }
}

TEST_CASE("Consolidation: the members of a slot get one range") {
  // Workers 1 to 4 join positions 1, 0, 1, 0 of two: each slot's two members must be neighbours.
  bool seen = false;
  for (int round = 0; round < 20 && !seen; ++round) {
    const Joined joined = join_behind_a_holder(2, 2);
    REQUIRE(joined.order.size() == 4);
    seen = joined.order[0].second % 2 == joined.order[1].second % 2;
  }
  CHECK(seen);
}

TEST_CASE("Consolidation: a group never asks for more than the ring holds") {
  const LogBufferOptions options{.capacity = 4096, .max_workers = 8, .consolidation_slots = 1};
  Consolidation<> log(options);
  CHECK(
      test::drive(log, options, {.workers = 8, .records = 500, .size_min = 1500, .size_max = 4096}).total() ==
      0);
}

}  // namespace muster
