#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "harness/control_groups.h"
#include "harness/fitness.h"
#include "harness/host_files.h"
#include "harness/memory.h"
#include "harness/pressure.h"
#include "harness/processor_times.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

// Beyond these something else keeps the machine busy: what a run loses to it is more than quiet repetitions differ by.
constexpr double kLoadMax = 0.5;         // of the last minute, in processing units: half of a worker's
constexpr double kStealShareMax = 0.02;  // of the time that the machine wanted to run
constexpr double kPressureMax = 5;       // percent of the last minute

constexpr std::uint64_t kMemoryMin = std::uint64_t{1}
                                     << 30;  // the default database, its log and the buffers: twice

/// The numbers in "0-3,8".
std::vector<unsigned> unit_list(const std::string& text) {
  std::vector<unsigned> units;
  std::istringstream ranges(text);
  for (std::string range; std::getline(ranges, range, ',');) {
    std::istringstream in(range);
    unsigned first = 0;
    char dash = 0;
    if (!(in >> first)) continue;
    unsigned last = first;
    in >> dash >> last;
    for (unsigned unit = first; unit <= last; ++unit) units.push_back(unit);
  }
  return units;
}

Point processing_units(const Topology& topology, const fs::path& root) {
  const std::string isolated = first_line(root / "sys/devices/system/cpu/isolated").value_or("");
  const std::size_t usable = topology.units().size();
  const std::string found = fmt::format("{} of {}, {}", usable, topology.machine_units(),
                                        isolated.empty() ? "none isolated" : isolated + " isolated");
  const std::vector<unsigned> kept_free = unit_list(isolated);
  const bool left_out =
      std::ranges::any_of(kept_free, [&](unsigned unit) { return topology.find(unit) == nullptr; });
  if (left_out)
    return bad("processing units", found + ", which this process may not use",
               fmt::format("taskset -c 0-{} before the command", topology.machine_units() - 1));
  if (usable < 2)
    return bad("processing units", found,
               "give this process two at least, a worker's and the drainer's: taskset, cpuset");
  return good("processing units", found);
}

/// In units, of one group; nothing where it has no limit.
std::optional<double> quota_of(const GroupFolder& group) {
  double quota_us = 0;
  double period_us = 0;
  if (group.version2) {
    std::ifstream in(group.path / "cpu.max");  // "max 100000"
    if (!(in >> quota_us >> period_us)) return std::nullopt;
  } else {
    std::ifstream(group.path / "cpu.cfs_quota_us") >> quota_us;  // -1: none
    std::ifstream(group.path / "cpu.cfs_period_us") >> period_us;
  }
  if (quota_us <= 0 || period_us <= 0) return std::nullopt;
  return quota_us / period_us;
}

Point cpu_quota(const Topology& topology, const fs::path& root) {
  std::optional<double> least;
  for (const GroupFolder& group : control_groups("cpu", root)) {
    const auto quota = quota_of(group);
    if (quota && (!least || *quota < *least)) least = quota;
  }
  if (!least) return good("CPU quota", "none");
  const std::string found =
      fmt::format("{:.3g} units' time, of the {} that this process may use", *least, topology.units().size());
  if (*least >= static_cast<double>(topology.units().size())) return good("CPU quota", found);
  return bad(
      "CPU quota", found + ": the kernel stops threads that exceed it",
      "raise the control group's cpu.max (docker run --cpus), or bind the group to whole units (cpuset)");
}

Point memory(const fs::path& root) {
  const auto available = available_memory(root);
  if (!available) return unknown("memory", "the system does not say", "free");
  const std::string found = fmt::format("{:.1f} GiB available", static_cast<double>(*available) / (1 << 30));
  if (*available >= kMemoryMin) return good("memory", found);
  return bad("memory", found, "free 1 GiB at least, or raise the control group's memory.max");
}

