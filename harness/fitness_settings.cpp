#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>

#include "harness/fitness.h"
#include "harness/host_files.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr const char* kIntelTurboOff = "sys/devices/system/cpu/intel_pstate/no_turbo";
constexpr const char* kBoost = "sys/devices/system/cpu/cpufreq/boost";

/// A virtual machine does not see what its host does with the frequency.
Point not_shown(const std::string& name, const fs::path& root) {
  if (is_guest(root).value_or(false))
    return unknown(name, "this virtual machine does not show it", "ask whoever runs its host");
  return unknown(name, "no cpufreq driver shows it",
                 "load the processor's cpufreq driver, or look into the firmware");
}

Point governor(const Topology& topology, const fs::path& root) {
  std::set<std::string> found;
  for (const ProcessingUnit& unit : topology.units()) {
    const auto file = fmt::format("sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", unit.number);
    if (const auto governor = first_line(root / file)) found.insert(*governor);
  }
  if (found.empty()) return not_shown("governor", root);
  const std::string names = fmt::format("{}", fmt::join(found, ", "));
  if (names == "performance") return good("governor", names);
  return bad("governor", names, "cpupower frequency-set -g performance");
}

Point turbo(const fs::path& root) {
  const auto on = turbo_is_on(root);
  if (!on) return not_shown("turbo", root);
  if (!*on) return good("turbo", "off");
  const char* const found = "on: the frequency depends on heat and on other cores";
  if (number_in(root / kIntelTurboOff))
    return bad("turbo", found, fmt::format("echo 1 > /{}", kIntelTurboOff));
  return bad("turbo", found, fmt::format("echo 0 > /{}", kBoost));
}

Point smt(const Topology& topology, const fs::path& root) {
  const auto active = number_in(root / "sys/devices/system/cpu/smt/active");
  const bool on = active ? *active == 1 : topology.machine_units() > topology.cores();
  if (!on && is_guest(root).value_or(false))
    return unknown("SMT",
                   "off as this virtual machine sees it; its host may run two of its units on one core",
                   "ask whoever runs its host");
  if (!on) return good("SMT", "off");
  return bad("SMT", "on: two threads share a core",
             "echo off > /sys/devices/system/cpu/smt/control, or list one unit a core in placement");
}

Point transparent_huge_pages(const fs::path& root) {
  const char* const name = "transparent huge pages";
  const auto policy = huge_pages_policy(root);
  if (!policy) return good(name, "the kernel has none");
  if (*policy != "always") return good(name, *policy);
  return bad(name, "always: the kernel gathers and splits pages while a run goes on",
             "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

Point numa_balancing(const Topology& topology, const fs::path& root) {
  const auto on = number_in(root / "proc/sys/kernel/numa_balancing");
  if (topology.nodes().size() < 2) return good("NUMA balancing", "one node");
  if (!on) return good("NUMA balancing", "the kernel has none");
  if (*on == 0) return good("NUMA balancing", "off");
  return bad("NUMA balancing", "on: the kernel moves pages between nodes", "sysctl kernel.numa_balancing=0");
}

Point swap(const fs::path& root) {
  std::ifstream in(root / "proc/swaps");
  std::string line;
  if (!std::getline(in, line)) return unknown("swap", "/proc/swaps is not readable", "swapon --show");
  std::uint64_t used_kib = 0;
  std::size_t areas = 0;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::string name, type, size;
    std::uint64_t used = 0;
    if (fields >> name >> type >> size >> used) used_kib += used;
    ++areas;
  }
  if (areas == 0) return good("swap", "none");
  if (used_kib == 0) return good("swap", "not in use");
  return bad("swap", fmt::format("{} MiB in use", used_kib >> 10),
             "swapoff -a, or run what fills the memory elsewhere");
}

Point clock_source(const fs::path& root) {
  // Those that a process reads without a system call.
  static const std::set<std::string> fast{
      "tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "timebase", "riscv_clocksource"};
  const auto found = first_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (!found) return unknown("clock source", "not shown", "dmesg | grep clocksource");
  if (fast.contains(*found)) return good("clock source", *found);
  return bad("clock source", *found + ": each look is a system call, or slow",
             "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource; if it is refused, "
             "see dmesg");
}

/// What a run measures depends on where its code and data happen to lie: runs that differ in it show how much.
Point address_randomisation(const fs::path& root) {
  const auto level = number_in(root / "proc/sys/kernel/randomize_va_space");
  if (!level) return unknown("address randomisation", "not shown", "sysctl kernel.randomize_va_space");
  if (*level > 0) return good("address randomisation", "on: runs sample memory layouts");
  return bad("address randomisation", "off: all runs share one memory layout, whose luck no repetition shows",
             "sysctl kernel.randomize_va_space=2");
}

Point hypervisor(const fs::path& root) {
  const auto guest = is_guest(root);
  if (!guest) return unknown("hypervisor", "the processor has no way to say it", "systemd-detect-virt");
  if (!*guest) return good("hypervisor", "none");
  return bad("hypervisor", "a virtual machine: its host's other guests are measured, too",
             "measure on a machine of your own, or compare interleaved runs only (scripts/regress)");
}

}  // namespace

std::string_view name_of(Verdict verdict) {
  return verdict == Verdict::good ? "good" : verdict == Verdict::bad ? "bad" : "unknown";
}

std::optional<bool> turbo_is_on(const fs::path& root) {
  if (const auto off = number_in(root / kIntelTurboOff)) return *off == 0;
  if (const auto on = number_in(root / kBoost)) return *on == 1;
  return std::nullopt;
}

std::optional<std::string> huge_pages_policy(const fs::path& root) {
  const auto line =
      first_line(root / "sys/kernel/mm/transparent_hugepage/enabled");  // always [madvise] never
  if (!line || line->find('[') == std::string::npos) return std::nullopt;
  const std::size_t begin = line->find('[') + 1;
  return line->substr(begin, line->find(']') - begin);
}

std::vector<Point> settings(const Topology& topology, const fs::path& root) {
  return {governor(topology, root), turbo(root), smt(topology, root), transparent_huge_pages(root)};
}

std::vector<Point> surroundings(const Topology& topology, const fs::path& root) {
  return {numa_balancing(topology, root), swap(root), clock_source(root), address_randomisation(root),
          hypervisor(root)};
}

}  // namespace muster
