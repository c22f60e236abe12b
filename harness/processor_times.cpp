#include "harness/processor_times.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <fstream>
#include <sstream>
#include <string>

#include "harness/host_files.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

/// /proc/cpuinfo has a paragraph a unit.
std::map<unsigned, double> mhz_of_cpuinfo(const fs::path& root) {
  std::map<unsigned, double> found;
  std::ifstream in(root / "proc/cpuinfo");
  unsigned unit = 0;
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream value(line.substr(colon + 1));
    if (line.starts_with("processor")) value >> unit;
    if (line.starts_with("cpu MHz")) value >> found[unit];
  }
  return found;
}

}  // namespace

std::map<unsigned, UnitTimes> processor_times(const fs::path& root) {
  std::map<unsigned, UnitTimes> times;
  std::ifstream in(root / "proc/stat");  // cpuN user nice system idle iowait irq softirq steal
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("cpu") || line.size() < 4 || std::isdigit(static_cast<unsigned char>(line[3])) == 0)
      continue;
    std::istringstream fields(line.substr(3));
    unsigned unit = 0;
    std::array<std::uint64_t, 8> ticks{};
    fields >> unit;
    for (std::uint64_t& of : ticks) fields >> of;
    const auto [user, nice, system, idle, waiting, interrupts, soft_interrupts, stolen] = ticks;
    if (fields) times[unit] = {user + nice + system + interrupts + soft_interrupts, stolen};
  }
  return times;
}

std::uint64_t ticks_per_second() {
  return static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
}

std::vector<double> frequencies_mhz(std::span<const unsigned> units, const fs::path& root) {
  constexpr double kKilohertz = 1000;
  std::map<unsigned, double> of_cpuinfo;  // read where no driver says more
  std::vector<double> found;
  for (const unsigned unit : units) {
    const auto khz =
        number_in(root / fmt::format("sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", unit));
    if (!khz && of_cpuinfo.empty()) of_cpuinfo = mhz_of_cpuinfo(root);
    if (khz) {
      found.push_back(static_cast<double>(*khz) / kKilohertz);
    } else if (of_cpuinfo.contains(unit)) {
      found.push_back(of_cpuinfo[unit]);
    } else {
      return {};
    }
  }
  return found;
}

}  // namespace muster
