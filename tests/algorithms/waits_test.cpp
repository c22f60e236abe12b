// Where a worker's time goes is counted, by what it waited for.
#include <array>
#include <thread>

#include "algorithms/consolidation.h"
#include "tests/algorithms/drive.h"
#include "tests/catch.h"

namespace muster {

TEST_CASE("Waits: a wait that is over at once is not counted, a longer one is, by what it was for") {
  const NativePlatform::Atomic<int> atomic{7};
  const std::uint64_t before = this_thread_waits().room.count;
  NativePlatform::await(atomic, [](int value) { return value == 7; }, std::memory_order_acquire, WaitFor::room);
  CHECK(this_thread_waits().room.count == before);
  int looks = 0;
  NativePlatform::await(atomic, [&](int) { return ++looks == 100; }, std::memory_order_acquire, WaitFor::room);
  CHECK(this_thread_waits().room.count == before + 1);
  CHECK(this_thread_waits().room.ns > 0);
}

TEST_CASE("Waits: a group's leader waits for the lock, its followers for the leader") {
  Consolidation<> log({.capacity = 4096, .max_workers = 3, .consolidation_slots = 1});
  const WorkerId holder = log.attach();
  const Reservation held = log.reserve(holder, 10);
  std::array<WaitCounters, 2> counted;
  std::atomic<int> arrived{0};
  {
    std::vector<std::jthread> threads;
    for (WaitCounters& counters : counted) {
      threads.emplace_back([&] {
        const WorkerId worker = log.attach();
        ++arrived;
        log.publish(worker, log.reserve(worker, 10));
        counters = this_thread_waits();
      });
    }
    CHECK(test::eventually([&] { return arrived == 2 && log.joined_slots() == 1; }));
    log.publish(holder, held);
  }
  CHECK(counted[0].lock.count + counted[1].lock.count >= 1);
}

}  // namespace muster
