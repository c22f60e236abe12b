#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "engine/io/memory_log_device.h"
#include "harness/phases.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "workloads/ycsb.h"

namespace {

using namespace muster;

constexpr std::chrono::duration<double> kStall{1};
constexpr double kStall_us = kStall.count() * 1e6;

/// A log in memory, one of whose syncs takes a second.
class StallingDevice : public MemoryLogDevice {
 public:
  explicit StallingDevice(std::atomic<bool>& stall)
      : MemoryLogDevice(std::chrono::nanoseconds(0)), stall_(stall) {}
  void sync() override {
    if (stall_.exchange(false)) std::this_thread::sleep_for(kStall);
    MemoryLogDevice::sync();
  }

 private:
  std::atomic<bool>& stall_;
};

struct Ran {
  Measured measured;
  RepetitionReport report;
};

/// YCSB A at 5,000 transactions a second; the log stalls when the second window begins.
Ran run_with_a_stall() {
  const TemporaryDirectory folder;
  std::atomic<bool> stall{false};
  DatabaseOptions database;
  database.directory = folder.path();
  database.log.device = "memory";
  database.frames = 1024;
  database.make_log_device = [&](const LogOptions&, Lsn) { return std::make_unique<StallingDevice>(stall); };
  const auto workload = make_ycsb({.records = 200}, {.database = database, .load = {.rate = 5000}});
  workload->load([] { return false; });
  workload->prepare();
  Placement placement;
  placement.workers.resize(1);
  const PhasePlan plan{.warmup = std::chrono::duration<double>(0.05),
                       .window = std::chrono::duration<double>(0.2),
                       .windows = 8};
  const PhaseHooks hooks{.interrupted = [] { return false; },
                         .progress = [&](std::uint32_t window) { stall = window == 1; }};
  Ran ran{run_phases(*workload, Topology::this_machine(), placement, plan, hooks), workload->finish()};
  workload->close();
  return ran;
}

/// The longest run of intervals in which nothing was done: its first, and the first behind it.
std::pair<std::size_t, std::size_t> longest_idle(const std::vector<Window>& intervals) {
  std::pair<std::size_t, std::size_t> longest;
  for (std::size_t first = 0, i = 0; i < intervals.size(); ++i) {
    if (intervals[i].operations != 0) first = i + 1;
    if (i + 1 - first > longest.second - longest.first) longest = {first, i + 1};
  }
  return longest;
}

TEST_CASE("open loop: a stall of a second shows in the latency's p99.9 and in the series, not in service") {
  const auto [measured, report] = run_with_a_stall();
  REQUIRE(report.commit_latency_us);
  REQUIRE(report.service_time_us);
  REQUIRE(report.service_time_us->count > 1000);  // so that the one in service is beyond p99.9
  CHECK(report.commit_latency_us->p999 > 0.9 * kStall_us);
  CHECK(report.service_time_us->p999 < 0.1 * kStall_us);
  CHECK(report.service_time_us->max >= kStall_us);
  REQUIRE(report.load);
  CHECK(report.load->offered == 5000);

  // The intervals in which nothing was done, with the two that the stall began and ended in, are as long as it was.
  REQUIRE(report.intervals.size() == measured.intervals.size());
  const auto [first, behind] = longest_idle(measured.intervals);
  REQUIRE(first < behind);
  REQUIRE(behind < measured.intervals.size());
  double seconds = 0;
  for (std::size_t i = first == 0 ? 0 : first - 1; i <= behind; ++i) seconds += measured.intervals[i].seconds;
  CHECK(seconds >= kStall.count());
  CHECK_FALSE(report.intervals[first].commit_latency_us);
  REQUIRE(report.intervals[behind].commit_latency_us);
  CHECK(report.intervals[behind].commit_latency_us->max > 0.9 * kStall_us);
}

}  // namespace
