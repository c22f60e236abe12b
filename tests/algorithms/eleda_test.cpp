// What makes Eleda itself: both ways forward, and the counters between laps.
#include "algorithms/eleda.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/instrumented_platform.h"
#include "tests/catch.h"

namespace muster {

using test::append;

TEST_CASE("Eleda: the boundary crawls from record to record, when it is near") {
  Eleda<> log({.capacity = 4096, .max_workers = 2, .hop_bits = 8});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 10);
  append(log, b, 10);
  append(log, a, 10);
  CHECK(log.advance() == 30);
  CHECK(log.crawled() == 3);
  CHECK(log.hops() == 0);
}

TEST_CASE("Eleda: the boundary hops over whole ranges, when it is far behind, and forgets their records") {
  Eleda<> log({.capacity = 4096, .max_workers = 2, .hop_bits = 8});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  for (int i = 0; i < 100; ++i) append(log, i % 2 == 0 ? a : b, 10);  // 1000 bytes: 3 whole ranges and 232
  CHECK(log.advance() == 1000);
  CHECK(log.hops() == 3);
  CHECK(log.crawled() <= 25);  // the records of the last range, one of them from its middle
}

TEST_CASE("Eleda: unless told otherwise a hop is over 16 KiB, and over less in a small ring") {
  for (const std::size_t ring : {std::size_t{1} << 16, std::size_t{1} << 20, std::size_t{1} << 24}) {
    Eleda<> log({.capacity = ring, .max_workers = 1});
    const WorkerId worker = log.attach();
    append(log, worker, 65536);
    CHECK(log.advance() == 65536);
    CHECK(log.hops() == (ring == 1 << 16 ? 64 : 4));
  }
}

TEST_CASE("Eleda: without a whole range to hop over, or with one, the boundary is the same") {
  // Hopping alone stops at a range's edge, crawling alone takes every record: the drive needs both to be
  // right.
  for (const std::uint32_t hop_bits : {1u, 3u, 6u, 12u}) {
    const LogBufferOptions options{.capacity = 4096, .max_workers = 3, .hop_bits = hop_bits};
    Eleda<> log(options);
    INFO("hop_bits " << hop_bits);
    CHECK(test::drive(log, options, {.workers = 3, .records = 2000}).total() == 0);
    CHECK(log.hops() > 0);
    CHECK(log.crawled() > 0);
  }
}

TEST_CASE("Eleda: a record that crosses a range's edge counts in both ranges") {
  Eleda<> log({.capacity = 4096, .max_workers = 2, .hop_bits = 8});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 200);
  const Reservation hole = log.reserve(b, 50);  // [200, 250)
  append(log, a, 60);                           // [250, 310): 6 bytes of the first range, 54 of the second
  append(log, a, 300);
  CHECK(log.advance() == 200);
  log.publish(b, hole);
  CHECK(log.advance() == 610);
}

TEST_CASE("Eleda: a hop lands inside a record, and the record's end is found all the same") {
  Eleda<> log({.capacity = 4096, .max_workers = 2, .hop_bits = 8});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 250);
  append(log, a, 100);                          // [250, 350) lies across the edge at 256
  const Reservation hole = log.reserve(b, 10);  // [350, 360)
  CHECK(log.advance() == 350);
  CHECK(log.hops() == 1);
  log.publish(b, hole);
  CHECK(log.advance() == 360);
}

TEST_CASE("Eleda: a boundary is a record's end, also while a record across an edge is being published") {
  using test::InstrumentedPlatform;
  Eleda<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 1, .hop_bits = 8});
  const WorkerId worker = log.attach();
  log.publish(worker, log.reserve(worker, 200));
  const Reservation across = log.reserve(worker, 100);  // [200, 300)
  std::vector<Lsn> boundaries;
  {
    const test::Hooked hook([&](std::string_view name, std::uint32_t) {
      if (name == "count") boundaries.push_back(log.advance());
    });
    log.publish(worker, across);
  }
  REQUIRE(boundaries.size() == 2);  // the record counts in two ranges
  for (const Lsn boundary : boundaries) CHECK((boundary == 200 || boundary == 300));
  CHECK(log.advance() == 300);
}

TEST_CASE("Eleda: counters run on from lap to lap, and what was full in the last lap hides no hole") {
  Eleda<> log({.capacity = 4096, .max_workers = 2, .hop_bits = 8});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  for (int lap = 0; lap < 5; ++lap) {
    const Lsn base = log.reserved();
    append(log, a, 100);
    const Reservation hole = log.reserve(b, 56);
    for (int i = 0; i < 12; ++i) append(log, a, 300);
    REQUIRE(log.advance() == base + 100);
    log.publish(b, hole);
    append(log, a, 4096 - 100 - 56 - 12 * 300);
    REQUIRE(log.advance() == base + 4096);
    log.recycle(log.boundary());
  }
  CHECK(log.hops() > 0);
}

}  // namespace muster
