#include "engine/log/gathering.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace muster {
namespace {

using Role = Gathering::Role;

}  // namespace

TEST_CASE("Gathering: a single client that is expected completes it and never waits") {
  Gathering gathering;
  Gathering::Member client{.ticket = gathering.next_ticket()};
  gathering.open(1, false);
  CHECK(gathering.join(client) == Role::none);
  CHECK_FALSE(gathering.open());
}

TEST_CASE("Gathering: the first client keeps the time, the last one completes it") {
  Gathering gathering;
  const std::uint32_t ticket = gathering.next_ticket();
  Gathering::Member first{.ticket = ticket}, second{.ticket = ticket}, third{.ticket = ticket}, guest;
  gathering.open(3, false);
  CHECK(gathering.join(first) == Role::keeper);
  CHECK(gathering.join(first) == Role::keeper);
  CHECK(gathering.join(guest) == Role::follower);
  CHECK(gathering.join(second) == Role::follower);
  CHECK(gathering.kept_by_client());
  CHECK(gathering.join(third) == Role::none);
  CHECK(gathering.join(first) == Role::none);
}

TEST_CASE("Gathering: where the flusher keeps the time no client does") {
  Gathering gathering;
  Gathering::Member client{.ticket = gathering.next_ticket()};
  gathering.open(2, true);
  CHECK(gathering.join(client) == Role::follower);
  CHECK_FALSE(gathering.kept_by_client());
}

TEST_CASE("Gathering: an old ticket takes nobody's place") {
  Gathering gathering;
  Gathering::Member late{.ticket = gathering.next_ticket()};
  gathering.open(1, false);
  gathering.close();
  gathering.open(1, false);
  CHECK(gathering.join(late) == Role::keeper);
  CHECK(gathering.open());
}

TEST_CASE("Gathering: whose time is up ends its own gathering and no later one") {
  Gathering gathering;
  Gathering::Member keeper, next;
  gathering.open(1, false);
  gathering.join(keeper);
  gathering.close();
  gathering.open(1, false);
  gathering.give_up(keeper);
  CHECK(gathering.open());
  gathering.join(next);
  gathering.give_up(next);
  CHECK_FALSE(gathering.open());
}

TEST_CASE("Gathering: of clients that join at once one keeps the time and one completes it") {
  constexpr std::uint32_t kClients = 4;
  Gathering gathering;
  int wrong = 0;
  for (int round = 0; round < 500; ++round) {
    const std::uint32_t ticket = gathering.next_ticket();
    gathering.open(kClients, false);
    std::atomic<int> keepers{0}, completed{0};
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < kClients; ++t) {
      threads.emplace_back([&] {
        Gathering::Member member{.ticket = ticket};
        const Role role = gathering.join(member);
        if (role == Role::keeper) ++keepers;
        if (role == Role::none) ++completed;
      });
    }
    for (std::thread& thread : threads) thread.join();
    if (keepers != 1 || completed != 1) ++wrong;
  }
  CHECK(wrong == 0);
}

}  // namespace muster
