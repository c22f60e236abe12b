#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

namespace muster {

/// What the kernel has counted of one thread since its start. Absent where it does not say.
struct ThreadCounts {
  std::optional<std::uint64_t> ran_ns;       ///< on a processing unit
  std::optional<std::uint64_t> waited_ns;    ///< for a unit, while it could have run
  std::optional<std::uint64_t> voluntary;    ///< context switches: it waited for something
  std::optional<std::uint64_t> involuntary;  ///< another took its unit
  std::optional<std::uint64_t> page_faults;
  std::optional<std::uint64_t> migrations;  ///< from one unit to another
};

/// Of all threads of this process but its first, which only watches the others. `root` is where /proc is.
std::map<pid_t, ThreadCounts> thread_counts(const std::filesystem::path& root = "/");

}  // namespace muster
