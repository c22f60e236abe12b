// The counters that an algorithm may have: each behaves as one fetch-add, whichever worker performs it. And the contract with each.
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tests/algorithms/drive.h"
#include "tests/algorithms/halting_platform.h"
#include "tests/algorithms/instrumented_platform.h"
#include "tests/algorithms/selected.h"
#include "tests/algorithms/watched.h"
#include "tests/catch.h"
#include "tests/sanitized.h"

namespace muster {
namespace {

using test::HaltingPlatform;
using test::InstrumentedPlatform;
using test::Stage;

using Counters = std::tuple<HardwareCounter<NativePlatform>*, AggregatingCounter<NativePlatform>*,
                            AdaptiveCounter<NativePlatform>*>;

template <class A>
constexpr bool has_other_counter() {
  return A::info.takes_counter && !A::info.unsafe && CounterOf<A>::kKind != CounterKind::hardware;
}
template <class... As>
auto with_other_counter(TypeList<As...>) -> decltype(std::tuple_cat(
    std::declval<std::conditional_t<has_other_counter<As>(), std::tuple<As*>, std::tuple<>>>()...));
template <class... As>
auto with_other_counters(TypeList<As...>)
    -> decltype(std::tuple_cat(with_other_counter(WithEachPolicy<As>{})...));
using WithOtherCounters = decltype(with_other_counters(AllAlgorithms<NativePlatform>{}));

constexpr std::uint32_t kFunnelWorkers = 4;
constexpr std::uint32_t kFunnelRecords = kIsSanitized ? 1000 : 5000;

}  // namespace

TEMPLATE_LIST_TEST_CASE(
    "Counter: ranges tile, and one that is taken after another had returned lies behind it", "[counters]",
    Counters) {
  using Counter = std::remove_pointer_t<TestType>;
  const std::uint32_t slots = GENERATE(as<std::uint32_t>{}, 1, 3, 6);
  constexpr Lsn kStart = (Lsn{1} << 62) - 77;
  Counter counter({.max_workers = kFunnelWorkers, .start = kStart, .funnel_slots = slots});
  std::atomic<Lsn> returned{0};
  std::atomic<std::uint64_t> fell{0}, not_seen{0};
  std::vector<std::map<Lsn, std::uint32_t>> ranges(kFunnelWorkers);
  {
    std::vector<std::jthread> threads;
    for (WorkerId w = 0; w < kFunnelWorkers; ++w) {
      threads.emplace_back([&, w] {
        std::minstd_rand random(w + 1);
        for (std::uint32_t i = 0; i < kFunnelRecords; ++i) {
          const auto size = static_cast<std::uint32_t>(1 + (random() % 64 == 0 ? 1u << 31 : random() % 300));
          const Lsn before = returned.load(std::memory_order_relaxed);
          const Lsn begin = counter.fetch_add(w, size, std::memory_order_relaxed);
          if (begin < before) ++fell;
          if (counter.load(std::memory_order_relaxed) < begin + size) ++not_seen;
          for (Lsn seen = returned;
               seen < begin + size && !returned.compare_exchange_weak(seen, begin + size);) {}
          ranges[w][begin] = size;
        }
      });
    }
  }
  std::map<Lsn, std::uint32_t> all;
  for (const auto& of_worker : ranges) all.insert(of_worker.begin(), of_worker.end());
  Lsn expected = kStart;
  std::uint64_t gaps = 0;
  for (const auto& [begin, size] : all) {
    if (begin != expected) ++gaps;
    expected = begin + size;
  }
  CHECK(all.size() == std::size_t{kFunnelWorkers} * kFunnelRecords);
  CHECK(gaps == 0);
  CHECK(fell == 0);
  CHECK(not_seen == 0);
  CHECK(counter.load(std::memory_order_relaxed) == expected);
}

TEST_CASE("AggregatingCounter: workers that meet are told their ranges, and one of them adds for all",
          "[counters]") {
  AggregatingCounter<HaltingPlatform> counter({.max_workers = 3, .funnel_slots = 1});
  std::vector<Lsn> begins(3);
  Stage stage;
  for (WorkerId w = 0; w < 3; ++w) {
    stage.add([&, w] { begins[w] = counter.fetch_add(w, 10 + w, std::memory_order_release); });
  }
  const auto goes_to = [&](std::size_t actor, const std::string& place) {
    for (int i = 0; i < 100 && stage.place(actor) != place && stage.can_run(actor); ++i) stage.run(actor, 1);
    return stage.place(actor) == place;
  };
  const std::string waits = "wait for entry";
  REQUIRE(goes_to(0, "load funnel"));  // it leads, and the batch is open
  REQUIRE(goes_to(1, waits));
  REQUIRE(goes_to(2, waits));
  CHECK_FALSE(stage.can_run(1));
  REQUIRE(goes_to(0, "fetch_add tail"));  // the batch is closed: all three are in it
  stage.run(0, 1000);
  REQUIRE(stage.state(0) == Stage::State::done);
  CHECK(counter.load(std::memory_order_relaxed) == 33);
  for (const std::size_t member : {1, 2}) {
    CHECK_FALSE(goes_to(member, "fetch_add tail"));  // it runs to its end
    CHECK(stage.state(member) == Stage::State::done);
  }
  CHECK(begins == std::vector<Lsn>{0, 10, 21});
  CHECK(counter.fetch_add(1, 5, std::memory_order_release) == 33);  // the next leads
}

TEST_CASE("AdaptiveCounter: a worker goes through its funnel while others come between, and not else",
          "[counters]") {
  AdaptiveCounter<InstrumentedPlatform> counter({.max_workers = 2});
  constexpr Crowd kCrowd = NativePlatform::kCrowd;
  std::uint32_t funnelled = 0;
  const test::Hooked hooked(
      [&](std::string_view name, std::uint32_t) { funnelled += name == "funnel" ? 1 : 0; });
  const auto add = [&](WorkerId worker, std::uint32_t times) {
    const std::uint32_t before = funnelled;
    for (; times > 0; --times) counter.fetch_add(worker, 10, std::memory_order_relaxed);
    return funnelled != before;
  };
  CHECK_FALSE(add(0, 1000));  // alone
  for (std::uint32_t i = 0; i < kCrowd.times; ++i) {
    CHECK_FALSE(add(1, kCrowd.others - 1));
    CHECK_FALSE(add(0, 1));  // few between
  }
  for (std::uint32_t i = 1; i < kCrowd.times; ++i) {
    CHECK_FALSE(add(1, kCrowd.others));
    CHECK_FALSE(add(0, 1));
  }
  CHECK_FALSE(add(0, 1));  // not in a row
  for (std::uint32_t i = 0; i < kCrowd.times; ++i) {
    CHECK_FALSE(add(1, kCrowd.others));
    CHECK_FALSE(add(0, 1));
  }
  CHECK(add(0, 1));
  add(0, kCrowd.stays - 1);
  CHECK_FALSE(add(0, 1));  // alone again, and it has found out
}

TEMPLATE_LIST_TEST_CASE(
    "LogBuffer: the contract holds with every counter, for 1 to 8 workers in one funnel or in several",
    "[counters]", WithOtherCounters) {
  using A = std::remove_pointer_t<TestType>;
  const std::uint32_t slots = GENERATE(as<std::uint32_t>{}, 1, 3);
  for (const std::uint32_t workers : {1u, 3u, 8u}) {
    const LogBufferOptions options{.capacity = 8192, .max_workers = workers, .funnel_slots = slots};
    test::Watched<A> log(options);
    INFO(name_with_policy<A>() << ": " << workers << " workers, " << slots << " funnels");
    CHECK(test::drive(log, options, {.workers = workers, .records = kFunnelRecords / 4, .pauses = true})
              .total() == 0);
  }
}

}  // namespace muster
