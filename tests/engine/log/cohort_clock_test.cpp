#include "engine/log/cohort_clock.h"

#include <map>

#include "tests/catch.h"

namespace muster {
namespace {

using namespace std::chrono_literals;
using Nanoseconds = std::chrono::nanoseconds;

constexpr Nanoseconds kSync = 100us;

/// Clients that commit in turn with syncs, at times that the test makes up.
struct Clients {
  explicit Clients(std::uint32_t clients) : clock(clients) {}

  /// A sync ends that covers `client`'s commit, for which it came `away` after its last release.
  bool round(std::uint32_t client, Nanoseconds away) {
    clock.synced(kSync);
    const Nanoseconds asked = released[client] + away;
    released[client] = asked + kSync;
    return clock.release(client, asked, released[client]);
  }

  CohortClock clock;
  std::map<std::uint32_t, Nanoseconds> released;
};

}  // namespace

TEST_CASE("CohortClock: a new client is not expected, one that came back in time twice is") {
  Clients clients(1);
  CHECK_FALSE(clients.round(0, 1s));
  CHECK_FALSE(clients.round(0, 20us));
  CHECK(clients.round(0, 20us));
}

TEST_CASE("CohortClock: a client that is late is not expected after two rounds at most") {
  Clients clients(1);
  for (int i = 0; i < 100; ++i) clients.round(0, 20us);
  clients.round(0, 10ms);
  CHECK_FALSE(clients.round(0, 10ms));
}

TEST_CASE("CohortClock: a straggler is not expected and does not make the wait for others longer") {
  Clients clients(3);
  for (int i = 0; i < 100; ++i) {
    clients.round(0, 20us);
    clients.round(1, 20us);
    clients.round(2, 10ms);
  }
  CHECK(clients.round(0, 20us));
  CHECK_FALSE(clients.round(2, 10ms));
  CHECK(clients.clock.patience() < 25us);
}

TEST_CASE("CohortClock: the wait is as long as clients usually need, and never longer than a sync") {
  const Nanoseconds away = GENERATE(as<Nanoseconds>{}, 5us, 40us, 99us);
  Clients clients(1);
  for (int i = 0; i < 100; ++i) {
    clients.round(0, away);
    CHECK(clients.clock.patience() <= kSync);
  }
  CHECK(clients.clock.patience() >= away * 9 / 10);
  CHECK(clients.clock.patience() <= std::min(kSync, away * 5 / 4));
}

TEST_CASE("CohortClock: clients that need differently long are given time for the slowest, up to a sync") {
  Clients clients(2);
  for (int i = 0; i < 100; ++i) {
    clients.round(0, 10us);
    clients.round(1, 50us);
  }
  CHECK(clients.clock.patience() >= 50us);
  CHECK(clients.clock.patience() <= kSync);
}

TEST_CASE("CohortClock: before the first sync there is no patience") {
  CHECK(CohortClock(1).patience() == 0ns);
}

TEST_CASE("CohortClock: a device that becomes faster shortens the wait") {
  Clients clients(1);
  for (int i = 0; i < 100; ++i) clients.round(0, 90us);
  for (int i = 0; i < 100; ++i) clients.clock.synced(10us);
  CHECK(clients.clock.patience() <= 11us);
}

}  // namespace muster
