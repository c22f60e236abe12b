#include "harness/phases.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "harness/statistics.h"
#include "tests/catch.h"

namespace {

using namespace muster;

/// Reports, window by window, as much progress as a test says, whatever the clock does.
class Scripted final : public Workload {
 public:
  std::string_view operations() const override { return "things"; }
  void prepare() override {}
  void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) override {
    if (worker == failing_worker) throw std::runtime_error("worker failed");
    for (std::uint64_t done = 1; !control.stopped(); ++done) {
      progress.set(done, 10 * done);
      std::this_thread::yield();
    }
    ++left;
  }
  bool drains() const override { return true; }
  void drain(RunControl& control) override {
    while (!control.workers_have_left()) std::this_thread::yield();
    left_before_drainer = left.load();
  }
  Progressed sample(const Progressed& counted) override {
    last_counted = counted;
    total += increments[samples++ % increments.size()];
    return {total, total * 10};
  }
  void window_edge(const Progressed& done) override { edges.push_back(done.operations); }
  RepetitionReport finish() override { return {}; }
  std::vector<Check> close() override { return {}; }

  std::vector<std::uint64_t> increments{0, 100, 300, 200};
  std::size_t samples = 0;
  std::uint64_t total = 0;
  Progressed last_counted;
  std::vector<std::uint64_t> edges;
  std::atomic<int> left{0};
  int left_before_drainer = -1;
  std::uint32_t failing_worker = 99;
};

Placement unpinned(std::size_t workers) {
  Placement placement;
  placement.workers.resize(workers);
  return placement;
}

constexpr PhasePlan kQuick{.warmup = std::chrono::duration<double>(0.005),
                           .window = std::chrono::duration<double>(0.005),
                           .windows = 3};
const PhaseHooks kNoHooks{.interrupted = [] { return false; }, .progress = [](std::uint32_t) {}};

TEST_CASE("phases: each window counts what was done in it alone, and warm-up in none") {
  Scripted workload;
  workload.increments = {1000, 100, 300, 200};  // the first sample is taken when measuring begins
  const Measured measured = run_phases(workload, Topology::this_machine(), unpinned(2), kQuick, kNoHooks);
  REQUIRE(measured.windows.size() == 3);
  CHECK(measured.windows[0].operations == 100);
  CHECK(measured.windows[1].operations == 300);
  CHECK(measured.windows[2].operations == 200);
  CHECK(measured.windows[1].bytes == 3000);
  for (const Window& window : measured.windows) CHECK(window.seconds >= 0.005);
  CHECK(workload.last_counted.operations > 0);
  CHECK(workload.last_counted.bytes >= workload.last_counted.operations);
}

TEST_CASE("phases: a window's intervals are its time and its work, some 100 ms each") {
  Scripted workload;
  workload.increments = {1000, 100, 300, 200};
  const PhasePlan plan{.warmup = std::chrono::duration<double>(0.005),
                       .window = std::chrono::duration<double>(0.16),  // nearest to 100 ms: two of 80
                       .windows = 2};
  const Measured measured = run_phases(workload, Topology::this_machine(), unpinned(1), plan, kNoHooks);
  CHECK(measured.interval_s == 0.08);
  REQUIRE(measured.intervals.size() == 4);
  REQUIRE(measured.windows.size() == 2);
  CHECK(measured.intervals[2].operations == 200);
  CHECK(workload.edges == std::vector<std::uint64_t>{1000, 1400, 2600});
  for (std::size_t window = 0; window < 2; ++window) {
    const Window& first = measured.intervals[2 * window];
    const Window& second = measured.intervals[2 * window + 1];
    CHECK(measured.windows[window].operations == first.operations + second.operations);
    CHECK(measured.windows[window].bytes == first.bytes + second.bytes);
    CHECK(measured.windows[window].seconds == Approx(first.seconds + second.seconds));
    CHECK(measured.windows[window].seconds >= 0.16);
  }
}

TEST_CASE(
    "phases: a watcher sees the workers' threads just before the first window and just after the last") {
  Scripted workload;
  std::string order;
  std::vector<pid_t> threads;
  const PhaseHooks hooks{.interrupted = [] { return false; },
                         .progress = [&](std::uint32_t) { order += "window "; },
                         .windows_begin =
                             [&](const std::vector<pid_t>& workers) {
                               order += "begin ";
                               threads = workers;
                             },
                         .windows_end =
                             [&] {
                               order += "end";
                               for (const pid_t thread : threads)
                                 CHECK(std::filesystem::exists("/proc/self/task/" + std::to_string(thread)));
                             }};
  run_phases(workload, Topology::this_machine(), unpinned(2), kQuick, hooks);
  CHECK(order == "begin window window window end");
  CHECK(std::set<pid_t>(threads.begin(), threads.end()).size() == 2);
  CHECK_FALSE(std::ranges::count(threads, ::getpid()));
}

TEST_CASE("phases: workers are joined before the drainer is told that they have left") {
  Scripted workload;
  const Measured measured = run_phases(workload, Topology::this_machine(), unpinned(3), kQuick, kNoHooks);
  CHECK(workload.left_before_drainer == 3);
  CHECK(measured.found.workers.size() == 3);
  CHECK(measured.found.drainer);
}

TEST_CASE("phases: what a worker throws ends the run and is thrown, with no thread left") {
  Scripted workload;
  workload.failing_worker = 1;
  PhasePlan plan = kQuick;
  plan.windows = 1'000'000;
  std::string what;
  try {
    run_phases(workload, Topology::this_machine(), unpinned(3), plan, kNoHooks);
  } catch (const std::runtime_error& e) {
    what = e.what();
  }
  CHECK(what == "worker failed");
  CHECK(workload.left_before_drainer == 2);
}

TEST_CASE("phases: an interruption ends the run") {
  Scripted workload;
  PhasePlan plan = kQuick;
  plan.windows = 1'000'000;
  std::uint32_t windows = 0;
  const PhaseHooks hooks{.interrupted = [&] { return windows >= 2; },
                         .progress = [&](std::uint32_t done) { windows = done; }};
  CHECK_THROWS_AS(run_phases(workload, Topology::this_machine(), unpinned(1), plan, hooks), Interrupted);
  CHECK(workload.left_before_drainer == 1);
}

TEST_CASE("phases: a pin that fails ends the run") {
  Scripted workload;
  Placement placement = unpinned(2);
  placement.workers[1] = 100'000;
  CHECK_THROWS(run_phases(workload, Topology::this_machine(), placement, kQuick, kNoHooks));
}

TEST_CASE("spread: median, quartiles and extremes come from all windows") {
  const std::vector<Window> windows{{1, 10, 100}, {2, 80, 800}, {1, 20, 200}, {1, 30, 300}, {0.5, 25, 250}};
  const Spread spread = operations_per_s(windows);  // 10, 40, 20, 30, 50 a second
  CHECK(spread.median == 30);
  CHECK(spread.min == 10);
  CHECK(spread.max == 50);
  CHECK(spread.q1 == 20);
  CHECK(spread.q3 == 40);
  CHECK(bytes_per_s(windows).median == 300);
}

TEST_CASE("spread: between two values it interpolates; of one it is that one") {
  CHECK(muster::spread({1, 2}).median == 1.5);
  CHECK(muster::spread({1, 2}).q1 == 1.25);
  const Spread one = muster::spread({7});
  CHECK((one.min == 7 && one.q1 == 7 && one.median == 7 && one.q3 == 7 && one.max == 7));
}

}  // namespace
