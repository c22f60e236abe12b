#include "workloads/history/simulated_history.h"

#include "tests/catch.h"
#include "workloads/history/check.h"

namespace {

using namespace muster::history;

/// Histories of a regime in which a level holds and, somewhere, the next one does not.
void expect(Regime regime, Level satisfied, std::optional<Level> violated) {
  for (const Model model : {Model::list_append, Model::rw_register}) {
    bool seen = false;
    std::uint64_t unknown = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      const Simulation simulation{.model = model,
                                  .regime = regime,
                                  .transactions = 400,
                                  .keys = 1 + static_cast<std::uint32_t>(seed % 12),
                                  .writes_a_key = 4 + static_cast<std::uint32_t>(seed % 40),
                                  .operations = 2 + static_cast<std::uint32_t>(seed % 5),
                                  .seed = seed};
      const History history = simulate(simulation);
      const Verdict verdict = check(history, order_of(satisfied));
      INFO("seed " << seed << ", model " << static_cast<int>(model) << "\n" << in_words(verdict, history));
      CHECK(verdict.committed > 100);
      unknown += verdict.unknown;
      CHECK(verdict.satisfies(satisfied));
      if (violated) seen = seen || !verdict.satisfies(*violated);
    }
    CHECK(unknown > 0);
    CHECK(seen == violated.has_value());
  }
}

TEST_CASE(
    "check: a history of one transaction at a time has no anomaly, in real time and in the order of "
    "sessions") {
  expect(Regime::serial, Level::strict_serializable, std::nullopt);
  expect(Regime::serial, Level::strong_session_serializable, std::nullopt);
}

TEST_CASE("check: a history under snapshots has only what they allow, and has it") {
  expect(Regime::snapshot, Level::strong_snapshot, Level::serializable);
}

TEST_CASE("check: a history of committed reads has only what they allow, and has it") {
  expect(Regime::read_committed, Level::read_committed, Level::snapshot);
}

}  // namespace
