#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "engine/database.h"
#include "engine/error.h"
#include "harness/commands.h"

namespace muster {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kMebibyte = 1 << 20;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// A run keeps its database in a folder `muster.db`: each may be named. Nothing is created where there is none.
fs::path database_directory(const fs::path& directory) {
  for (const fs::path& database : {directory, directory / "muster.db"}) {
    for (const char* file : {"master", "catalogue"}) {
      if (fs::exists(database / file)) return database;
    }
  }
  throw ConfigError("DIR", directory.string(), "want the directory of a database");
}

/// One line that is written over and over, on a terminal only.
class Narrator : public RestartObserver {
 public:
  void progress(const RestartProgress& progress) override {
    if (!terminal_) return;
    if (progress.phase != phase_) {
      phase_ = progress.phase;
      phase_begin_ = Clock::now();
    }
    const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
    const double left = share > 0 ? seconds_since(phase_begin_) * (1 - share) / share : 0;
    fmt::print(stderr, "\r{}: {:3.0f} %, at most {:.0f} s left\x1b[K", to_string(progress.phase), 100 * share,
               left);
    std::fflush(stderr);
    drawn_ = true;
  }
  void finished(const RestartStatistics& statistics) override {
    statistics_ = statistics;
    wipe();
  }
  ~Narrator() override { wipe(); }

  const RestartStatistics& statistics() const { return statistics_; }

 private:
  void wipe() {
    if (drawn_) fmt::print(stderr, "\r\x1b[K");
    drawn_ = false;
  }

  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool drawn_ = false;
  RestartPhase phase_ = RestartPhase::read;
  Clock::time_point phase_begin_ = Clock::now();
  RestartStatistics statistics_;
};

void report(const RestartStatistics& found, std::FILE* out) {
  const auto line = [&](const char* what, std::uint64_t count, const char* meaning) {
    fmt::print(out, "  {:<12}{:>12}  {}\n", what, count, meaning);
  };
  fmt::print(out, "transactions in the log\n");
  line("winners", found.winners, "had committed or rolled back");
  line("losers", found.losers, "were cut off, and are rolled back");
  fmt::print(out, "page changes in the log\n");
  line("redone", found.redone, "the page was older");
  line("skipped", found.up_to_date, "the page had them");
  line("skipped", found.without_table, "their table was never finished");
  line("skipped", found.below, "records below the last checkpoint, which the files have");
  fmt::print(out, "removed records\n");
  line("reclaimed", found.reclaimed, "nobody needed them any more, and they left their pages");
  fmt::print(out, "changes of losers\n");
  line("undone", found.undone, "taken back, and logged");
}

}  // namespace

void recover_command(const fs::path& directory, std::FILE* out) {
  Narrator narrator;
  DatabaseOptions options;
  options.directory = database_directory(directory);
  options.restart_observer = &narrator;
  const auto begin = Clock::now();
  const auto database = Database::open(options);
  const RestartStatistics& found = narrator.statistics();
  fmt::print(out, "log from LSN {} to LSN {}: {} records, {:.1f} MiB\n", found.log_begin, found.log_end,
             found.records, static_cast<double>(found.log_end - found.log_begin) / kMebibyte);
  if (found.records == 0) {
    fmt::print(out, "nothing to recover\n");
  } else {
    report(found, out);
  }
  database->close();
  fmt::print(out, "recovered and closed in {:.2f} s, {:.1f} MiB of log read\n", seconds_since(begin),
             static_cast<double>(found.log_bytes_read) / kMebibyte);
}

}  // namespace muster
