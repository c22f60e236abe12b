#include "harness/fitness.h"

#include "tests/catch.h"
#include "tests/harness/planted_machine.h"

namespace {

using namespace muster;

const std::string kUnitsFolder = "sys/devices/system/cpu/";

/// Four cores, two of them on each node; a test plants what it is about.
struct FitMachine : PlantedMachine {
  Topology topology = Topology::synthetic("pack:2 [numa] core:2 pu:1");

  /// What the rules say of the point, whose remedy stands exactly where something is to be done.
  Point point(const std::string& name) const {
    for (const auto& points : {settings(topology, path()), surroundings(topology, path()),
                               shares(topology, path()), company(path())}) {
      for (const Point& point : points) {
        CHECK(point.remedy.empty() == (point.verdict == Verdict::good));
        CHECK_FALSE(point.found.empty());
        if (point.name == name) return point;
      }
    }
    FAIL("no point " + name);
    return {};
  }
  Verdict verdict(const std::string& name) const { return point(name).verdict; }
  bool names(const std::string& name, const std::string& part) const {
    const Point found = point(name);
    return (found.found + found.remedy).find(part) != std::string::npos;
  }
  void guest(bool is) const { file("proc/cpuinfo", is ? "flags : fpu hypervisor\n" : "flags : fpu\n"); }
};

TEST_CASE("fitness: the governor is performance on every unit, or it is bad") {
  const FitMachine machine;
  CHECK(machine.verdict("governor") == Verdict::unknown);
  for (const char* unit : {"cpu0", "cpu1", "cpu2", "cpu3"})
    machine.file(kUnitsFolder + unit + "/cpufreq/scaling_governor", "performance\n");
  CHECK(machine.verdict("governor") == Verdict::good);
  machine.file(kUnitsFolder + "cpu3/cpufreq/scaling_governor", "powersave\n");
  CHECK(machine.verdict("governor") == Verdict::bad);
  CHECK(machine.names("governor", "performance, powersave"));
}

TEST_CASE("fitness: what a virtual machine does not show is unknown, with its host to ask") {
  const FitMachine machine;
  machine.guest(true);
  for (const char* name : {"governor", "turbo", "SMT"}) {
    CHECK(machine.verdict(name) == Verdict::unknown);
    CHECK(machine.names(name, "host"));
  }
}

TEST_CASE("fitness: turbo by Intel's switch or by the other one, whose name the remedy says") {
  const FitMachine machine;
  CHECK(machine.verdict("turbo") == Verdict::unknown);
  machine.file(kUnitsFolder + "cpufreq/boost", "1\n");
  CHECK(machine.verdict("turbo") == Verdict::bad);
  CHECK(machine.names("turbo", "echo 0 > /sys/devices/system/cpu/cpufreq/boost"));
  machine.file(kUnitsFolder + "cpufreq/boost", "0\n");
  CHECK(machine.verdict("turbo") == Verdict::good);
  machine.file(kUnitsFolder + "intel_pstate/no_turbo", "0\n");
  CHECK(machine.verdict("turbo") == Verdict::bad);
  CHECK(machine.names("turbo", "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"));
  machine.file(kUnitsFolder + "intel_pstate/no_turbo", "1\n");
  CHECK(machine.verdict("turbo") == Verdict::good);
}

TEST_CASE("fitness: SMT as the kernel says it, or else as the topology shows it") {
  FitMachine machine;
  CHECK(machine.verdict("SMT") == Verdict::good);
  machine.topology = Topology::synthetic("core:2 pu:2");
  CHECK(machine.verdict("SMT") == Verdict::bad);
  machine.file(kUnitsFolder + "smt/active", "0\n");
  CHECK(machine.verdict("SMT") == Verdict::good);
  machine.file(kUnitsFolder + "smt/active", "1\n");
  CHECK(machine.verdict("SMT") == Verdict::bad);
}

TEST_CASE("fitness: transparent huge pages are bad where every process gets them") {
  const FitMachine machine;
  const char* const file = "sys/kernel/mm/transparent_hugepage/enabled";
  CHECK(machine.verdict("transparent huge pages") == Verdict::good);
  CHECK_FALSE(huge_pages_policy(machine.path()));
  machine.file(file, "[always] madvise never\n");
  CHECK(machine.verdict("transparent huge pages") == Verdict::bad);
  machine.file(file, "always [madvise] never\n");
  CHECK(machine.verdict("transparent huge pages") == Verdict::good);
  CHECK(huge_pages_policy(machine.path()) == "madvise");
}

TEST_CASE("fitness: NUMA balancing matters where there are nodes to balance") {
  FitMachine machine;
  CHECK(machine.verdict("NUMA balancing") == Verdict::good);
  machine.file("proc/sys/kernel/numa_balancing", "1\n");
  CHECK(machine.verdict("NUMA balancing") == Verdict::bad);
  machine.file("proc/sys/kernel/numa_balancing", "0\n");
  CHECK(machine.verdict("NUMA balancing") == Verdict::good);
  machine.file("proc/sys/kernel/numa_balancing", "1\n");
  machine.topology = Topology::synthetic("core:4 pu:1");
  CHECK(machine.verdict("NUMA balancing") == Verdict::good);
}

TEST_CASE("fitness: swap is bad once something is in it") {
  const FitMachine machine;
  const std::string head = "Filename Type Size Used Priority\n";
  CHECK(machine.verdict("swap") == Verdict::unknown);
  machine.file("proc/swaps", head);
  CHECK(machine.verdict("swap") == Verdict::good);
  machine.file("proc/swaps", head + "/dev/a partition 1048576 0 -2\n");
  CHECK(machine.verdict("swap") == Verdict::good);
  machine.file("proc/swaps", head + "/dev/a partition 1048576 0 -2\n/b file 1048576 2048 -3\n");
  CHECK(machine.verdict("swap") == Verdict::bad);
  CHECK(machine.names("swap", "2 MiB in use"));
}

TEST_CASE("fitness: clock sources that are read in user space are good") {
  const FitMachine machine;
  const char* const file = "sys/devices/system/clocksource/clocksource0/current_clocksource";
  CHECK(machine.verdict("clock source") == Verdict::unknown);
  machine.file(file, "tsc\n");
  CHECK(machine.verdict("clock source") == Verdict::good);
  machine.file(file, "hpet\n");
  CHECK(machine.verdict("clock source") == Verdict::bad);
}

TEST_CASE("fitness: without address randomisation all runs share one layout") {
  const FitMachine machine;
  CHECK(machine.verdict("address randomisation") == Verdict::unknown);
  machine.file("proc/sys/kernel/randomize_va_space", "2\n");
  CHECK(machine.verdict("address randomisation") == Verdict::good);
  machine.file("proc/sys/kernel/randomize_va_space", "0\n");
  CHECK(machine.verdict("address randomisation") == Verdict::bad);
}

TEST_CASE("fitness: a virtual machine is bad, no word of the processor is unknown") {
  const FitMachine machine;
  CHECK(machine.verdict("hypervisor") == Verdict::unknown);
  machine.guest(false);
  CHECK(machine.verdict("hypervisor") == Verdict::good);
  machine.guest(true);
  CHECK(machine.verdict("hypervisor") == Verdict::bad);
}

TEST_CASE("fitness: units that are isolated and not ours are bad, as is one unit alone") {
  FitMachine machine;
  CHECK(machine.verdict("processing units") == Verdict::good);
  machine.file(kUnitsFolder + "isolated", "2-3\n");  // ours: the synthetic machine has 0 to 3
  CHECK(machine.verdict("processing units") == Verdict::good);
  machine.file(kUnitsFolder + "isolated", "1,4-5\n");
  CHECK(machine.verdict("processing units") == Verdict::bad);
  CHECK(machine.names("processing units", "taskset"));
  machine.file(kUnitsFolder + "isolated", "\n");
  machine.topology = Topology::synthetic("core:1 pu:1");
  CHECK(machine.verdict("processing units") == Verdict::bad);
}

TEST_CASE("fitness: a CPU quota of the group or of one above is bad where it is less than the units") {
  const FitMachine machine;
  CHECK(machine.verdict("CPU quota") == Verdict::good);
  machine.file("proc/self/cgroup", "0::/a/b\n");
  machine.file("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  machine.file("sys/fs/cgroup/a/cpu.max", "400000 100000\n");
  CHECK(machine.verdict("CPU quota") == Verdict::good);
  machine.file("sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  CHECK(machine.verdict("CPU quota") == Verdict::bad);
  CHECK(machine.names("CPU quota", "1.5 units"));
}

TEST_CASE("fitness: a CPU quota of the first version of control groups") {
  const FitMachine machine;
  machine.file("proc/self/cgroup", "2:cpu,cpuacct:/docker/1\n");
  machine.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  machine.file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK(machine.verdict("CPU quota") == Verdict::good);
  machine.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  CHECK(machine.verdict("CPU quota") == Verdict::bad);
}

TEST_CASE("fitness: less than 1 GiB of memory is bad") {
  const FitMachine machine;
  CHECK(machine.verdict("memory") == Verdict::unknown);
  machine.file("proc/meminfo", "MemAvailable: 1048576 kB\n");
  CHECK(machine.verdict("memory") == Verdict::good);
  machine.file("proc/meminfo", "MemAvailable: 1048575 kB\n");
  CHECK(machine.verdict("memory") == Verdict::bad);
}

TEST_CASE("fitness: half a unit's load in the last minute is the limit") {
  const FitMachine machine;
  CHECK(machine.verdict("load average") == Verdict::unknown);
  machine.file("proc/loadavg", "0.50 9.00 9.00 1/99 1\n");
  CHECK(machine.verdict("load average") == Verdict::good);
  machine.file("proc/loadavg", "0.51 0.00 0.00 1/99 1\n");
  CHECK(machine.verdict("load average") == Verdict::bad);
}

TEST_CASE("fitness: steal counts as a share of what the machine wanted to run, idle time aside") {
  const FitMachine machine;
  CHECK(machine.verdict("steal") == Verdict::unknown);
  machine.file("proc/stat", "cpu0 980 0 0 1000000 0 0 0 20 0 0\n");
  CHECK(machine.verdict("steal") == Verdict::good);
  machine.file("proc/stat", "cpu0 970 0 0 1000000 0 0 0 30 0 0\n");
  CHECK(machine.verdict("steal") == Verdict::bad);
}

TEST_CASE("fitness: pressure beyond 5 % of the last minute is bad") {
  const FitMachine machine;
  for (const auto& [name, file] :
       {std::pair{"CPU pressure", "proc/pressure/cpu"}, {"I/O pressure", "proc/pressure/io"}}) {
    CHECK(machine.verdict(name) == Verdict::unknown);
    machine.file(file, "some avg10=99 avg60=5.00 avg300=99 total=1\n");
    CHECK(machine.verdict(name) == Verdict::good);
    machine.file(file, "some avg10=0 avg60=5.01 avg300=0 total=1\n");
    CHECK(machine.verdict(name) == Verdict::bad);
  }
}

TEST_CASE("fitness: hardware counters that are refused are bad, with the reason and the remedy") {
  CHECK(counters_point({}).verdict == Verdict::good);
  const Point point =
      counters_point({{"cycles", "forbidden", "allow it"}, {"instructions", "forbidden", "allow it"}});
  CHECK(point.verdict == Verdict::bad);
  CHECK(point.found == "not cycles, instructions: forbidden");
  CHECK(point.remedy == "allow it");
}

TEST_CASE("fitness: a log wants a local disk that can be written") {
  const auto verdict = [](const SyncProbe& probe) { return directory_point("/data", probe).verdict; };
  const std::chrono::microseconds quick(200);
  CHECK(verdict({"ext4", quick, ""}) == Verdict::good);
  CHECK(verdict({"tmpfs", quick, ""}) == Verdict::bad);
  CHECK(verdict({"nfs4", quick, ""}) == Verdict::bad);
  CHECK(verdict({"fuse.sshfs", quick, ""}) == Verdict::bad);
  CHECK(verdict({"overlay", quick, ""}) == Verdict::bad);
  CHECK(verdict({"", quick, ""}) == Verdict::unknown);
  CHECK(verdict({"ext4", {}, "Read-only file system"}) == Verdict::bad);
  CHECK(directory_point("/data", {"ext4", quick, ""}).found ==
        "/data on ext4, 4 KiB written and synced in 200 us");
}

TEST_CASE("sync probe: it times real writes, leaves nothing behind, and says why it cannot") {
  const TemporaryDirectory folder;
  const SyncProbe probe = probe_sync(folder.path() / "not" / "there" / "yet");
  CHECK(probe.failure.empty());
  CHECK(probe.median.count() > 0);
  CHECK_FALSE(probe.file_system.empty());
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK_FALSE(probe_sync("/proc/self").failure.empty());
}

TEST_CASE("fitness: of this machine every point says something") {
  const Topology topology = Topology::this_machine();
  std::size_t count = 0;
  for (const auto& points : {settings(topology), surroundings(topology), shares(topology), company()}) {
    for (const Point& point : points) {
      INFO(point.name);
      CHECK_FALSE(point.found.empty());
      CHECK(point.remedy.empty() == (point.verdict == Verdict::good));
      ++count;
    }
  }
  CHECK(count == 16);
}

}  // namespace
