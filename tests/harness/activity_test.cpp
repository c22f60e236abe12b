#include "harness/activity.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/catch.h"
#include "tests/harness/planted_machine.h"

namespace {

using namespace muster;

const std::vector<unsigned> kUnits{0, 1};
constexpr pid_t kWorker = 100;
constexpr pid_t kOther = 101;
constexpr ThreadCounts kQuiet{1000, 1000, 10, 1, 5, 0};

/// Ten seconds apart, nothing happens in between.
struct Samples {
  ActivitySample begin;
  ActivitySample end;
  std::vector<WatchedWorker> workers{{.thread = kWorker, .pinned = true, .alone = true}};

  Samples() {
    end.time = begin.time + std::chrono::seconds(10);
    for (ActivitySample* sample : {&begin, &end}) {
      sample->threads = {{kWorker, kQuiet}, {kOther, kQuiet}};
      sample->units = {{0, {}}, {1, {}}};
      sample->frequencies_mhz = {3000, 3000};
    }
  }
  Activity activity() const { return between(begin, end, kUnits, workers); }
  /// The only thing that disturbed, or nothing.
  std::string disturbed() const {
    const Activity found = activity();
    CHECK(found.disturbed.size() <= 1);
    return found.disturbed.empty() ? "" : found.disturbed.front();
  }
};

std::uint64_t ticks(double seconds) {
  return static_cast<std::uint64_t>(seconds * static_cast<double>(ticks_per_second()));
}

constexpr std::uint64_t kSecondNs = 1'000'000'000;

TEST_CASE("activity: a quiet repetition is not disturbed, and its counts are those of the windows alone") {
  Samples samples;
  samples.end.threads[kWorker] = {5000, 1500, 12, 2, 9, 0};
  samples.end.threads[kOther] = {1100, 1000, 10, 1, 5, 3};  // not pinned: it may move
  const Activity activity = samples.activity();
  CHECK(activity.disturbed.empty());
  CHECK(activity.threads.ran_ns == 4100);
  CHECK(activity.threads.waited_ns == 500);
  CHECK(activity.threads.voluntary == 2);
  CHECK(activity.threads.involuntary == 1);
  CHECK(activity.threads.page_faults == 4);
  CHECK(activity.threads.migrations == 3);
  CHECK(activity.steal_share == 0);
}

TEST_CASE(
    "activity: a thread that starts in between counts from nothing, one that has ended does not count") {
  Samples samples;
  samples.begin.threads.erase(kOther);
  samples.begin.threads[102] = kQuiet;
  CHECK(samples.activity().threads.voluntary == 10);
}

TEST_CASE("activity: a count that one thread lacks is unknown, not the sum of the others") {
  Samples samples;
  samples.end.threads[kOther].migrations = std::nullopt;
  CHECK_FALSE(samples.activity().threads.migrations);
  CHECK(samples.activity().threads.voluntary == 0);
}

TEST_CASE("activity: steal beyond 2 % of the units' time disturbs, up to it not") {
  Samples samples;
  samples.end.units[1].stolen = ticks(0.4);  // of 10 s of 2 units
  CHECK(samples.disturbed().empty());
  CHECK(samples.activity().steal_share == Approx(0.02));
  samples.end.units[1].stolen = ticks(0.6);
  CHECK(samples.disturbed() == "steal: other guests had 3 % of the units' time; limit 2 %");
  samples.end.units.erase(0);
  CHECK_FALSE(samples.activity().steal_share);
}

TEST_CASE("activity: a single tick of steal says nothing, however short the repetition") {
  Samples samples;
  samples.end.time = samples.begin.time + std::chrono::milliseconds(20);
  samples.end.units[0].stolen = 1;
  CHECK(samples.disturbed().empty());
  samples.end.units[0].stolen = 2;
  CHECK(samples.disturbed().starts_with("steal: "));
}

TEST_CASE("activity: a worker alone on its unit that waits for it is disturbed; one that shares it is not") {
  Samples samples;
  samples.end.threads[kWorker].waited_ns = 1000 + kSecondNs;
  CHECK(samples.disturbed() ==
        "waiting: worker 0, alone of this run on its unit, waited for it 10 % of the time; limit 2 %");
  samples.workers[0].alone = false;
  CHECK(samples.disturbed().empty());
}

TEST_CASE("activity: of several workers that wait, the one that waits longest is named") {
  Samples samples;
  samples.workers.push_back({.thread = kOther, .pinned = true, .alone = true});
  samples.end.threads[kWorker].waited_ns = kSecondNs;
  samples.end.threads[kOther].waited_ns = 2 * kSecondNs;
  CHECK(samples.disturbed().starts_with("waiting: worker 1, "));
}

TEST_CASE("activity: a pinned worker that was moved is disturbed, one that is not pinned is not") {
  Samples samples;
  samples.end.threads[kWorker].migrations = 1;
  CHECK(samples.disturbed().starts_with("migrations: "));
  samples.workers[0].pinned = false;
  CHECK(samples.disturbed().empty());
}

TEST_CASE("activity: a frequency that falls by more than a tenth disturbs, one that rises does not") {
  Samples samples;
  samples.end.frequencies_mhz = {4000, 2600};
  CHECK(samples.disturbed().starts_with("frequency: unit 1 fell by 13.3 %, from 3000 to 2600 MHz"));
  samples.end.frequencies_mhz = {4000, 2800};
  CHECK(samples.disturbed().empty());
}

TEST_CASE(
    "activity: pressure is a share of the time, at most all of it, and unknown where one end lacks it") {
  Samples samples;
  samples.begin.pressure = {.cpu_some_us = 500, .io_some_us = 0, .io_full_us = std::nullopt};
  samples.end.pressure = {.cpu_some_us = 2'500'500, .io_some_us = 11'000'000, .io_full_us = 7};
  const Activity activity = samples.activity();
  CHECK(activity.cpu_some_share == 0.25);
  CHECK(activity.io_some_share == 1);
  CHECK_FALSE(activity.io_full_share);
  CHECK_FALSE(activity.group_cpu_some_share);
}

TEST_CASE("watched workers: alone are those whose unit no other thread of the run may be on") {
  const Topology topology = Topology::synthetic("core:3 pu:1");
  Placement placement;
  placement.workers = {0, 1, 1, 2};
  placement.flusher = 2;
  std::vector<bool> alone;
  for (const WatchedWorker& worker : watched(placement, topology, {10, 11, 12, 13}))
    alone.push_back(worker.alone);
  CHECK(alone == std::vector<bool>{true, false, false, false});
}

TEST_CASE("watched workers: without pins they are alone while there are units for them and the drainer") {
  const Topology topology = Topology::synthetic("core:3 pu:1");
  Placement placement;
  placement.workers.resize(2);
  CHECK(watched(placement, topology, {10, 11})[0].alone);
  CHECK_FALSE(watched(placement, topology, {10, 11})[0].pinned);
  placement.workers.resize(3);
  CHECK_FALSE(watched(placement, topology, {10, 11, 12})[0].alone);
}

TEST_CASE(
    "thread counts: as the kernel writes them, whatever a thread's name is, and without the first thread") {
  const PlantedMachine machine;
  const std::string folder = "proc/self/task/4242/";
  machine.file(folder + "schedstat", "5000 700 12\n");
  machine.file(folder + "stat", "4242 (a) b) (c) R 1 2 3 4 5 6 20 900 3 900 1 0\n");
  machine.file(folder + "status", "Name:\tx\nvoluntary_ctxt_switches:\t8\nnonvoluntary_ctxt_switches:\t2\n");
  machine.file(folder + "sched", "x (4242, #threads: 2)\n-----\nse.nr_migrations       :       4\n");
  machine.file("proc/self/task/" + std::to_string(::getpid()) + "/schedstat", "1 1 1\n");
  const auto threads = thread_counts(machine.path());
  REQUIRE(threads.size() == 1);
  const ThreadCounts& counts = threads.at(4242);
  CHECK(counts.ran_ns == 5000);
  CHECK(counts.waited_ns == 700);
  CHECK(counts.page_faults == 23);
  CHECK(counts.voluntary == 8);
  CHECK(counts.involuntary == 2);
  CHECK(counts.migrations == 4);
}

TEST_CASE("thread counts: a kernel that keeps no times says 0 of all, which is unknown") {
  const PlantedMachine machine;
  machine.file("proc/self/task/4242/schedstat", "0 0 0\n");
  CHECK_FALSE(thread_counts(machine.path()).at(4242).ran_ns);
}

TEST_CASE("thread counts: of a real thread, which waits") {
  std::atomic<pid_t> id{0};
  std::atomic<bool> enough{false};
  std::thread thread([&] {
    id = ::gettid();
    while (!enough) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  });
  while (id == 0) std::this_thread::yield();
  const auto voluntary = [&] { return thread_counts().at(id).voluntary.value(); };
  const std::uint64_t before = voluntary();
  while (voluntary() < before + 5) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(thread_counts().at(id).page_faults.has_value());
  CHECK_FALSE(thread_counts().contains(::getpid()));
  enough = true;
  thread.join();
}

TEST_CASE("processor times: steal apart from what the machine did itself") {
  const PlantedMachine machine;
  machine.file(
      "proc/stat",
      "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 4 100 100 8 16 5 0 0\ncpu11 1 0 0 0 0 0 0 7 0 0\nintr 1\n");
  const auto times = processor_times(machine.path());
  REQUIRE(times.size() == 2);
  CHECK(times.at(0).busy == 31);
  CHECK(times.at(0).stolen == 5);
  CHECK(times.at(11).stolen == 7);
}

TEST_CASE("frequencies: of cpufreq, else of /proc/cpuinfo, and nothing where one unit lacks it") {
  const PlantedMachine machine;
  machine.file("proc/cpuinfo", "processor\t: 0\ncpu MHz\t\t: 2000.5\n\nprocessor\t: 1\ncpu MHz\t\t: 2100\n");
  CHECK(frequencies_mhz(kUnits, machine.path()) == std::vector<double>{2000.5, 2100});
  machine.file("sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3500000\n");
  CHECK(frequencies_mhz(kUnits, machine.path()) == std::vector<double>{2000.5, 3500});
  CHECK(frequencies_mhz(std::vector<unsigned>{0, 7}, machine.path()).empty());
}

TEST_CASE("pressure: of the machine, and of this process's own group") {
  const PlantedMachine machine;
  machine.file("proc/pressure/cpu",
               "some avg10=1.00 avg60=2.50 avg300=0 total=77\nfull avg10=0 avg60=0 avg300=0 total=0\n");
  machine.file("proc/pressure/io",
               "some avg10=0 avg60=0 avg300=0 total=5\nfull avg10=0 avg60=0 avg300=0 total=3\n");
  machine.file("proc/self/cgroup", "0::/a/b\n");
  machine.file("sys/fs/cgroup/cpu.pressure", "some avg10=0 avg60=0 avg300=0 total=1000\n");
  machine.file("sys/fs/cgroup/a/b/cpu.pressure", "some avg10=0 avg60=0 avg300=0 total=9\n");
  const PressureTotals of_all = machine_pressure(machine.path());
  CHECK(of_all.cpu_some_us == 77);
  CHECK(of_all.io_some_us == 5);
  CHECK(of_all.io_full_us == 3);
  CHECK(group_pressure(machine.path()).cpu_some_us == 9);
  CHECK_FALSE(group_pressure(machine.path()).io_some_us);
  CHECK(recent_pressure("cpu", machine.path()) == 2.5);
  CHECK_FALSE(recent_pressure("memory", machine.path()));
}

TEST_CASE("activity meter: where the machine says nothing at all, all is unknown and said") {
  const PlantedMachine nothing;
  const Topology topology = Topology::synthetic("core:2 pu:1");
  Placement placement;
  placement.workers.resize(1);
  ActivityMeter meter(topology, placement, nothing.path());
  meter.begin({::gettid()});
  const Activity activity = meter.end();
  CHECK(activity.disturbed.empty());
  CHECK_FALSE(activity.threads.voluntary);
  CHECK_FALSE(activity.cpu_some_share);
  CHECK_FALSE(activity.steal_share);
  CHECK(activity.frequency_before_mhz.empty());
  CHECK(to_json(activity)["migrations"].is_null());
  const std::string missing = in_one_line(meter.not_measured());
  for (const char* what : {"context switches", "waiting", "migrations", "steal", "pressure", "frequency"}) {
    INFO(missing);
    CHECK(missing.find(what) != std::string::npos);
  }
}

}  // namespace
