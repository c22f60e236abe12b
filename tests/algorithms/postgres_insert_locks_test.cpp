// What makes the insertion locks themselves: who takes which, and what the scan reads in them.
#include "algorithms/postgres_insert_locks.h"
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
    "PostgresInsertLocks: a worker keeps to its lock, and goes on to the next one once it had to wait") {
  PostgresInsertLocks<ImpatientPlatform> log({.capacity = 4096, .max_workers = 3, .insert_locks = 2});
  const WorkerId first = log.attach();  // lock 0
  log.attach();                         // lock 1, which it leaves alone
  const WorkerId third = log.attach();  // lock 0 again
  append(log, third, 10);
  const Reservation open = log.reserve(first, 10);
  CHECK(waits_for(WaitFor::lock, [&] { log.reserve(third, 10); }));
  append(log, third, 10);  // lock 1: nobody holds it
  CHECK(log.advance() == open.begin);
  log.publish(first, open);
  CHECK(log.advance() == log.reserved());
  const Reservation again = log.reserve(first, 10);
  append(log, third, 10);  // still lock 1
  log.publish(first, again);
  CHECK(log.advance() == log.reserved());
}

TEST_CASE("PostgresInsertLocks: the boundary is the end, though a lock has not been used for long") {
  PostgresInsertLocks<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 10);
  append(log, b, 1000);
  CHECK(log.advance() == 1010);
  const Reservation open = log.reserve(a, 10);
  append(log, b, 10);
  CHECK(log.advance() == open.begin);  // and not where this lock's last record ended
}

TEST_CASE(
    "PostgresInsertLocks: the cutoff is read before the scan, so that a lock seen free cannot be overtaken") {
  const Overtaken scene = test::overtake_the_scan<PostgresInsertLocks<InstrumentedPlatform>>("word");
  REQUIRE(scene.open.bytes.size() == 5);
  CHECK(scene.boundary <= scene.open.begin);
}

TEST_CASE("PostgresInsertLocks: a holder that waits for room does not hold back what it waits for") {
  PostgresInsertLocks<ImpatientPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, b, 10);  // its lock last ended here
  append(log, a, 4000);
  CHECK(waits_for(WaitFor::room, [&] { log.reserve(b, 500); }));
  CHECK(log.advance() == 4010);
}

TEST_CASE("PostgresInsertLocks: the contract holds, with fewer locks than workers, and with more") {
  for (const std::uint32_t locks : {1u, 2u, 3u, 16u}) {
    const LogBufferOptions options{.capacity = 4096, .max_workers = 4, .insert_locks = locks};
    PostgresInsertLocks<> log(options);
    INFO(locks << " locks");
    CHECK(test::drive(log, options, {.workers = 4, .records = 2000}).total() == 0);
  }
}

}  // namespace muster
