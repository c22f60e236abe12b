#include "harness/pressure.h"

#include <fstream>
#include <sstream>
#include <string>

#include "harness/control_groups.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

/// The number behind `key=` in the line that begins with `who`: "some avg10=0.12 avg60=0.34 avg300=0.56 total=789".
template <class Number>
std::optional<Number> field(const fs::path& file, const std::string& who, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(who + " ")) continue;
    const std::size_t at = line.find(" " + key + "=");
    if (at == std::string::npos) return std::nullopt;
    std::istringstream behind(line.substr(at + key.size() + 2));
    Number number{};
    if (behind >> number) return number;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> total_us(const fs::path& file, const std::string& who) {
  return field<std::uint64_t>(file, who, "total");
}

PressureTotals totals(const fs::path& cpu, const fs::path& io) {
  return {total_us(cpu, "some"), total_us(io, "some"), total_us(io, "full")};
}

}  // namespace

PressureTotals machine_pressure(const fs::path& root) {
  return totals(root / "proc/pressure/cpu", root / "proc/pressure/io");
}

PressureTotals group_pressure(const fs::path& root) {
  for (const GroupFolder& group : control_groups("cpu", root)) {
    if (group.version2) return totals(group.path / "cpu.pressure", group.path / "io.pressure");
  }
  return {};
}

std::optional<double> recent_pressure(const std::string& of, const fs::path& root) {
  return field<double>(root / "proc/pressure" / of, "some", "avg60");
}

}  // namespace muster
