#include "engine/lsm/order_barrier.h"

#include <array>
#include <atomic>
#include <optional>
#include <thread>

#include "tests/algorithms/impatient_platform.h"
#include "tests/catch.h"

namespace muster::lsm {
namespace {

// A wait that would not end at once throws, so that one thread plays all parts.
using Impatient = OrderBarrier<test::ImpatientPlatform>;

bool waits(const Impatient::Barrier& barrier) {
  return test::waits_for(WaitFor::predecessor, [&] { barrier.await(); });
}

}  // namespace

TEST_CASE("OrderBarrier: a barrier waits for a section that had begun, until it has ended", "[lsm]") {
  Impatient order(3);
  Impatient::Barrier barrier(order);
  barrier.issue();
  CHECK_FALSE(waits(barrier));
  std::optional<Impatient::Section> inside(std::in_place, order, 2);
  barrier.issue();
  CHECK(waits(barrier));
  inside.reset();
  CHECK_FALSE(waits(barrier));
  CHECK_FALSE(waits(barrier));
}

TEST_CASE(
    "OrderBarrier: a barrier does not wait for a section that begins behind it, of the same producer either",
    "[lsm]") {
  Impatient order(2);
  Impatient::Barrier barrier(order);
  std::optional<Impatient::Section> before(std::in_place, order, 0);
  barrier.issue();
  before.reset();
  const Impatient::Section same(order, 0);
  const Impatient::Section other(order, 1);
  CHECK_FALSE(waits(barrier));
  barrier.issue();
  CHECK(waits(barrier));
}

TEST_CASE("OrderBarrier: of two barriers each waits for what had begun when it was issued", "[lsm]") {
  Impatient order(1);
  Impatient::Barrier first(order);
  Impatient::Barrier second(order);
  first.issue();
  const Impatient::Section inside(order, 0);
  second.issue();
  CHECK_FALSE(waits(first));
  CHECK(waits(second));
}

TEST_CASE(
    "OrderBarrier: what producers did with an object is there once a barrier has passed, and no more comes",
    "[lsm]") {
  constexpr std::uint32_t kProducers = 4;
  constexpr std::uint32_t kObjects = 400;
  struct Object {
    std::array<std::uint64_t, kProducers> done{};  // plain: the barrier alone orders it
    bool taken = false;
  };
  std::vector<Object> objects(kObjects + 1);
  std::atomic<std::uint32_t> current{0};
  std::atomic<bool> over{false};
  std::array<std::uint64_t, kProducers> did{};
  std::array<std::uint64_t, kProducers> late{};
  OrderBarrier<> order(kProducers);
  std::vector<std::thread> producers;
  for (WorkerId p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      while (!over.load(std::memory_order_relaxed)) {
        const OrderBarrier<>::Section inside(order, p);
        Object& object = objects[current.load(std::memory_order_relaxed)];
        ++object.done[p];
        ++did[p];
        late[p] += object.taken ? 1 : 0;
      }
    });
  }
  std::uint64_t seen = 0;
  OrderBarrier<>::Barrier barrier(order);
  for (std::uint32_t next = 1; next <= kObjects; ++next) {
    Object& old = objects[current.exchange(next, std::memory_order_relaxed)];
    barrier.wait();
    old.taken = true;
    for (const std::uint64_t done : old.done) seen += done;
  }
  over.store(true, std::memory_order_relaxed);
  for (std::thread& producer : producers) producer.join();
  for (const std::uint64_t done : objects[kObjects].done) seen += done;
  std::uint64_t all = 0;
  for (WorkerId p = 0; p < kProducers; ++p) {
    all += did[p];
    CHECK(late[p] == 0);
  }
  CHECK(seen == all);
}

}  // namespace muster::lsm
