// What makes the slots themselves: sharing, closing, and the pool that may run dry.
#include <thread>

#include "algorithms/wiredtiger_slots.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/overtaking.h"
#include "tests/catch.h"

namespace muster {

using test::filled;
using test::Hooked;
using test::InstrumentedPlatform;

TEST_CASE("WiredTigerSlots: records that share a slot come below the boundary together") {
  WiredTigerSlots<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId first = log.attach();
  const WorkerId second = log.attach();
  const Reservation early = filled(log, first, 10);
  const Reservation late = filled(log, second, 10);
  log.publish(first, early);
  CHECK(log.advance() == 0);
  log.publish(second, late);
  CHECK(log.advance() == 20);
}

TEST_CASE(
    "WiredTigerSlots: who publishes while the drainer looks at his slot does not leave it to the next look") {
  const auto scene =
      test::publish_at_a_look<WiredTigerSlots<InstrumentedPlatform>>("slot", 3);  // 1: to close it
  CHECK(scene.boundary == 10);
  CHECK(scene.looks == 4);
}

TEST_CASE("WiredTigerSlots: where some slots have been freed, nobody is lingered at behind them") {
  WiredTigerSlots<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId first = log.attach();
  const WorkerId second = log.attach();
  log.publish(first, log.reserve(first, 2000));
  const Reservation open = log.reserve(second, 2000);  // in the next slot
  log.publish(first, log.reserve(first, 49));          // in the one after that
  int looks = 0;
  const Hooked hook([&](std::string_view name, std::uint32_t index) {
    if (name == "slot" && index == 1) ++looks;
  });
  CHECK(log.advance() == 2000);
  CHECK(looks == 1);
  CHECK(log.advance() == 2000);
  CHECK(looks == 2 + static_cast<int>(Backoff::kPauses));
  log.publish(second, open);
  CHECK(log.advance() == 4049);
}

TEST_CASE("WiredTigerSlots: a record that does not fit into half a ring's slot is in the next one") {
  WiredTigerSlots<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId first = log.attach();
  const WorkerId second = log.attach();
  const Reservation early = filled(log, first, 2000);
  const Reservation late = filled(log, second, 49);
  CHECK(late.begin == 2000);
  log.publish(first, early);
  CHECK(log.advance() == 2000);
  log.publish(second, late);
  CHECK(log.advance() == 2049);
}

TEST_CASE("WiredTigerSlots: advancing past a stopped writer uses no slots up") {
  WiredTigerSlots<> log({.capacity = 4096, .max_workers = 2, .slot_pool = 2});
  const WorkerId stopped = log.attach();
  const WorkerId other = log.attach();
  const Reservation open = filled(log, stopped, 10);
  for (int i = 0; i < 20; ++i) {  // on one thread: a worker that waited for a slot would never return
    CHECK(log.advance() == 0);
    const Reservation r = filled(log, other, 10);
    CHECK(r.begin == 10u + 10u * static_cast<std::uint32_t>(i));
    log.publish(other, r);
  }
  log.publish(stopped, open);
  CHECK(log.advance() == 210);
}

TEST_CASE("WiredTigerSlots: where all slots are in use, a worker waits for the oldest") {
  WiredTigerSlots<> log({.capacity = 4096, .max_workers = 2, .slot_pool = 2});
  const WorkerId slow = log.attach();
  const Reservation open = filled(log, slow, 10);
  std::atomic<std::uint32_t> published{0};
  std::jthread quick([&] {
    const WorkerId worker = log.attach();
    for (int i = 0; i < 2; ++i) {
      log.publish(worker, filled(log, worker, 2040));
      ++published;
    }
  });
  CHECK(test::eventually([&] { return published == 1; }));
  bool waits = true;
  for (int i = 0; i < 200; ++i) {
    waits = waits && published == 1 && log.advance() == 0;
    std::this_thread::yield();
  }
  CHECK(waits);
  log.publish(slow, open);
  CHECK(test::eventually([&] { return log.advance() == 10 + 2 * 2040; }));
}

TEST_CASE("WiredTigerSlots: the contract holds, whatever the pool") {
  for (const std::uint32_t pool : {2u, 4u, 128u}) {
    for (const std::uint32_t large : {0u, 4096u}) {
      const LogBufferOptions options{.capacity = 4096, .max_workers = 4, .slot_pool = pool};
      WiredTigerSlots<> log(options);
      INFO("pool " << pool << ", large " << large);
      CHECK(test::drive(log, options, {.workers = 4, .records = 3000, .size_max = 300, .large_size = large})
                .total() == 0);
    }
  }
}

}  // namespace muster
