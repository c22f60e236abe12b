#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/not_measured.h"
#include "harness/topology.h"

namespace muster {

enum class Verdict { good, bad, unknown };
std::string_view name_of(Verdict verdict);

/// One thing that decides whether a machine is fit for measuring.
struct Point {
  std::string name;
  std::string found;
  Verdict verdict = Verdict::unknown;
  std::string remedy;  ///< empty where the verdict is good
};

inline Point good(std::string name, std::string found) {
  return {std::move(name), std::move(found), Verdict::good, ""};
}
inline Point bad(std::string name, std::string found, std::string remedy) {
  return {std::move(name), std::move(found), Verdict::bad, std::move(remedy)};
}
inline Point unknown(std::string name, std::string found, std::string remedy) {
  return {std::move(name), std::move(found), Verdict::unknown, std::move(remedy)};
}

// Each rule reads /proc and /sys below `root`. A rule says `unknown` where the machine does not say, never `good`.

/// Governor, turbo, SMT, transparent huge pages: how a machine is set up, which a result says, too.
std::vector<Point> settings(const Topology& topology, const std::filesystem::path& root = "/");

/// Nothing where the machine does not show it.
std::optional<bool> turbo_is_on(const std::filesystem::path& root = "/");
/// "always", "madvise" or "never"; nothing where the kernel has none.
std::optional<std::string> huge_pages_policy(const std::filesystem::path& root = "/");

/// NUMA balancing, swap, clock source, address space randomisation, hypervisor.
std::vector<Point> surroundings(const Topology& topology, const std::filesystem::path& root = "/");

/// What this process may use: processing units, CPU quota, memory.
std::vector<Point> shares(const Topology& topology, const std::filesystem::path& root = "/");

/// What else the machine does: load average, steal, CPU and I/O pressure.
std::vector<Point> company(const std::filesystem::path& root = "/");

/// Whether hardware counters can be had; `refused` is what cannot.
Point counters_point(const std::vector<NotMeasured>& refused);

/// How long it takes to write 4 KiB and sync them, as a log does.
struct SyncProbe {
  std::string file_system;  ///< its type, empty where unknown
  std::chrono::duration<double> median{};
  std::string failure;  ///< what the system said in place of a time, or empty
};
/// In a file without a name, which is gone afterwards, in the directory or the nearest one above that exists.
SyncProbe probe_sync(const std::filesystem::path& directory);
Point directory_point(const std::filesystem::path& directory, const SyncProbe& probe);

}  // namespace muster
