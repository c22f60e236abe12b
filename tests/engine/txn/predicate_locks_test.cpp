#include "tests/engine/txn/predicate_locks.h"

#include <algorithm>
#include <chrono>
#include <iostream>

#include "engine/txn/lock_manager.h"
#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"

namespace muster {
namespace {

using testing::PredicateLocks;

std::string key_of_room(std::size_t number) {
  return "room" + std::to_string(100'000 + number);
}

PredicateLocks::Predicate range(const std::string& from, const std::string& to) {
  return [from, to](const std::string& key, const std::string&) { return from <= key && key < to; };
}

/// Nanoseconds of one call, the median of nine rounds.
template <class Call>
double median_ns(Call call) {
  constexpr int kCalls = 2000;
  std::vector<double> rounds;
  for (int round = 0; round < 9; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kCalls; ++i) call();
    rounds.push_back(
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / kCalls);
  }
  std::ranges::nth_element(rounds, rounds.begin() + 4);
  return rounds[4];
}

}  // namespace

TEST_CASE(
    "PredicateLocks: a writer waits for the readers whose predicate its record satisfies, and for no other") {
  PredicateLocks locks;
  locks.read(1, range("b", "d"));
  locks.read(2, [](const std::string&, const std::string& value) { return value == "free"; });
  CHECK_FALSE(locks.may_write(3, "c", "taken"));
  CHECK(locks.may_write(1, "c", "taken"));
  CHECK(locks.may_write(3, "d", "taken"));
  CHECK_FALSE(locks.may_write(3, "d", "free"));  // what no index range could say
  locks.end(2);
  CHECK(locks.may_write(3, "d", "free"));
}

TEST_CASE("PredicateLocks: a writer asks every predicate there is, but takes one lock of an index range") {
  std::vector<double> by_predicates, by_gap;
  for (const std::size_t readers : {16u, 256u, 4096u}) {
    PredicateLocks predicates;
    LockManager gaps;
    std::vector<LockHolder> holders(readers);
    for (std::size_t i = 0; i < readers; ++i) {
      predicates.read(i, range(key_of_room(2 * i), key_of_room(2 * i + 1)));
      REQUIRE(gaps.acquire(holders[i], gap_name(1, as_bytes(key_of_room(2 * i))), LockMode::shared));
    }
    LockHolder writer;
    int refused = 0;
    const std::string key = key_of_room(2 * readers), value = "x";
    by_predicates.push_back(median_ns([&] { refused += predicates.may_write(readers, key, value) ? 0 : 1; }));
    by_gap.push_back(median_ns([&] {
      const LockName gap = gap_name(1, as_bytes(key));
      refused += gaps.acquire(writer, gap, LockMode::add) ? 0 : 1;
      gaps.release_early(writer, gap);
    }));
    CHECK(refused == 0);
    std::cout << readers << " readers: a write asks predicates for " << by_predicates.back()
              << " ns, locks a gap for " << by_gap.back() << " ns\n";
    for (LockHolder& holder : holders) gaps.release_all(holder, 0);
  }
  CHECK(by_predicates.back() > 10 * by_gap.back());
  CHECK(by_predicates.back() > 10 * by_predicates.front());
  CHECK(by_gap.back() < 10 * by_gap.front());
}

}  // namespace muster
