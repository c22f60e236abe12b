#include "tests/engine/isolation/hermitage.h"
#include "tests/catch.h"
#include "tests/sanitized.h"

namespace muster::isolation {
namespace {

/// One row a schedule, in the order of schedules(); one column a level, in the order of kLevels. a: the level allows the
/// anomaly; a dot: it prevents it. The source is what Hermitage found: for read_committed by locks of SQL Server's read
/// committed, by versions of PostgreSQL's; for snapshot of PostgreSQL's repeatable read; for the three that are serializable
/// of its serializable.
constexpr std::array<std::string_view, 14> kAllowed{
    "......",  // G0
    "......",  // G1a
    "......",  // G1b
    "......",  // G1c
    "......",  // OTV
    "aa....",  // PMP, read
    ".a....",  // PMP, write: by locks the scan waits for the writer
    "aa....",  // P4
    "aa....",  // G-single, read
    "aa....",  // G-single, predicate
    "aa....",  // G-single, write
    "aaa...",  // G2-item
    "aaa...",  // G2, predicate
    "aaa...",  // G2, reader
};

}  // namespace

TEST_CASE("Hermitage: each level allows what its definition allows, and prevents the rest") {
  REQUIRE(schedules().size() == kAllowed.size());
  for (std::size_t row = 0; row < kAllowed.size(); ++row) {
    for (std::size_t column = 0; column < kLevels.size(); ++column) {
      const Schedule& schedule = schedules()[row];
      INFO(schedule.anomaly << " " << schedule.variant << " at " << kLevels[column].name);
      const Outcome outcome = outcome_of(schedule, kLevels[column]);
      CHECK((outcome == Outcome::allowed) == (kAllowed[row][column] == 'a'));
    }
  }
}

TEST_CASE("Hermitage: the log buffer changes no outcome") {
  for (const Level& level : kLevels) {
    for (const Schedule& schedule : schedules()) {
      const Outcome first = outcome_of(schedule, level);
      for (const std::string_view algorithm : {"mutex", "consolidation", "eleda"}) {
        INFO(schedule.anomaly << " " << schedule.variant << " at " << level.name << " over " << algorithm);
        Level other = level;
        other.algorithm = algorithm;
        CHECK(outcome_of(schedule, other) == first);
      }
    }
  }
}

constexpr int kRepetitions = kIsSanitized ? 1 : 5;

TEST_CASE("Hermitage: an outcome is the same whenever the schedule is played") {
  for (const Level& level : kLevels) {
    for (const Schedule& schedule : schedules()) {
      INFO(schedule.anomaly << " " << schedule.variant << " at " << level.name);
      const Outcome first = outcome_of(schedule, level);
      for (int i = 0; i < kRepetitions; ++i) CHECK(outcome_of(schedule, level) == first);
    }
  }
}

}  // namespace muster::isolation
