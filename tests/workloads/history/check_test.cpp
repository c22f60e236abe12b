#include "workloads/history/check.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "workloads/history/history_file.h"

namespace {

using namespace muster::history;
using Names = std::set<std::string>;

Verdict checked(const std::string& edn, Order order = Order::none) {
  return check(read_history(edn, "test"), order);
}

Names names_of(const Verdict& verdict) {
  Names names;
  for (const Anomaly& a : verdict.anomalies) names.insert(a.name);
  return names;
}

/// A history of committed transactions that took no time: "[:append x 1] [:r y [1]]".
std::string committed(const std::vector<std::string>& transactions) {
  std::string edn;
  for (const std::string& t : transactions) edn += "{:type :ok, :process 0, :value [" + t + "]}\n";
  return edn;
}

std::string event(const std::string& type, int process, const std::string& value) {
  return "{:type :" + type + ", :process " + std::to_string(process) + ", :value [" + value + "]}\n";
}

/// One transaction after the other, each by the process that is named.
std::string one_by_one(const std::vector<std::pair<int, std::string>>& transactions) {
  std::string edn;
  for (const auto& [process, value] : transactions)
    edn += event("invoke", process, value) + event("ok", process, value);
  return edn;
}

struct Planted {
  std::string name;  // the anomaly that it is there for
  std::string edn;
  Names all;  // that such a history has
  Level violates;
  Order order = Order::none;
};

std::vector<Planted> planted_in_lists() {
  const std::string failed = event("fail", 1, "[:append x 1]");
  return {
      {"G0",
       committed({"[:append x 1] [:append y 1]", "[:append x 2] [:append y 2]", "[:r x [1 2]] [:r y [2 1]]"}),
       {"G0"},
       Level::read_committed},
      {"G1a", failed + committed({"[:r x [1]]"}), {"G1a"}, Level::read_committed},
      // A read of the version in the middle has seen some of its writer's appends, and not all.
      {"G1b",
       committed({"[:append x 1] [:append x 2]", "[:r x [1]]"}),
       {"G1b", "G-single"},
       Level::read_committed},
      // Elle's README.
      {"G1c",
       committed({"[:append x 1] [:r y [1]]", "[:append x 2] [:append y 1]", "[:r x [1 2]]"}),
       {"G1c"},
       Level::read_committed},
      {"dirty-update",
       failed + committed({"[:append x 2]", "[:r x [1 2]]"}),
       {"dirty-update", "G1a"},
       Level::read_committed},
      {"internal", committed({"[:append x 1] [:r x []]"}), {"internal"}, Level::read_committed},
      {"future-read", committed({"[:r x [1]] [:append x 1]"}), {"future-read"}, Level::read_committed},
      {"incompatible-order",
       committed({"[:append x 1]", "[:append x 2]", "[:r x [1 2]]", "[:r x [2 1]]"}),
       {"incompatible-order"},
       Level::read_committed},
      {"duplicate-elements",
       committed({"[:append x 1]", "[:append x 2]", "[:r x [1 2 1]]"}),
       {"duplicate-elements"},
       Level::read_committed},
      {"fuzzy-read",
       committed({"[:r x []] [:r x [1]]", "[:append x 1]"}),
       {"fuzzy-read", "G-single"},
       Level::snapshot},
      {"G-single",
       committed({"[:append x 1] [:append y 1]", "[:append x 2] [:r y []]", "[:r x [1 2]]"}),
       {"G-single"},
       Level::snapshot},
      // The long fork.
      {"G-nonadjacent",
       committed(
           {"[:r x []] [:r w [1]]", "[:append x 1]", "[:r x [1]] [:r z []]", "[:append z 1] [:append w 1]"}),
       {"G-nonadjacent"},
       Level::snapshot},
      {"lost-update",
       committed({"[:r x []] [:append x 1]", "[:r x []] [:append x 2]", "[:r x [1 2]]"}),
       {"lost-update", "G-single"},
       Level::snapshot},
      // Write skew.
      {"G2-item",
       committed({"[:append x 1] [:r y []]", "[:append y 1] [:r x []]"}),
       {"G2-item"},
       Level::serializable},
      {"G0-realtime",
       one_by_one({{0, "[:append x 1]"}, {1, "[:append x 2]"}, {2, "[:r x [2 1]]"}}),
       {"G0-realtime"},
       Level::strong_snapshot,
       Order::realtime},
      {"G1c-session",
       one_by_one({{0, "[:r x [1]]"}, {0, "[:append x 1]"}}),
       {"G1c-session"},
       Level::strong_session_snapshot,
       Order::session},
      // A stale read.
      {"G-single-realtime",
       one_by_one({{0, "[:append x 1]"}, {1, "[:append x 2]"}, {2, "[:r x [1]]"}, {3, "[:r x [1 2]]"}}),
       {"G-single-realtime"},
       Level::strong_snapshot,
       Order::realtime},
      {"G-single-session",
       one_by_one({{0, "[:append x 1]"}, {1, "[:append x 2]"}, {1, "[:r x [1]]"}, {2, "[:r x [1 2]]"}}),
       {"G-single-session"},
       Level::strong_session_snapshot,
       Order::session},
      // https://github.com/jepsen-io/elle/issues/17
      {"G-nonadjacent-session",
       one_by_one(
           {{0, "[:r x []] [:r z [1]]"}, {1, "[:append x 1]"}, {1, "[:r z []]"}, {2, "[:append z 1]"}}),
       {"G-nonadjacent-session"},
       Level::strong_session_snapshot,
       Order::session},
      {"G2-item-realtime",
       event("invoke", 0, "[:append x 1] [:r y nil]") + one_by_one({{1, "[:append y 1]"}, {2, "[:r x []]"}}) +
           event("ok", 0, "[:append x 1] [:r y []]"),
       {"G2-item-realtime"},
       Level::strict_serializable,
       Order::realtime},
  };
}

std::vector<Planted> planted_in_registers() {
  return {
      {"G1a", event("fail", 1, "[:w x 1]") + committed({"[:r x 1]"}), {"G1a"}, Level::read_committed},
      {"G1b", committed({"[:w x 1] [:w x 2]", "[:r x 1]"}), {"G1b"}, Level::read_committed},
      {"G1c", committed({"[:w x 1] [:r y 1]", "[:w y 1] [:r x 1]"}), {"G1c"}, Level::read_committed},
      {"internal", committed({"[:w x 1] [:r x 2]", "[:w x 2]"}), {"internal"}, Level::read_committed},
      {"future-read",
       committed({"[:r x 1] [:w x 1]"}),
       {"future-read", "cyclic-versions"},
       Level::read_committed},
      {"cyclic-versions",
       committed({"[:r x 1] [:w x 2]", "[:r x 2] [:w x 1]"}),
       {"cyclic-versions", "G0", "G1c"},
       Level::read_committed},
      {"fuzzy-read",
       committed({"[:r x nil] [:r x 1]", "[:w x 1]"}),
       {"fuzzy-read", "G-single"},
       Level::snapshot},
      {"G-single", committed({"[:r x nil] [:r y 1]", "[:w x 1] [:w y 1]"}), {"G-single"}, Level::snapshot},
      {"G-nonadjacent",
       committed({"[:r x nil] [:r w 1]", "[:w x 1]", "[:r x 1] [:r z nil]", "[:w z 1] [:w w 1]"}),
       {"G-nonadjacent"},
       Level::snapshot},
      {"lost-update",
       committed({"[:r x nil] [:w x 1]", "[:r x nil] [:w x 2]"}),
       {"lost-update", "G2-item"},
       Level::snapshot},
      {"G2-item",
       committed({"[:r x nil] [:w y 1]", "[:r y nil] [:w x 1]"}),
       {"G2-item"},
       Level::serializable},
      {"G1c-realtime",
       one_by_one({{0, "[:r x 1]"}, {1, "[:w x 1]"}}),
       {"G1c-realtime"},
       Level::strong_snapshot,
       Order::realtime},
      {"G-single-realtime",
       one_by_one({{0, "[:w x 1]"}, {1, "[:r x nil]"}}),
       {"G-single-realtime"},
       Level::strong_snapshot,
       Order::realtime},
  };
}

void expect_all_found(const std::vector<Planted>& planted) {
  std::size_t found = 0;
  for (const Planted& plant : planted) {
    const Verdict verdict = checked(plant.edn, plant.order);
    INFO(plant.name << "\n" << in_words(verdict, read_history(plant.edn, "test")));
    CHECK(names_of(verdict) == plant.all);
    const auto anomaly = std::ranges::find(verdict.anomalies, plant.name, &Anomaly::name);
    REQUIRE(anomaly != verdict.anomalies.end());
    ++found;
    CHECK(anomaly->violates == plant.violates);
    CHECK(!verdict.satisfies(plant.violates));
    CHECK(!verdict.satisfies(plant.order == Order::none ? Level::serializable : verdict.levels().back()));
    CHECK((anomaly->cycle.empty() ? !anomaly->what.empty() : anomaly->why.size() == anomaly->cycle.size()));
    // In the order alone that it is about.
    if (plant.order != Order::none) CHECK(checked(plant.edn).anomalies.empty());
  }
  WARN("planted anomalies found: " << found << " of " << planted.size());
}

TEST_CASE("check: every anomaly that is planted in lists is found, and named right") {
  expect_all_found(planted_in_lists());
}

TEST_CASE("check: every anomaly that is planted in registers is found, and named right") {
  expect_all_found(planted_in_registers());
}

TEST_CASE("check: what Elle's documentation and tests say of a history is what is found") {
  // Adya, Liskov, O'Neil, ICDE'00, figure 3: serializable.
  CHECK(checked(committed({"[:append z 1] [:append x 1] [:append y 1]", "[:r x [1]] [:append y 2]",
                           "[:r y [1 2]] [:append z 3]", "[:r z [1 3]]"}))
            .anomalies.empty());
  // What was never read comes after what was read last.
  CHECK(names_of(checked(committed({"[:append x 1] [:append y 1]", "[:append x 2] [:append y 2]",
                                    "[:append x 3] [:append y 3]", "[:r x [1 2]]", "[:r y [2]]"}))) ==
        Names{"G0", "G-single"});
  CHECK(names_of(checked(committed({"[:append x 1] [:r y [1]]", "[:append x 2]",
                                    "[:append x 3] [:append y 1]", "[:r x [1 3]]", "[:r x [1 2 3]]"}))) ==
        Names{"G1c", "incompatible-order"});
  CHECK(names_of(checked(event("fail", 0, "[:append x 1]") + event("info", 1, "[:append x 2]") +
                         event("ok", 2, "[:append x 3]") + event("ok", 3, "[:r x [1 2 3]]"))) ==
        Names{"G1a", "dirty-update"});
  CHECK(names_of(checked(committed({"[:append x 1] [:append x 2] [:append x 4]",
                                    "[:append x 3] [:r x [1 2 3 4]]"}))) == Names{"internal", "G0", "G1c"});
  // Its paper's example, and its histories/si-without-g-single.edn.
  const Verdict paper =
      checked(committed({"[:append 253 1] [:append 253 3] [:append 253 4] [:append 255 2] [:append 255 3] "
                         "[:append 255 4] [:append 255 5] "
                         "[:append 256 1] [:append 256 2]",
                         "[:append 255 8] [:r 253 [1 3 4]]",
                         "[:append 256 4] [:r 255 [2 3 4 5 8]] [:r 256 [1 2 4]] [:r 253 [1 3 4]]",
                         "[:append 250 10] [:r 253 [1 3 4]] [:r 255 [2 3 4 5]] [:append 256 3]"}));
  CHECK(names_of(paper) == Names{"G-single"});
  CHECK(paper.anomalies.at(0).cycle.size() == 3);
  const Verdict skew = checked(committed({"[:append 9 2]", "[:append 8 1] [:r 9 []]",
                                          "[:r 6 []] [:r 8 []] [:append 9 5]", "[:append 6 2] [:r 9 [2]]"}));
  CHECK(names_of(skew) == Names{"G2-item"});
  CHECK(skew.satisfies(Level::snapshot));
  // FaunaDB's.
  CHECK(names_of(checked(event("invoke", 1, "[:append 0 6] [:r 0 nil]") +
                         event("ok", 1, "[:append 0 6] [:r 0 nil]"))) == Names{"internal"});
}

TEST_CASE("check: a transaction whose outcome is unknown may have happened, and what it read is not known") {
  // Its nil is no read of the empty list: otherwise a cycle.
  CHECK(checked(event("info", 0, "[:append x 2] [:r y nil]") +
                committed({"[:append x 1] [:append y 1]", "[:r x [1 2]] [:r y [1]]"}))
            .anomalies.empty());
  // It was committed, since its append was read; then it has an order.
  CHECK(names_of(checked(event("info", 9, "[:append x 1] [:append y 1]") +
                         committed({"[:r x [1]] [:r y []]"}))) == Names{"G-single"});
  // An invocation without an end is one.
  CHECK(names_of(checked(event("invoke", 9, "[:append x 1] [:append y 1]") +
                         one_by_one({{0, "[:r x [1]] [:r y []]"}}))) == Names{"G-single"});
  // It was never seen and never ends: it comes neither before nor after another.
  CHECK(checked(event("invoke", 9, "[:append x 1]") + one_by_one({{0, "[:r x []]"}, {1, "[:r x []]"}}),
                Order::realtime)
            .anomalies.empty());
}

TEST_CASE("check: what was rolled back is no version: the versions before and after it follow each other") {
  const std::string failed = event("fail", 9, "[:append x 2]");
  CHECK(names_of(checked(failed + committed({"[:append x 1]", "[:r x [1]] [:r y [1]]",
                                             "[:append x 3] [:append y 1]", "[:r x [1 2 3]]"}))) ==
        Names{"G1a", "dirty-update", "G-single"});
  CHECK(names_of(checked(failed + committed({"[:append x 1] [:r y [1]]", "[:append x 3] [:append y 1]",
                                             "[:r x [1 2 3]]"}))) == Names{"G1a", "dirty-update", "G1c"});
}

TEST_CASE("check: in its session nothing comes after a transaction whose outcome is unknown") {
  const std::string edn = event("invoke", 0, "[:append x 1]") + event("info", 0, "[:append x 1]") +
                          one_by_one({{0, "[:r x []]"}, {1, "[:r x [1]]"}});
  CHECK(checked(edn, Order::session).anomalies.empty());
}

TEST_CASE("check: a cycle is told with its transactions and why each comes before the next") {
  const std::string edn =
      committed({"[:append x 1] [:r y [1]]", "[:append x 2] [:append y 1]", "[:r x [1 2]]"});
  const History history = read_history(edn, "test");
  const std::string words = in_words(check(history, Order::none), history);
  INFO(words);
  CHECK(words.find("T0 (process 0, line 1): [:append x 1] [:r y [1]]") != std::string::npos);
  CHECK(words.find("T1's [:append x 2] comes after T0's 1") != std::string::npos);
  CHECK(words.find("T0 read [:r y [1]], which T1 had appended to last") != std::string::npos);
  CHECK(words.find("T2 (") == std::string::npos);  // no part of the cycle
  CHECK(words.find("read_committed              no") != std::string::npos);
}

TEST_CASE(
    "check: values that are written twice, or read and never written, are no history, and the transaction is "
    "named") {
  const auto refused = [](const std::string& edn) -> std::pair<std::string, TransactionIndex> {
    try {
      checked(edn);
    } catch (const BadHistory& bad) {
      return {bad.what(), bad.transaction()};
    }
    return {"", kNone};
  };
  CHECK(refused(committed({"[:append x 1]", "[:append y 1]", "[:append x 1]"})) ==
        std::pair<std::string, TransactionIndex>(
            "[:append x 1]: the value is written twice; want values that are unique within a key", 2));
  CHECK(refused(committed({"[:append x 1]", "[:r x [1 7]]"})).first == "[:r x [1 7]]: nobody wrote 7");
  CHECK(refused(committed({"[:append x 1]", "[:r x [1]]", "[:r x [7]]"})).second == 2);
  CHECK(refused(committed({"[:w x 1]", "[:r x 7]"})).second == 1);
}

}  // namespace
