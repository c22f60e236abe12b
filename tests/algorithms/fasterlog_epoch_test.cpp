// What makes FasterLog's epochs themselves: what a tail waits for, and what it does not.
#include <vector>

#include "algorithms/fasterlog_epoch.h"
#include "tests/algorithms/overtaking.h"
#include "tests/catch.h"

namespace muster {

using test::append;
using test::Hooked;
using test::InstrumentedPlatform;
using test::Overtaken;

TEST_CASE(
    "FasterlogEpoch: who has left an epoch and entered a younger one does not hold the older one's tail") {
  FasterlogEpoch<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  const Reservation open = log.reserve(a, 10);
  append(log, b, 10);
  CHECK(log.advance() == 0);  // remembers 20
  log.publish(a, open);
  const Reservation younger = log.reserve(a, 10);
  append(log, b, 10);
  CHECK(log.advance() == 20);
  log.publish(a, younger);
  CHECK(log.advance() == 40);
}

TEST_CASE(
    "FasterlogEpoch: who leaves while the drainer looks at him does not leave the tail to the next scan") {
  const auto scene = test::publish_at_a_look<FasterlogEpoch<InstrumentedPlatform>>("entry", 3);
  CHECK(scene.boundary == 10);
  CHECK(scene.looks == 4);
}

TEST_CASE("FasterlogEpoch: of those who stay inside one is lingered at, and no other") {
  FasterlogEpoch<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 3});
  for (int i = 0; i < 3; ++i) log.reserve(log.attach(), 10);
  std::vector<int> looks(3);
  const Hooked hook([&](std::string_view name, std::uint32_t index) {
    if (name == "entry") ++looks[index];
  });
  CHECK(log.advance() == 0);
  CHECK(looks == std::vector<int>{1 + Backoff::kPauses, 1, 1});
}

TEST_CASE(
    "FasterlogEpoch: tails that were remembered before a slow worker entered are passed while it is inside") {
  FasterlogEpoch<> log({.capacity = 4096, .max_workers = 3});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  const WorkerId c = log.attach();
  const Reservation first = log.reserve(a, 10);
  CHECK(log.advance() == 0);  // remembers 10
  const Reservation second = log.reserve(b, 10);
  CHECK(log.advance() == 0);  // remembers 20
  append(log, c, 10);
  CHECK(log.advance() == 0);  // remembers 30
  log.publish(a, first);
  CHECK(log.advance() == 10);
  log.publish(b, second);
  CHECK(log.advance() == 30);
}

TEST_CASE("FasterlogEpoch: the boundary reaches the end, however many tails have been remembered meanwhile") {
  FasterlogEpoch<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId slow = log.attach();
  const WorkerId fast = log.attach();
  for (int round = 0; round < 3; ++round) {
    const Reservation open = log.reserve(slow, 10);
    for (int i = 0; i < 100; ++i) {
      append(log, fast, 10);
      REQUIRE(log.advance() <= open.begin);
    }
    log.publish(slow, open);
    CHECK(log.advance() == log.reserved());
    log.recycle(log.boundary());
  }
}

TEST_CASE(
    "FasterlogEpoch: the tail is looked at before the scan, so that a worker seen outside cannot be "
    "overtaken") {
  const Overtaken scene = test::overtake_the_scan<FasterlogEpoch<InstrumentedPlatform>>("entry");
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE(
    "FasterlogEpoch: a worker that waits for room holds back what lies above its begin, and nothing else") {
  FasterlogEpoch<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 4000);
  int waits = 0;
  const Hooked hook([&](std::string_view name, std::uint32_t) {
    if (name != "recycled" || ++waits != 2) return;  // b has found no room, has said so and looks again
    CHECK(log.advance() == 4000);                    // though the tail that is passed is 4500
    CHECK(log.advance() == 4000);
    log.recycle(4000);
  });
  const Reservation r = log.reserve(b, 500);
  REQUIRE(waits >= 2);
  CHECK(r.begin == 4000);
  CHECK(log.advance() == 4000);
  log.publish(b, r);
  CHECK(log.advance() == 4500);
}

}  // namespace muster
