#include "engine/txn/restart_report.h"

#include <fmt/format.h>

namespace muster {

std::string in_words(const RestartStatistics& found) {
  constexpr double kMebibyte = 1 << 20;
  std::string text =
      fmt::format("log from LSN {} to LSN {}: {} records, {:.1f} MiB\n", found.log_begin, found.log_end,
                  found.records, static_cast<double>(found.log_end - found.log_begin) / kMebibyte);
  if (found.records == 0) return text + "nothing to recover\n";
  const auto line = [&](const char* what, std::uint64_t count, const char* meaning) {
    text += fmt::format("  {:<12}{:>12}  {}\n", what, count, meaning);
  };
  text += "transactions in the log\n";
  line("winners", found.winners, "had committed or rolled back");
  line("losers", found.losers, "were cut off, and are rolled back");
  text += "page changes in the log\n";
  line("redone", found.redone, "the page was older");
  line("skipped", found.up_to_date, "the page had them");
  line("skipped", found.without_table, "their table was never finished");
  line("skipped", found.below, "records below the last checkpoint, which the files have");
  text += "removed records\n";
  line("reclaimed", found.reclaimed, "nobody needed them any more, and they left their pages");
  text += "changes of losers\n";
  line("undone", found.undone, "taken back, and logged");
  return text;
}

}  // namespace muster
