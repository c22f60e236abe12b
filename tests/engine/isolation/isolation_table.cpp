// Plays every schedule at every level and prints the table of engine/txn/levels.md; scripts/readme_table.py writes it there.

#include <fmt/format.h>

#include <filesystem>

#include "tests/engine/isolation/hermitage.h"

int main() {
  using namespace muster::isolation;
  std::filesystem::current_path(std::filesystem::temp_directory_path());  // stages have a directory there
  std::string head = "| anomaly | what goes wrong |", line = "|---|---|";
  for (const Level& level : kLevels) {
    head += fmt::format(" {} |", level.name);
    line += "---|";
  }
  fmt::print("{}\n{}\n", head, line);
  for (const Schedule& schedule : schedules()) {
    const std::string variant = schedule.variant.empty() ? "" : fmt::format(", {}", schedule.variant);
    std::string row = fmt::format("| {}{} | {} |", schedule.anomaly, variant, schedule.title);
    for (const Level& level : kLevels) row += fmt::format(" {} |", name_of(outcome_of(schedule, level)));
    fmt::print("{}\n", row);
  }
}
