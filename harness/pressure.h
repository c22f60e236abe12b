#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace muster {

/// How long tasks waited, as the kernel sums it up (PSI): `some` of them, or `full`, all that wanted to run. Absent
/// where it does not say.
struct PressureTotals {
  std::optional<std::uint64_t> cpu_some_us;
  std::optional<std::uint64_t> io_some_us;
  std::optional<std::uint64_t> io_full_us;
};

/// Of the machine, and of the control group that this process is in. `root` is where /proc and /sys are.
PressureTotals machine_pressure(const std::filesystem::path& root = "/");
PressureTotals group_pressure(const std::filesystem::path& root = "/");

/// The kernel's mean of the last minute in percent, of `some`: "cpu" or "io".
std::optional<double> recent_pressure(const std::string& of, const std::filesystem::path& root = "/");

}  // namespace muster
