#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "engine/log/retractions.h"
#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"

namespace muster {
namespace {

LogOptions retracting(const TemporaryDirectory& directory) {
  LogOptions options = file_log(directory.path());
  options.retract = true;
  return options;
}

std::map<Lsn, RecordType> types_in(const TemporaryDirectory& directory) {
  std::map<Lsn, RecordType> types;
  LogReader reader(directory.path());
  while (const auto record = reader.next()) types.emplace(record->lsn, record->type);
  REQUIRE(reader.end().kind == LogEnd::Kind::clean);
  return types;
}

}  // namespace

TEST_CASE("Retractions: a buffered begin is skipped in the log, one that was flushed stays") {
  const TemporaryDirectory directory;
  Lsn taken_back = 0, kept = 0, last = 0;
  {
    LogManager log(retracting(directory), "border_collie", small_ring());
    const WorkerId worker = log.attach();
    taken_back = log.append_begin(worker, 1).begin;
    // The flusher may have come by itself: then it is too late, and nothing is wrong.
    const bool retracted = log.retract_begin(worker, taken_back);
    const LogPosition flushed = log.append_begin(worker, 2);
    kept = flushed.begin;
    log.flush(flushed.end);
    CHECK_FALSE(log.retract_begin(worker, kept));
    last = log.append_mark(worker, 2, kept, RecordType::commit).begin;
    log.flush(log.reserved());
    log.detach(worker);
    if (!retracted) return;
  }
  CHECK(types_in(directory) == std::map<Lsn, RecordType>{{taken_back, RecordType::skipped},
                                                         {kept, RecordType::begin},
                                                         {last, RecordType::commit}});
}

TEST_CASE("Retractions: a place that was given back since is left alone") {
  Retractions retractions(1);
  std::vector<Lsn> retyped;
  const auto note = [&](Lsn begin, std::byte*) { retyped.push_back(begin); };
  std::byte place{};
  CHECK(retractions.take_back(0, 100, &place));
  retractions.apply(0, 100, note);  // up to it
  CHECK(retyped.empty());
  retractions.apply(100, 200, note);
  CHECK(retyped == std::vector<Lsn>{100});
  CHECK_FALSE(retractions.take_back(0, 132, &place));  // below what was handed to the device
  CHECK(retractions.take_back(0, 200, &place));
  retractions.apply(200, 300, note);
  CHECK(retyped == std::vector<Lsn>{100, 200});
}

TEST_CASE("Retractions: too many at once are refused, and once flushed there is room again") {
  Retractions retractions(1);
  std::byte place{};
  Lsn lsn = 0;
  while (retractions.take_back(0, lsn, &place)) ++lsn;
  CHECK(lsn > 1000);
  std::uint64_t retyped = 0;
  retractions.apply(0, lsn, [&](Lsn, std::byte*) { ++retyped; });
  CHECK(retyped == lsn);
  CHECK(retractions.take_back(0, lsn, &place));
}

TEST_CASE(
    "Retractions: who is told that a begin is taken back finds it skipped, while the log is flushed all the "
    "time") {
  const std::string algorithm = GENERATE("mutex", "consolidation", "eleda", "border_collie");
  CAPTURE(algorithm);
  const TemporaryDirectory directory;
  constexpr int kThreads = 3, kBegins = 3000;
  std::vector<std::set<Lsn>> taken_back(kThreads), kept(kThreads);
  {
    LogManager log(retracting(directory), algorithm, small_ring());
    std::atomic<int> left{kThreads};
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        const WorkerId worker = log.attach();
        for (TransactionId i = 0; i < kBegins; ++i) {
          const Lsn begin = log.append_begin(worker, i * kThreads + thread + 1).begin;
          if (i % 8 == 0) std::this_thread::yield();
          (log.retract_begin(worker, begin) ? taken_back : kept)[thread].insert(begin);
        }
        log.detach(worker);
        --left;
      });
    }
    while (left.load() > 0) log.flush(log.reserved());
    for (std::thread& thread : threads) thread.join();
    log.flush(log.reserved());
  }
  const std::map<Lsn, RecordType> types = types_in(directory);
  CHECK(types.size() == std::size_t{kThreads} * kBegins);
  std::size_t wrong = 0, some = 0;
  for (const std::set<Lsn>& lsns : taken_back) {
    for (const Lsn lsn : lsns) wrong += types.at(lsn) == RecordType::skipped ? 0 : 1;
    some += lsns.size();
  }
  CHECK(wrong == 0);
  CHECK(some > 0);
}

}  // namespace muster
