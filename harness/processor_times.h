#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace muster {

/// What a processing unit has done since the machine started, in the kernel's ticks.
struct UnitTimes {
  std::uint64_t busy = 0;    ///< of this machine's own doing
  std::uint64_t stolen = 0;  ///< it wanted to run, and the hypervisor ran another guest
};

/// By the unit's number; empty where the kernel does not say. `root` is where /proc and /sys are.
std::map<unsigned, UnitTimes> processor_times(const std::filesystem::path& root = "/");

std::uint64_t ticks_per_second();

/// In MHz now, a value a unit; empty where the machine does not say it of all of them.
std::vector<double> frequencies_mhz(std::span<const unsigned> units, const std::filesystem::path& root = "/");

}  // namespace muster
