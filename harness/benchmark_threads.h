#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "algorithms/log_buffer.h"
#include "harness/placement.h"
#include "harness/topology.h"

namespace muster {

/// The machine that the benchmarks of log buffers run on.
const Topology& benchmark_machine();

/// Places the threads of the benchmarks that follow as a run's, by an assignment to one of a configuration's keys:
/// "placement=...", "flusher.placement=...". Throws ConfigError for what the key does not take, or what is not on this
/// machine.
void place_benchmarks(const std::string& assignment);

/// That placement, and the flusher's, each in the same words.
std::string benchmark_placement();
std::string benchmark_flusher_placement();

/// Where the benchmarks that follow have their files: empty, the system's temporary folder, unless it has been said.
void place_benchmark_files(const std::string& where);
std::filesystem::path benchmark_directory();

/// The units of so many workers and a drainer. More workers than units, or than a list has, go round them; a longer
/// list leaves the rest of its units alone.
Placement benchmark_placement(std::uint32_t workers);

/// Keeps the calling thread on a unit. Freed at the end: the benchmarks' own thread is one of those that are pinned,
/// and what it starts for the next benchmark would inherit its unit.
class Pinned {
 public:
  explicit Pinned(std::optional<unsigned> unit) {
    if (unit) benchmark_machine().pin_this_thread(*unit);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { benchmark_machine().unpin_this_thread(); }
};

inline constexpr std::size_t kBenchmarkCapacity = std::size_t{16} << 20;  // bytes

}  // namespace muster
