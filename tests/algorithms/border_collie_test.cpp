// What makes Border-Collie itself. Each case fails when the part it names is taken out.
#include <map>

#include "algorithms/border_collie.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/overtaking.h"
#include "tests/catch.h"

namespace muster {

using test::append;
using test::Hooked;
using test::InstrumentedPlatform;
using test::Overtaken;

TEST_CASE("BorderCollie: advance reads each attached worker's flag exactly once") {
  BorderCollie<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 16});
  for (int i = 0; i < 5; ++i) append(log, log.attach(), 10);
  std::map<std::uint32_t, int> reads;
  const Hooked count([&](std::string_view name, std::uint32_t index) {
    if (name == "flag") ++reads[index];
  });
  log.advance();
  CHECK(reads == std::map<std::uint32_t, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}});
}

TEST_CASE("BorderCollie: the cutoff lets the boundary pass an idle worker's white flag") {
  BorderCollie<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId idle = log.attach();
  const WorkerId active = log.attach();
  append(log, idle, 10);
  append(log, active, 100);
  CHECK(log.advance() == 110);
}

TEST_CASE(
    "BorderCollie: the cutoff is read before the scan, so that a worker seen white cannot be overtaken") {
  const Overtaken scene = test::overtake_the_scan<BorderCollie<InstrumentedPlatform>>("flag");
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("BorderCollie: the black flag stands before the fetch-add, so that no range is unflagged") {
  const Overtaken scene = test::advance_behind_the_fetch_add<BorderCollie<InstrumentedPlatform>>();
  REQUIRE(scene.boundary != 0);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("BorderCollie: a slot that the scan does not cover counts as the cutoff") {
  const Overtaken scene = test::attach_behind_the_count<BorderCollie<InstrumentedPlatform>>();
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("BorderCollie: a worker that waits for room does not hold back what it waits for") {
  // Both black flags stand at LSN 0, their lower bound; the ring is full up to the second one's begin.
  BorderCollie<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId first = log.attach();
  append(log, first, 4000);
  std::atomic<bool> returned{false};
  std::jthread second([&] {
    const WorkerId worker = log.attach();
    append(log, worker, 500);
    returned = true;
  });
  CHECK(test::eventually([&] {
    log.recycle(log.advance());
    return returned.load();
  }));
  if (!returned) log.recycle(4000);  // so that the test ends, failed
}

}  // namespace muster