Point load_average(const fs::path& root) {
  const auto line = first_line(root / "proc/loadavg");
  double last_minute = 0;
  if (!line || !(std::istringstream(*line) >> last_minute))
    return unknown("load average", "/proc/loadavg is not readable", "uptime");
  const std::string found = fmt::format("{:.2f} in the last minute", last_minute);
  if (last_minute <= kLoadMax) return good("load average", found);
  return bad("load average", fmt::format("{}; limit {}", found, kLoadMax),
             "stop what else runs (top), and wait a minute");
}

Point steal(const fs::path& root) {
  UnitTimes sum;
  for (const auto& [unit, times] : processor_times(root)) {
    sum.busy += times.busy;
    sum.stolen += times.stolen;
  }
  if (sum.busy + sum.stolen == 0) return unknown("steal", "/proc/stat does not say", "top: %st");
  const double share = static_cast<double>(sum.stolen) / static_cast<double>(sum.busy + sum.stolen);
  const std::string found =
      fmt::format("{:.2g} % of the time that this machine wanted to run, since its start", 100 * share);
  if (share <= kStealShareMax) return good("steal", found);
  return bad("steal", fmt::format("{}; limit {} %", found, 100 * kStealShareMax),
             "have a host that gives this machine its units alone, or compare interleaved runs only");
}

Point pressure(const std::string& name, const std::string& of, const std::string& remedy,
               const fs::path& root) {
  const auto percent = recent_pressure(of, root);
  if (!percent) return unknown(name, "/proc/pressure is missing", "boot a kernel with CONFIG_PSI with psi=1");
  const std::string found = fmt::format("tasks waited {:.3g} % of the last minute", *percent);
  if (*percent <= kPressureMax) return good(name, found);
  return bad(name, fmt::format("{}; limit {} %", found, kPressureMax), remedy);
}

}  // namespace

std::vector<Point> shares(const Topology& topology, const fs::path& root) {
  return {processing_units(topology, root), cpu_quota(topology, root), memory(root)};
}

std::vector<Point> company(const fs::path& root) {
  return {load_average(root), steal(root),
          pressure("CPU pressure", "cpu", "stop what else runs (top), and wait a minute", root),
          pressure("I/O pressure", "io", "stop what else uses the disk (iotop), and wait a minute", root)};
}

Point counters_point(const std::vector<NotMeasured>& refused) {
  if (refused.empty()) return good("hardware counters", "cycles, instructions, cache misses");
  const NotMeasured first = merged(refused).front();
  return bad("hardware counters", fmt::format("not {}: {}", first.what, first.reason), first.remedy);
}

Point directory_point(const fs::path& directory, const SyncProbe& probe) {
  static const std::set<std::string> in_memory{"tmpfs", "ramfs"};
  static const std::set<std::string> remote{"nfs", "nfs4",     "cifs", "smb3",
                                            "9p",  "virtiofs", "ceph", "lustre"};
  const char* const name = "engine.directory";
  const std::string where =
      fmt::format("{} on {}", directory.string(), probe.file_system.empty() ? "?" : probe.file_system);
  if (!probe.failure.empty())
    return bad(name, fmt::format("{}: {}", where, probe.failure),
               "--directory: one that can be written, on the disk to measure");
  const std::string found = fmt::format("{}, 4 KiB written and synced in {:.0f} us", where,
                                        std::chrono::duration<double, std::micro>(probe.median).count());
  if (in_memory.contains(probe.file_system))
    return bad(name, found + ": memory, no disk", "--directory: a folder on the disk to measure");
  if (remote.contains(probe.file_system) || probe.file_system.starts_with("fuse"))
    return bad(name, found + ": another machine or process serves it",
               "--directory: a folder on a local disk");
  if (probe.file_system == "overlay")
    return bad(name, found + ": a container's layer, which copies files",
               "--directory: a volume of the container");
  if (probe.file_system.empty()) return unknown(name, found, "findmnt -T " + directory.string());
  return good(name, found);
}

}  // namespace muster
