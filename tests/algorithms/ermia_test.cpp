// What makes ERMIA itself: the scan as it was released, and the one that is mended.
#include "algorithms/ermia.h"
#include "algorithms/ermia_released.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/impatient_platform.h"
#include "tests/algorithms/instrumented_platform.h"
#include "tests/catch.h"

namespace muster {

using test::ImpatientPlatform;
using test::InstrumentedPlatform;
using test::waits_for;

namespace {

void append(auto& log, WorkerId worker, std::uint32_t size) {
  const Reservation r = log.reserve(worker, size);
  test::fill(r);
  log.publish(worker, r);
}

struct Overtaking {
  Lsn boundary = 0;
  Reservation open;
};

/// While the scan stands between worker 0, which it has seen clean, and worker 1, worker 0 reserves and worker 1
/// appends behind it.
template <template <class> class Algorithm>
Overtaking overtake_the_scan() {
  Algorithm<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 10);
  append(log, b, 10);
  Overtaking scene;
  InstrumentedPlatform::after_read = [&](std::string_view name, std::uint32_t index) {
    if (name != "lsn" || index != a || !scene.open.bytes.empty()) return;
    scene.open = log.reserve(a, 5);
    append(log, b, 5);
  };
  scene.boundary = log.advance();
  InstrumentedPlatform::after_read = nullptr;
  return scene;
}

}  // namespace

TEST_CASE(
    "Unsafe: `ermia_released` returns a boundary over a hole, where a worker seen clean was overtaken") {
  static_assert(ErmiaReleased<>::info.unsafe);
  const Overtaking scene = overtake_the_scan<ErmiaReleased>();
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary > scene.open.begin);
}

TEST_CASE("Ermia: a worker seen clean cannot be overtaken, since the cutoff is read before the scan") {
  static_assert(!Ermia<>::info.unsafe);
  const Overtaking scene = overtake_the_scan<Ermia>();
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("Ermia: the dirty LSN stands before the fetch-add, so that no range is unmarked") {
  Ermia<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  append(log, a, 10);
  Lsn boundary = 0;
  InstrumentedPlatform::after_read = [&](std::string_view name, std::uint32_t) {
    if (name == "tail" && boundary == 0) boundary = log.advance();  // right after the range was handed out
  };
  const Reservation open = log.reserve(a, 5);
  InstrumentedPlatform::after_read = nullptr;
  REQUIRE(boundary != 0);
  CHECK(boundary <= open.begin);
}

TEST_CASE("Ermia: a slot that the scan does not cover counts as the cutoff") {
  Ermia<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 3});
  const WorkerId a = log.attach();
  append(log, a, 10);
  Reservation open;
  InstrumentedPlatform::after_read = [&](std::string_view name, std::uint32_t) {
    if (name != "ever_used" || !open.bytes.empty()) return;
    open = log.reserve(log.attach(), 5);
    append(log, a, 5);
  };
  const Lsn boundary = log.advance();
  InstrumentedPlatform::after_read = nullptr;
  REQUIRE(open.bytes.size() == 5);
  CHECK(boundary <= open.begin);
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
