// What makes ERMIA itself: the scan as it was released, and the one that is mended.
#include "algorithms/ermia.h"
#include "algorithms/ermia_released.h"
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
    "Unsafe: `ermia_released` returns a boundary over a hole, where a worker seen clean was overtaken") {
  static_assert(ErmiaReleased<>::info.unsafe);
  const Overtaken scene = test::overtake_the_scan<ErmiaReleased<InstrumentedPlatform>>("lsn");
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary > scene.open.begin);
}

TEST_CASE("Ermia: a worker seen clean cannot be overtaken, since the cutoff is read before the scan") {
  static_assert(!Ermia<>::info.unsafe);
  const Overtaken scene = test::overtake_the_scan<Ermia<InstrumentedPlatform>>("lsn");
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("Ermia: the dirty LSN stands before the fetch-add, so that no range is unmarked") {
  const Overtaken scene = test::advance_behind_the_fetch_add<Ermia<InstrumentedPlatform>>();
  REQUIRE(scene.boundary != 0);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("Ermia: a slot that the scan does not cover counts as the cutoff") {
  const Overtaken scene = test::attach_behind_the_count<Ermia<InstrumentedPlatform>>();
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("Ermia: a worker that waits for room does not hold back what it waits for") {
  const auto check = [](auto log) {
    const WorkerId a = log->attach();
    const WorkerId b = log->attach();
    append(*log, b, 10);
    append(*log, a, 4000);
    CHECK(waits_for(WaitFor::room, [&] { log->reserve(b, 500); }));
    CHECK(log->advance() == 4010);
  };
  const LogBufferOptions options{.capacity = 4096, .max_workers = 2};
  check(std::make_unique<Ermia<ImpatientPlatform>>(options));
  check(std::make_unique<ErmiaReleased<ImpatientPlatform>>(options));
}

TEST_CASE("Ermia: the released scan finds the end too, where nothing is in flight") {
  ErmiaReleased<> log({.capacity = 4096, .max_workers = 3, .start = 77});
  CHECK(log.advance() == 77);
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 10);
  append(log, b, 10);
  CHECK(log.advance() == 97);
  const Reservation open = log.reserve(a, 10);
  append(log, b, 10);
  CHECK(log.advance() == 97);
  log.publish(a, open);
  log.detach(b);
  CHECK(log.advance() == 117);
}

}  // namespace muster
