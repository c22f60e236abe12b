// Where a worker's time goes is counted, by what it waited for; and how long it is before a wait sleeps.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "algorithms/platform.h"
#include "tests/catch.h"

namespace muster {

TEST_CASE("Waits: patience is a number of rounds; who is out of it sleeps in every one") {
  const auto sleeps = [] {  // of this thread, so far
    rusage usage{};
    REQUIRE(getrusage(RUSAGE_THREAD, &usage) == 0);
    return usage.ru_nvcsw;
  };
  Backoff backoff = GENERATE(false, true) ? Backoff::in_turn() : Backoff();
  const long before = sleeps();
  for (std::uint32_t i = 0; i < Backoff::kPatience; ++i) backoff.pause();
  CHECK(sleeps() - before < 20);  // by accident, as for a page
  for (std::uint32_t i = 0; i < Backoff::kPatience; ++i) backoff.pause();
  // A sleep may end before the thread has left its processing unit, and is then not counted; but none is shorter.
  const auto out_of_patience = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) backoff.pause();
  CHECK(std::chrono::steady_clock::now() - out_of_patience >= 50 * Backoff::kSleep);
}

TEST_CASE("Waits: a wait that is over at once is not counted, a longer one is, by what it was for") {
  const NativePlatform::Atomic<int> atomic{7};
  for (const WaitFor what : {WaitFor::room, WaitFor::predecessor, WaitFor::lock}) {
    const WaitCounters before = this_thread_waits();
    NativePlatform::await(
        atomic, [](int value) { return value == 7; }, std::memory_order_acquire, what);
    CHECK(this_thread_waits().of(what).count == WaitCounters(before).of(what).count);
    int looks = 0;
    NativePlatform::await(
        atomic, [&](int) { return ++looks == 100; }, std::memory_order_acquire, what);
    CHECK(this_thread_waits().of(what).count == WaitCounters(before).of(what).count + 1);
    CHECK(this_thread_waits().of(what).ns > WaitCounters(before).of(what).ns);
  }
  CHECK(this_thread_waits().room.count == this_thread_waits().lock.count);
}

TEST_CASE("Waits: who lingers looks until it is as he wants it, so many times at most, and counts no wait") {
  const NativePlatform::Atomic<int> atomic{7};
  const WaitCounters before = this_thread_waits();
  for (const std::uint32_t over_at : {1u, 2u, Backoff::kPauses + 1, Backoff::kPauses + 2}) {
    std::uint32_t looks = 0;
    const auto is_over = [&](int) { return ++looks == over_at; };
    CHECK(NativePlatform::linger(atomic, is_over, std::memory_order_acquire) == 7);
    CHECK(looks == std::min(over_at, Backoff::kPauses + 1));
  }
  CHECK(this_thread_waits().predecessor.count == before.predecessor.count);
  CHECK(this_thread_waits().room.count == before.room.count);
}

TEST_CASE("Waits: one that is over within a few pauses counts, and no clock is read for it") {
  const NativePlatform::Atomic<int> atomic{7};
  const auto [what, pauses] = GENERATE(table<WaitFor, int>({{WaitFor::room, 3}, {WaitFor::predecessor, 7}}));
  for (int over_at = 2; over_at <= pauses + 1; ++over_at) {
    WaitCounters before = this_thread_waits();
    int looks = 0;
    NativePlatform::await(
        atomic, [&](int) { return ++looks == over_at; }, std::memory_order_acquire, what);
    CHECK(this_thread_waits().of(what).count == before.of(what).count + 1);
    CHECK(this_thread_waits().of(what).ns == before.of(what).ns);
  }
}

}  // namespace muster
