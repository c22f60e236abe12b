// A bounded share of scripts/model: the smallest shapes, to the end where that is near.
#include <algorithm>
#include <set>

#include "tests/catch.h"
#include "tests/model/litmus.h"
#include "tests/model/programs.h"
#include "tests/model/search.h"

namespace muster::model {
namespace {

Shape shape(std::uint32_t workers, std::uint32_t records, std::uint32_t advances, std::size_t capacity = 8,
            std::vector<std::uint32_t> sizes = {3}, bool churn = false) {
  Shape shape;
  shape.workers = workers;
  shape.records = records;
  shape.advances = advances;
  shape.options.capacity = capacity;
  shape.sizes = std::move(sizes);
  shape.churn = churn;
  return shape;
}

Shape begun_at(Lsn start, Shape shape) {
  shape.options.start = start;
  return shape;
}

/// The last LSN but two that may be a start: the first record comes to bits 32 and 62.
constexpr Lsn kLastStart = (Lsn{1} << 62) - 3;

/// From small to large: whoever is wrong is found out in one of them.
std::vector<Shape> shapes() {
  return {shape(2, 1, 1),
          shape(2, 1, 1, 8, {3}, true),
          begun_at(5, shape(2, 1, 1)),
          begun_at(kLastStart, shape(2, 1, 1)),
          shape(2, 2, 1, 4, {2}),
          shape(2, 2, 1, 8, {2}),
          shape(2, 2, 1, 8, {1}),  // records that begin in the same slot of links
          shape(3, 1, 1, 4, {1, 3, 2}),
          shape(2, 2, 2, 4, {1, 2, 3}),
          shape(2, 2, 2, 8, {3}),
          shape(2, 3, 2, 4, {2}),
          shape(3, 1, 1, 16, {4})};  // records as long as the window of links
}

std::string violation(const Subject& subject, const Shape& shape, std::uint64_t executions,
                      const Weakening& weakening = {}) {
  Execution execution;
  execution.weaken(weakening);
  const std::unique_ptr<Program> program = subject.make(shape);
  return search_reduced(execution, *program, {.executions = executions}).violation;
}

/// One record of each worker, with each lock that the algorithm may have besides the default.
std::vector<Shape> with_other_locks(const AlgorithmInfo& info, std::uint32_t workers) {
  std::vector<Shape> shapes;
  for (const LockKind lock : {LockKind::ticket, LockKind::mcs, LockKind::std_mutex}) {
    if (info.lock_use == LockUse::none || !may_have(info, lock)) continue;
    shapes.push_back(shape(workers, 1, 1));
    shapes.back().options.lock = lock;
  }
  return shapes;
}

/// Two records of each of two workers, and one of each of three. All workers meet in one funnel.
std::vector<Shape> with_other_counters(const AlgorithmInfo& info) {
  std::vector<Shape> shapes;
  for (const CounterKind counter : {CounterKind::aggregating, CounterKind::adaptive}) {
    if (!may_have(info, counter)) continue;
    // With barriers the larger shapes have more executions than a test has time for.
    const std::vector<Shape> funnels =
        info.asymmetric_barrier ? std::vector{shape(2, 1, 1)}
                                : std::vector{shape(2, 2, 1), shape(3, 1, 1), shape(2, 1, 1, 8, {3}, true)};
    for (const Shape& met : funnels) {
      shapes.push_back(met);
      shapes.back().options.counter = counter;
    }
  }
  return shapes;
}

Shape exchanging(Shape shape) {
  shape.options.asymmetric_barrier = AsymmetricBarrierKind::exchange;
  return shape;
}

/// For an algorithm that takes an asymmetric barrier: enough advances to fall asleep, wake up and fall asleep again, with
/// barriers and without.
std::vector<Shape> with_barriers(const AlgorithmInfo& info) {
  if (!info.asymmetric_barrier) return {};
  return {shape(2, 1, 2), shape(1, 2, 3), exchanging(shape(1, 2, 3)),
          exchanging(shape(2, 1, 1, 8, {3}, true))};
}

/// The first violation that some shape shows.
std::string violation(const Subject& subject, const Weakening& weakening = {}) {
  std::vector<Shape> all = with_other_locks(subject.info, 3);  // in a queue, one is behind another
  for (const Shape& shape : with_barriers(subject.info)) all.push_back(shape);
  for (const Shape& shape : shapes()) all.push_back(shape);
  for (const Shape& shape : all) {
    if (std::string found = violation(subject, shape, 60'000, weakening); !found.empty()) return found;
  }
  // Long ones, of which all executions are out of reach.
  Shape laps = shape(3, 4, 8, 16, {5});
  laps.options.slot_pool = 4;
  Execution execution;
  execution.weaken(weakening);
  const std::unique_ptr<Program> program = subject.make(laps);
  return search_random(execution, *program, 1, 3, {.executions = 5000}).violation;
}

const Subject& find(const std::vector<Subject>& all, std::string_view name) {
  for (const Subject& subject : all) {
    if (subject.name == name) return subject;
  }
  throw std::logic_error("no such subject");
}

/// What was searched of an execution: its events, and the values that they have written. Not the verdict, which is also
/// one on its end.
struct Trail {
  std::vector<Event> events;
  std::vector<std::vector<std::uint64_t>> values;

  explicit Trail(const Execution& execution) : events(execution.events()) {
    for (const Event& event : events) {
      values.emplace_back();
      for (const Message& message : execution.location(event.location).messages) {
        if (message.event != kNone) values.back().push_back(message.value);  // the end has none that counts
      }
    }
  }
};

/// Of so many random executions, those that are none any more, or others, with two workers swapped.
std::uint32_t told_apart(const Subject& subject, const Shape& shape, std::uint32_t executions) {
  Execution execution;
  const std::unique_ptr<Program> program = subject.make(shape);
  std::uint32_t told = 0;
  for (std::uint32_t seed = 0; seed < executions; ++seed) {
    const ThreadId one = seed % (shape.workers - 1);
    const auto swapped = [&](ThreadId t) { return t == one ? one + 1 : t == one + 1 ? one : t; };
    search_random(execution, *program, seed, 3, {.executions = 1});
    const Trail first(execution);
    std::vector<Decision> schedule = execution.decisions();
    for (Decision& decision : schedule) decision.thread = swapped(decision.thread);
    try {
      replay(execution, *program, schedule);
    } catch (const std::invalid_argument&) {
      ++told;
      continue;
    }
    const Trail then(execution);
    const auto same = [&](const Event& a, const Event& b) {
      return a.thread == swapped(b.thread) && a.action == b.action && a.location == b.location &&
             a.message == b.message && a.source == b.source && a.writes == b.writes;
    };
    const bool is_same =
        std::equal(first.events.begin(), first.events.end(), then.events.begin(), then.events.end(), same) &&
        first.values == then.values;
    told += is_same ? 0 : 1;
  }
  return told;
}

}  // namespace

TEST_CASE("Model: workers that are taken for alike are: swapped, they do what the other did", "[model]") {
  Shape all_at_once = shape(3, 2, 2, 16, {3});
  all_at_once.idle = 1;
  all_at_once.lag = all_at_once.observe = true;
  all_at_once.options.delegation_chain = 1;
  all_at_once.options.slot_pool = 4;
  Shape ticket_lock = shape(3, 2, 2);
  ticket_lock.options.lock = LockKind::ticket;
  std::set<std::string> alike;
  for (const Subject& subject : subjects()) {
    // A wrong member of a write group is in a list that it has left: it may follow any pointer.
    if (subject.name == "rocksdb_write_group:returns_before_the_end") continue;
    INFO(subject.name);
    for (const Shape& swapped : {shape(3, 2, 2), shape(2, 3, 3, 4, {2}), all_at_once, ticket_lock}) {
      const bool are_alike = subject.make(swapped)->alike(1) == 0;
      const std::uint32_t told = told_apart(subject, swapped, 300);
      if (are_alike) CHECK(told == 0);
      if (are_alike && !subject.mutant) alike.insert(subject.name);
      if (subject.name == "border_collie" || subject.name == "postgres_insert_locks") CHECK(told > 0);
    }
  }
  CHECK(alike.size() == std::size(kAnonymous));
}

TEST_CASE(
    "Model: workers are not taken for alike where sizes, slots, a lock or the moment of attaching tell them "
    "apart",
    "[model]") {
  CHECK(has_workers_alike("decoupled", shape(2, 1, 1)));
  CHECK_FALSE(has_workers_alike("decoupled", shape(2, 1, 1, 8, {3, 1})));
  CHECK_FALSE(has_workers_alike("decoupled", shape(2, 1, 1, 8, {3}, true)));
  Shape mcs_lock = shape(3, 2, 2);
  mcs_lock.options.lock = LockKind::mcs;
  CHECK_FALSE(has_workers_alike("decoupled", mcs_lock));
  Shape two_slots = shape(3, 2, 2);
  two_slots.options.consolidation_slots = 2;
  CHECK_FALSE(has_workers_alike("consolidation", two_slots));
  const std::vector<Subject> all = subjects();
  CHECK(told_apart(find(all, "consolidation"), two_slots, 300) > 0);
}

TEST_CASE("Model: every safe algorithm keeps the contract, in all executions of the smallest shapes",
          "[model]") {
  for (const Subject& subject : subjects()) {
    if (subject.mutant || subject.info.unsafe) continue;
    INFO(subject.name);
    for (const bool churn : {false, true}) {
      Execution execution;
      const std::unique_ptr<Program> program = subject.make(shape(2, 1, 1, 8, {3}, churn));
      for (const bool sequential : {false, true}) {
        execution.make_sequential(sequential);
        const Report report = search_reduced(execution, *program, {.executions = 100'000});
        CHECK(report.violation == "");
        CHECK(report.exhausted);
      }
    }
    CHECK(violation(subject, begun_at(5, shape(2, 2, 1)), 5'000) == "");
    CHECK(violation(subject, begun_at(kLastStart, shape(2, 2, 1)), 5'000) == "");
    CHECK(violation(subject, shape(2, 2, 1, 4, {2}), 5'000) == "");
    CHECK(violation(subject, shape(2, 2, 2, 8, {3}), 5'000) == "");
    for (const Shape& shape : with_barriers(subject.info)) CHECK(violation(subject, shape, 100'000) == "");
  }
}

TEST_CASE("Model: every lock keeps the contract of every algorithm that may have it", "[model]") {
  std::uint32_t explored = 0;
  for (const Subject& subject : subjects()) {
    if (subject.mutant) continue;
    for (const Shape& shape : with_other_locks(subject.info, 2)) {
      INFO(subject.name << " " << to_string(shape.options.lock));
      Execution execution;
      const std::unique_ptr<Program> program = subject.make(shape);
      const Report report = search_reduced(execution, *program, {.executions = 100'000});
      CHECK(report.violation == "");
      CHECK(report.exhausted);
      ++explored;
    }
  }
  CHECK(explored == 18);  // seven algorithms, of which three hand their lock on
}

TEST_CASE("Model: every counter keeps the contract of every algorithm that may have it, in one funnel",
          "[model]") {
  std::uint32_t explored = 0;
  for (const Subject& subject : subjects()) {
    if (subject.mutant || subject.info.unsafe) continue;
    for (const Shape& shape : with_other_counters(subject.info)) {
      INFO(subject.name << " " << to_string(shape.options.counter) << ", " << shape.workers << " workers");
      Execution execution;
      const std::unique_ptr<Program> program = subject.make(shape);
      const Report report = search_reduced(execution, *program, {.executions = 100'000});
      CHECK(report.violation == "");
      CHECK(report.exhausted);
      ++explored;
    }
  }
  CHECK(explored == 26);  // five algorithms
}

TEST_CASE("Model: both searches see the same executions of every safe algorithm", "[model]") {
  std::uint32_t compared = 0;
  for (const Subject& subject : subjects()) {
    if (subject.mutant || subject.info.unsafe) continue;
    for (const Shape& small : {shape(2, 1, 2), shape(2, 1, 1, 8, {3}, true), shape(2, 2, 1, 4, {2})}) {
      INFO(subject.name << " " << small.records << " " << small.churn);
      Execution execution;
      const std::unique_ptr<Program> program = subject.make(small);
      std::set<std::string> reduced, merged;
      const auto see = [&](std::set<std::string>& classes) {
        return [&](const Execution& e) { classes.insert(class_of(e, *program)); };
      };
      if (!search_reduced(execution, *program, {.executions = 3'000}, see(reduced)).exhausted) continue;
      const Report report =
          search_bounded(execution, *program, kPreemptionsMax, {.executions = 100'000}, see(merged));
      CHECK(std::includes(reduced.begin(), reduced.end(), merged.begin(), merged.end()));
      if (!report.exhausted) continue;
      CHECK(reduced == merged);
      ++compared;
    }
  }
  CHECK(compared > 36);  // of 51
}

TEST_CASE("Model: a bounded search that cannot remember all its places sees the same, more than once",
          "[model]") {
  for (const Subject& subject : subjects()) {
    if (subject.name != "fasterlog_epoch") continue;
    Execution execution;
    const std::unique_ptr<Program> program = subject.make(shape(2, 2, 2));
    std::set<std::string> with_room, without;
    const auto explore = [&](const Limits& limits, std::set<std::string>& classes) {
      return search_bounded(execution, *program, 2, limits,
                            [&](const Execution& e) { classes.insert(class_of(e, *program)); });
    };
    const Report all = explore({}, with_room);
    const Report forgetful = explore({.memory = 0}, without);
    CHECK(all.exhausted);
    CHECK_FALSE(all.full);
    CHECK(forgetful.exhausted);
    CHECK(forgetful.full);
    CHECK(forgetful.executions > all.executions);
    CHECK(with_room == without);
  }
}

TEST_CASE("Model: what a search has kept of one execution for the next is what its steps alone leave",
          "[model]") {
  for (const Subject& subject : subjects()) {
    if (subject.mutant || subject.info.unsafe) continue;
    INFO(subject.name);
    Execution execution;
    const std::unique_ptr<Program> program = subject.make(shape(2, 2, 2, 4, {2}, true));
    std::vector<std::pair<std::vector<Decision>, std::string>> found;
    search_reduced(execution, *program, {.executions = 500},
                   [&](const Execution& e) { found.emplace_back(e.decisions(), class_of(e, *program)); });
    CHECK(found.size() > 10);
    for (const auto& [decisions, expected] : found) {
      REQUIRE(replay(execution, *program, decisions).violation == "");
      REQUIRE(class_of(execution, *program) == expected);
    }
  }
}

TEST_CASE("Model: random schedules of a larger shape find nothing in any safe algorithm", "[model]") {
  for (const Subject& subject : subjects()) {
    if (subject.mutant || subject.info.unsafe) continue;
    INFO(subject.name);
    Execution execution;
    const std::unique_ptr<Program> program = subject.make(shape(3, 3, 3, 8, {3, 1, 2}, true));
    CHECK(search_random(execution, *program, 1, 3, {.executions = 1000}).violation == "");
  }
}

TEST_CASE("Model: what is wrong is found out, and a variant that is safe is not", "[model]") {
  for (const Subject& subject : subjects()) {
    if (!subject.mutant && (!subject.info.unsafe || subject.name == "null")) continue;
    INFO(subject.name << ": " << subject.why);
    CHECK((violation(subject) != "") == (subject.wrong || !subject.mutant));
  }
}

TEST_CASE("Model: a mutex as log buffer is not wrong in any shape", "[model]") {
  const std::vector<Subject> all = subjects();
  for (const Shape& shape : shapes()) CHECK(violation(find(all, "mutex"), shape, 60'000) == "");
}

TEST_CASE("Model: each order of `border_collie` and `border_collie_awake` is needed", "[model]") {
  const auto [name, orders] =
      GENERATE(table<std::string, std::size_t>({{"border_collie", 9}, {"border_collie_awake", 13}}));
  const std::vector<Subject> all = subjects();
  const Subject& subject = find(all, name);
  std::vector<Site> sites;
  for (const Shape& met : {shape(2, 3, 2, 4, {2}), exchanging(shape(2, 3, 2, 4, {2}))}) {
    Execution execution;
    execution.collect_sites(&sites);
    const std::unique_ptr<Program> program = subject.make(met);
    search_random(execution, *program, 1, 3, {.executions = 300});
  }
  CHECK(sites.size() == orders);
  for (const Site& site : sites) {
    INFO(file_name(site.where) << ":" << site.where.line() << " " << site.location);
    Weakening weakening;
    weakening.file = file_name(site.where);
    weakening.line = site.where.line();
    weakening.column = site.where.column();
    CHECK(violation(subject, weakening) != "");
  }
}

TEST_CASE("Model: why there is a cutoff, without any stale read", "[model]") {
  const std::vector<Subject> all = subjects();
  Execution execution;
  execution.make_sequential(true);
  const std::unique_ptr<Program> program = find(all, "border_collie:cutoff_after_scan").make(shape(2, 1, 1));
  const Report report = search_bounded(execution, *program, 2, {});
  CHECK(report.exhausted);
  CHECK(report.violation.find("hole") == 0);
}

}  // namespace muster::model
