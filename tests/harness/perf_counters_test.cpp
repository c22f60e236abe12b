#include "harness/perf_counters.h"

#include <fcntl.h>
#include <linux/perf_event.h>

#include <cerrno>
#include <thread>

#include "harness/host_files.h"
#include "tests/catch.h"
#include "tests/harness/planted_machine.h"

namespace {

using namespace muster;

const std::vector<PerfEvent> kSoftware{{"task_clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
                                       {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS}};

/// A descriptor that is no counter: what is read from it is 0.
int not_a_counter() {
  return ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
}

TEST_CASE("perf counters: threads that start later are counted while they run, also between readings") {
  const PerfCounters counters(kSoftware);
  if (!counters.not_measured().empty()) {  // a container: there is nothing to be had
    WARN(in_one_line(counters.not_measured()));
    return;
  }
  const std::vector<PerfReading> begin = counters.read();
  std::thread worker([] {
    std::vector<char> touched(1 << 22);
    for (char& byte : touched) *static_cast<volatile char*>(&byte) = 1;
  });
  worker.join();
  const std::vector<PerfReading> end = counters.read();
  const auto counted = counters.between(begin, end);
  REQUIRE(counted.size() == 2);
  CHECK(counted.at("task_clock").value > 100'000);  // ns; the loop above takes milliseconds
  CHECK(counted.at("page_faults").value >= 2);      // one at least where pages are huge
  CHECK(counted.at("task_clock").counted_share == 1);
}

TEST_CASE("perf counters: hardware events are counted, or it is said why not") {
  const PerfCounters counters(hardware_events());
  CHECK(counters.read().size() + counters.not_measured().size() == hardware_events().size());
  for (const NotMeasured& refused : counters.not_measured()) {
    CHECK_FALSE(refused.reason.empty());
    CHECK_FALSE(refused.remedy.empty());
  }
}

TEST_CASE("perf counters: what took turns on a counter is made up for, and the share is kept") {
  const auto event = between({.value = 100, .enabled_ns = 1000, .running_ns = 1000},
                             {.value = 400, .enabled_ns = 5000, .running_ns = 2000}, true);
  REQUIRE(event);
  CHECK(event->counted_share == 0.25);
  CHECK(event->value == 1200);
}

TEST_CASE("perf counters: an event that never had a counter is unknown, not 0") {
  CHECK_FALSE(between({.value = 100, .enabled_ns = 1000, .running_ns = 500},
                      {.value = 100, .enabled_ns = 5000, .running_ns = 500}, true));
}

TEST_CASE("perf counters: where the kernel's part is forbidden, user space is counted and it is said") {
  const PerfCounters counters(
      kSoftware, [](const PerfEvent&, bool kernel) { return kernel ? -EACCES : not_a_counter(); });
  CHECK(counters.not_measured().empty());
  const std::vector<PerfReading> begin{{0, 0, 0}, {0, 0, 0}};
  const std::vector<PerfReading> end{{5, 10, 10}, {6, 10, 10}};
  const auto counted = counters.between(begin, end);
  CHECK(counted.at("task_clock").value == 5);
  CHECK_FALSE(counted.at("task_clock").kernel);
}

TEST_CASE("perf counters: one event that is refused takes none of the others with it") {
  const PerfCounters counters(kSoftware, [](const PerfEvent& event, bool) {
    return event.name == "task_clock" ? -ENOENT : not_a_counter();
  });
  REQUIRE(counters.not_measured().size() == 1);
  CHECK(counters.not_measured()[0].what == "task_clock");
  CHECK(counters.read().size() == 1);
}

TEST_CASE("perf counters: no hardware, no permission and no such call are told apart") {
  const PlantedMachine machine;
  const auto refusal = [&](int error) { return perf_refusal("cycles", error, machine.path()); };
  machine.file("proc/cpuinfo", "processor : 0\nflags : fpu tsc\n");
  CHECK(refusal(ENOENT).reason.find("processor") != std::string::npos);
  machine.file("proc/cpuinfo", "processor : 0\nflags : fpu hypervisor tsc\n");
  CHECK(refusal(ENOENT).reason.find("virtual machine") != std::string::npos);
  CHECK(refusal(EOPNOTSUPP).remedy.find("pmu=on") != std::string::npos);

  machine.file("proc/sys/kernel/perf_event_paranoid", "3\n");
  CHECK(refusal(EACCES).reason == "kernel.perf_event_paranoid = 3 forbids it");
  CHECK(refusal(EACCES).remedy.find("sysctl") != std::string::npos);
  machine.file("proc/sys/kernel/perf_event_paranoid", "2\n");
  CHECK(refusal(EPERM).reason.find("seccomp") != std::string::npos);
  machine.file("proc/sys/kernel/perf_event_paranoid",
               "-1\n");  // everything is allowed: it is not what forbids
  CHECK(refusal(EPERM).reason.find("seccomp") != std::string::npos);

  CHECK(refusal(ENOSYS).reason.find("no perf_event_open") != std::string::npos);
  CHECK(refusal(EMFILE).remedy.find("ulimit -n") != std::string::npos);
}

TEST_CASE("not measured: the same reason and remedy are said once, in one line") {
  const std::vector<NotMeasured> all{{"a", "r", "do x"}, {"b", "other", "do y"}, {"c", "r", "do x"}};
  CHECK(in_one_line(merged(all)) == "a, c: r; do x. b: other; do y");
}

}  // namespace
