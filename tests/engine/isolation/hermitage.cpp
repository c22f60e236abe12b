#include "tests/engine/isolation/hermitage.h"

#include <algorithm>

namespace muster::isolation {
namespace {

const Rows kRows{{"1", "10"}, {"2", "20"}};

/// Predicates.
auto is(int wanted) {
  return [wanted](std::string_view value) { return number(value) == wanted; };
}
auto divisible_by(int divisor) {
  return [divisor](std::string_view value) { return number(value) % divisor == 0; };
}

/// As SQL's `delete ... where value = 20`.
Status remove_twenties(Stage& stage, Session& session, Step& step) {
  if (const Status status = scan(session, stage.table(), step.rows); status != Status::ok) return status;
  std::erase_if(step.rows, [](const auto& row) { return row.second != "20"; });
  for (const auto& [key, value] : step.rows) {
    const Status status = session.remove(stage.table(), std::as_bytes(std::span(key)));
    if (was_rolled_back(status)) return status;
  }
  return Status::ok;
}

bool write_cycle(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  t1.update("1", "11");
  t2.update("1", "12");
  t1.update("2", "21");
  t1.commit();
  t2.update("2", "22");
  t2.commit();
  const Rows& rows = stage.end();
  return rows != Rows{{"1", "11"}, {"2", "21"}} && rows != Rows{{"1", "12"}, {"2", "22"}};
}

bool aborted_read(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  t1.update("1", "101");
  const Step& first = t2.scan();
  t1.abort();
  const Step& second = t2.scan();
  t2.commit();
  stage.end();
  return t2.committed() && !(first.saw(kRows) && second.saw(kRows));
}

bool intermediate_read(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  t1.update("1", "101");
  const Step& first = t2.read("1");
  t1.update("1", "11");
  t1.commit();
  const Step& second = t2.read("1");
  t2.commit();
  stage.end();
  return t2.committed() && (first.saw("101") || second.saw("101"));
}

bool circular_information_flow(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  t1.update("1", "11");
  t2.update("2", "22");
  const Step& by_t1 = t1.read("2");
  const Step& by_t2 = t2.read("1");
  t1.commit();
  t2.commit();
  stage.end();
  return t1.committed() && t2.committed() && by_t1.saw("22") && by_t2.saw("11");
}

bool observed_transaction_vanishes(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor(), &t3 = stage.actor();
  t1.begin();
  t2.begin();
  t3.begin();
  t1.update("1", "11");
  t1.update("2", "19");
  t2.update("1", "12");
  t1.commit();
  const Step& first = t3.read("1");
  t2.update("2", "18");
  const Step& second = t3.read("2");
  t2.commit();
  const Step& third = t3.read("2");
  const Step& fourth = t3.read("1");
  t3.commit();
  stage.end();
  // The writer whose value each read saw: 0, none; 1, T1; 2, T2. It must not fall.
  const auto writer = [](const Step* step) {
    if (step->saw("10") || step->saw("20")) return 0;
    return step->saw("11") || step->saw("19") ? 1 : 2;
  };
  const std::array<const Step*, 4> reads{&first, &second, &third, &fourth};
  return t3.committed() && !std::ranges::is_sorted(reads, {}, writer);
}

bool predicate_many_preceders(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  const Step& first = t1.scan(is(30));
  t2.insert("3", "30");
  t2.commit();
  const Step& second = t1.scan(divisible_by(3));
  t1.commit();
  stage.end();
  return t1.committed() && first.saw(Rows{}) && !second.saw(Rows{});
}

bool predicate_many_preceders_of_a_write(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  t1.update("1", "20");
  t1.update("2", "30");
  t2.then([&](Session& session, Step& step) { return remove_twenties(stage, session, step); });
  t1.commit();
  const Step& left = t2.scan(is(20));
  t2.commit();
  stage.end();
  return t2.committed() && !left.saw(Rows{});
}

bool lost_update(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  const Step& by_t1 = t1.read("1");
  const Step& by_t2 = t2.read("1");
  t1.update("1", "11");
  t2.update("1", "11");
  t1.commit();
  t2.commit();
  stage.end();
  return t1.committed() && t2.committed() && by_t1.saw("10") && by_t2.saw("10");
}

bool read_skew(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  const Step& first = t1.read("1");
  t2.read("1");
  t2.read("2");
  t2.update("1", "12");
  t2.update("2", "18");
  t2.commit();
  const Step& second = t1.read("2");
  t1.commit();
  stage.end();
  return t1.committed() && first.saw("10") && second.saw("18");
}

bool read_skew_of_predicates(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  const Step& first = t1.scan(divisible_by(5));
  t2.scan(is(10));
  t2.update("1", "12");
  t2.commit();
  const Step& second = t1.scan(divisible_by(3));
  t1.commit();
  stage.end();
  return t1.committed() && first.saw(kRows) && !second.saw(Rows{});
}

bool read_skew_of_a_write(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  const Step& first = t1.read("1");
  t2.scan();
  t2.update("1", "12");
  t2.update("2", "18");
  t2.commit();
  const Step& removed =
      t1.then([&](Session& session, Step& step) { return remove_twenties(stage, session, step); });
  t1.commit();
  stage.end();
  return t1.committed() && first.saw("10") && removed.saw(Rows{});
}

bool write_skew(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  t1.read("1");
  const Step& by_t1 = t1.read("2");
  const Step& by_t2 = t2.read("1");
  t2.read("2");
  t1.update("1", "11");
  t2.update("2", "21");
  t1.commit();
  t2.commit();
  stage.end();
  return t1.committed() && t2.committed() && by_t1.saw("20") && by_t2.saw("10");
}

bool write_skew_of_predicates(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor();
  t1.begin();
  t2.begin();
  const Step& by_t1 = t1.scan(divisible_by(3));
  const Step& by_t2 = t2.scan(divisible_by(3));
  t1.insert("3", "30");
  t2.insert("4", "42");
  t1.commit();
  t2.commit();
  stage.end();
  return t1.committed() && t2.committed() && by_t1.saw(Rows{}) && by_t2.saw(Rows{});
}

/// T3 only reads, and shows that T2 comes before T1, while T1 has not seen what T2 wrote.
bool two_antidependencies(Stage& stage) {
  Actor &t1 = stage.actor(), &t2 = stage.actor(), &t3 = stage.actor();
  t1.begin();
  const Step& by_t1 = t1.scan();
  t2.begin();
  t2.update("2", "25");
  t2.commit();
  t3.begin();
  const Step& by_t3 = t3.scan();
  t3.commit();
  t1.update("1", "0");
  t1.commit();
  stage.end();
  return t1.committed() && t2.committed() && t3.committed() && by_t1.saw(kRows) &&
         by_t3.saw(Rows{{"1", "10"}, {"2", "25"}});
}

constexpr std::array<Schedule, 14> kSchedules{{
    {"G0", "", "dirty write: two writers' updates are mixed", write_cycle},
    {"G1a", "", "aborted read: what is rolled back is seen", aborted_read},
    {"G1b", "", "intermediate read: a value is seen before its last", intermediate_read},
    {"G1c", "", "circular flow: each of two sees the other's write", circular_information_flow},
    {"OTV", "", "observed transaction vanishes: a later read sees an older writer",
     observed_transaction_vanishes},
    {"PMP", "read", "a row appears under a predicate", predicate_many_preceders},
    {"PMP", "write", "a row that a deletion should have met is there behind it",
     predicate_many_preceders_of_a_write},
    {"P4", "", "lost update: both add to what they read, one counts", lost_update},
    {"G-single", "read", "read skew: one record from before, one from behind", read_skew},
    {"G-single", "predicate", "read skew between two scans", read_skew_of_predicates},
    {"G-single", "write", "a deletion misses the row that its reads imply", read_skew_of_a_write},
    {"G2-item", "", "write skew: each writes what the other has read", write_skew},
    {"G2", "predicate", "write skew on a predicate: each inserts what the other looked for",
     write_skew_of_predicates},
    {"G2", "reader", "a transaction that only reads sees an order that cannot be", two_antidependencies},
}};

}  // namespace

std::span<const Schedule> schedules() {
  return kSchedules;
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::allowed:
      return "**allowed**";
    case Outcome::waits:
      return "waits";
    case Outcome::aborts:
      return "aborts";
    case Outcome::versions:
      break;
  }
  return "versions";
}

Outcome outcome_of(const Schedule& schedule, const Level& level) {
  Stage stage(level, kRows);
  if (schedule.play(stage)) return Outcome::allowed;
  if (stage.some_actor_was_refused()) return Outcome::aborts;
  return stage.some_actor_waited() ? Outcome::waits : Outcome::versions;
}

}  // namespace muster::isolation
