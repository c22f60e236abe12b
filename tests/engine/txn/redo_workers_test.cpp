#include <fcntl.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <vector>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

// Redo in several threads is as redo in one: the same pages to the byte, the same report, the same error.

namespace muster {
namespace {

constexpr std::array<std::uint32_t, 3> kWorkers{1, 2, 5};

struct Report : RestartObserver {
  void progress(const RestartProgress&) override {}
  void finished(const RestartStatistics& found) override { statistics = found; }
  RestartStatistics statistics;
};

enum class Pages : std::uint8_t { written, none };

/// A database with two tables and the traces of committed, rolled back and open transactions, as kill -9 leaves it. Among
/// them are splits and merges, and hot pages that every transaction changes. The tables' files have the pages that were
/// written meanwhile, or none.
void leave_behind(const std::filesystem::path& directory, std::uint64_t seed, Pages pages) {
  TemporaryDirectory running;
  const auto database = Database::open(small_database(running.path()));
  const std::array tables{database->create_table("a"), database->create_table("b")};
  if (pages == Pages::none) copy_as_killed(running.path(), directory);
  const auto winner = database->attach(CommitPolicy::async);
  const auto loser = database->attach(CommitPolicy::async);
  std::mt19937_64 random(seed);
  // Even keys are the winner's, so that nobody waits for a lock.
  const auto change = [&](Session& session, std::uint64_t parity) {
    const std::uint64_t number = random() % 4 == 0 ? random() % 8 : random() % 3000;
    const std::string key = key_of(2 * number + parity),
                      value(random() % 200, static_cast<char>('a' + random() % 26));
    const TableId table = tables[random() % 2];
    Status status = session.insert(table, as_bytes(key), as_bytes(value));
    if (status == Status::already_exists) {
      status = random() % 3 == 0 ? session.remove(table, as_bytes(key))
                                 : session.update(table, as_bytes(key), as_bytes(value));
    }
    if (status != Status::ok) throw std::logic_error(key);
  };
  loser->begin();
  for (int transaction = 0; transaction < 1500; ++transaction) {
    winner->begin();
    for (std::uint64_t n = 1 + random() % 6; n > 0; --n) change(*winner, 0);
    if (random() % 5 == 0) {
      winner->abort();
    } else {
      winner->commit();
    }
    if (transaction % 4 == 0) change(*loser, 1);
  }
  database->log().flush(database->log().reserved());
  if (pages == Pages::written) return copy_as_killed(running.path(), directory);
  std::filesystem::remove_all(directory / "log");
  copy_as_killed(running.path() / "log", directory / "log");
}

std::string file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// How an opening of a copy with so many workers ends.
struct Outcome {
  std::string error;
  std::array<std::string, 2> tables;
  std::array<std::uint64_t, 5> counts{};  // redone, up to date, without table, undone, bytes of the log read
};

Outcome open_with(std::uint32_t workers, std::size_t frames, const std::filesystem::path& original) {
  TemporaryDirectory directory;
  const auto path = directory.path() / "copy";
  copy_as_killed(original, path);
  Report report;
  DatabaseOptions options = small_database(path);
  options.frames = frames;
  options.redo_workers = workers;
  options.restart_observer = &report;
  Outcome outcome;
  try {
    const auto database = Database::open(options);
    database->check();
    const RestartStatistics& found = report.statistics;
    outcome.counts = {found.redone, found.up_to_date, found.without_table, found.undone,
                      found.log_bytes_read};
  } catch (const DamageError& error) {
    outcome.error = error.what();
    const std::size_t at = outcome.error.find(path.string());
    if (at != std::string::npos) outcome.error.erase(at, path.string().size());
  }
  outcome.tables = {file(path / "1.table"), file(path / "2.table")};
  return outcome;
}

}  // namespace

TEST_CASE("RedoWorkers: several leave the pages that one leaves, to the byte, and report the same") {
  TemporaryDirectory directory;
  const auto original = directory.path() / "original";
  const auto pages = GENERATE(Pages::none, Pages::written);
  leave_behind(original, pages == Pages::none ? 1 : 2, pages);
  for (const std::size_t frames : {64, 4096}) {  // most is redone in the second reading; all is in the first
    INFO(frames << " frames");
    const Outcome alone = open_with(1, frames, original);
    REQUIRE(alone.error.empty());
    CHECK(alone.counts[0] + alone.counts[1] > 5000);
    if (pages == Pages::none) CHECK(alone.counts[1] < 10);  // of the tables' creation
    for (const std::uint32_t workers : kWorkers) {
      INFO(workers << " workers");
      const Outcome together = open_with(workers, frames, original);
      CHECK(together.error.empty());
      CHECK(together.counts == alone.counts);
      CHECK((together.tables == alone.tables));  // no table in the message
    }
  }
}

TEST_CASE(
    "RedoWorkers: of several pages that cannot be redone, the one that the log names first is reported") {
  TemporaryDirectory directory;
  const auto original = directory.path() / "original";
  leave_behind(original, 3, Pages::written);
  std::filesystem::remove(original / "doublewrite");  // or what is damaged would be restored
  for (const char* name : {"1.table", "2.table"}) {
    File table = File::open(original / name, O_RDWR);
    const std::uint64_t pages = table.size() / kPageBytes;
    REQUIRE(pages > 20);
    for (std::uint64_t page = 2; page < pages; ++page)
      table.write_at(page * kPageBytes + 2000, as_bytes("wrong"));
  }
  const std::array damaged{file(original / "1.table"), file(original / "2.table")};
  const Outcome alone = open_with(1, 4096, original);
  CHECK(alone.error.find("checksum") != std::string::npos);
  for (const std::uint32_t workers : kWorkers) {
    const Outcome together = open_with(workers, 4096, original);
    CHECK(together.error == alone.error);
    CHECK((together.tables == damaged));
  }
}

TEST_CASE("RedoWorkers: the memory of a restart hangs on the frames and not on the log") {
  // Of a process, so that nothing is overlooked; sanitizers take as much again for themselves.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
  constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
  TemporaryDirectory directory;
  const auto original = directory.path() / "original";
  {
    TemporaryDirectory running;
    DatabaseOptions options = small_database(running.path());
    options.log.segment_bytes = 8 * kMebibyte;
    const auto database = Database::open(options);
    const TableId table = database->create_table("a");
    const auto winner = database->attach(CommitPolicy::async);
    const auto loser = database->attach(CommitPolicy::async);
    loser->begin();
    const std::string value(1000, 'v');
    for (std::uint64_t n = 0; database->log().reserved() < 32 * kMebibyte; ++n) {
      winner->begin();
      const std::string key = key_of(n % 40 * 2), other = key_of(n % 40 * 2 + 1);
      if (winner->update(table, as_bytes(key), as_bytes(value)) == Status::not_found) {
        REQUIRE(winner->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
        REQUIRE(loser->insert(table, as_bytes(other), as_bytes(value)) == Status::ok);
      }
      if (n % 4 == 0) REQUIRE(loser->update(table, as_bytes(other), as_bytes(value)) == Status::ok);
      winner->commit();
    }
    database->log().flush(database->log().reserved());
    copy_as_killed(running.path(), original);
  }
  const auto peak = [] {
    std::ifstream status("/proc/self/status");
    std::string word;
    std::uint64_t kibibytes = 0;
    while (status >> word && !(word == "VmHWM:" && status >> kibibytes)) {}
    return kibibytes * 1024;
  };
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak is what there is now
  const std::uint64_t before = peak();
  const Outcome outcome = open_with(2, 64, original);
  CHECK(outcome.counts[3] > 1000);
  INFO(peak() - before << " bytes");
  CHECK(peak() - before < 6 * kMebibyte);
#endif
}

}  // namespace muster
