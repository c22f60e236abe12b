// What makes the delegated release itself: who is early leaves, and is not forgotten.
#include <thread>

#include "algorithms/consolidation_delegated.h"
#include "tests/algorithms/drive.h"
#include "tests/catch.h"

namespace muster {

using test::filled;

TEST_CASE("Delegation: who has filled before his predecessors leaves, and the last of these releases all") {
  ConsolidationDelegated<> log({.capacity = 4096, .max_workers = 4});
  WorkerId workers[4];
  Reservation open[4];
  for (int i = 0; i < 4; ++i) {
    workers[i] = log.attach();
    open[i] = filled(log, workers[i], 10);
  }
  for (const int early : {3, 1, 2}) {  // on one thread: a publish that waited would never return
    log.publish(workers[early], open[early]);
    log.detach(workers[early]);
    CHECK(log.advance() == 0);
  }
  log.publish(workers[0], open[0]);
  CHECK(log.advance() == 40);
}

TEST_CASE("Delegation: a release stops at who is still filling, and goes on from him") {
  ConsolidationDelegated<> log({.capacity = 4096, .max_workers = 4});
  WorkerId workers[4];
  Reservation open[4];
  for (int i = 0; i < 4; ++i) {
    workers[i] = log.attach();
    open[i] = filled(log, workers[i], 10);
  }
  log.publish(workers[1], open[1]);
  log.publish(workers[3], open[3]);
  log.publish(workers[0], open[0]);
  CHECK(log.advance() == 20);
  log.publish(workers[2], open[2]);
  CHECK(log.advance() == 40);
}

TEST_CASE("Delegation: a worker goes on past a slow predecessor, up to the next cut of the chain") {
  for (const std::uint32_t chain : {2u, 4u, 16u}) {
    ConsolidationDelegated<> log({.capacity = 4096, .max_workers = 2, .delegation_chain = chain});
    const WorkerId slow = log.attach();
    const Reservation open = filled(log, slow, 10);  // the first of the chain
    std::atomic<std::uint32_t> published{0};
    std::jthread quick([&] {
      const WorkerId worker = log.attach();
      for (std::uint32_t i = 0; i < 3 * chain; ++i) {
        log.publish(worker, filled(log, worker, 10));
        ++published;
      }
    });
    CHECK(test::eventually([&] { return published == chain - 1 && log.reserved() == 10 * (chain + 1); }));
    bool waits = true;
    for (int i = 0; i < 200; ++i) {
      waits = waits && published == chain - 1 && log.advance() == 0;
      std::this_thread::yield();
    }
    CHECK(waits);
    log.publish(slow, open);
    quick.join();
    CHECK(published == 3 * chain);
    CHECK(log.advance() == 10 * (3 * chain + 1));
  }
}

TEST_CASE("Delegation: the contract holds, whatever the length of the chains") {
  for (const std::uint32_t chain : {1u, 2u, 4u, 1024u}) {
    for (const std::uint32_t workers : {1u, 2u, 5u}) {
      const LogBufferOptions options{
          .capacity = 4096, .max_workers = workers, .consolidation_slots = 2, .delegation_chain = chain};
      ConsolidationDelegated<> log(options);
      INFO("chain " << chain << ", " << workers << " workers");
      CHECK(test::drive(log, options, {.workers = workers, .records = 2000, .size_max = 600}).total() == 0);
    }
  }
}

}  // namespace muster
