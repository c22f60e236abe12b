#pragma once

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "algorithms/parts/memory_placement.h"
#include "harness/memory_policy.h"
#include "harness/page_nodes.h"

namespace muster {

/// What a user may do about a kernel that refuses to place memory, or to say where it is.
inline constexpr const char* kMemoryRemedy =
    "want CAP_SYS_NICE, which containers withhold (docker run --cap-add SYS_NICE), a kernel with NUMA, or "
    "first_touch";

/// Memory is not where the configuration asks for it: exit code 3.
class MisplacedMemory : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct RegionFound {
  MemoryRegion region = MemoryRegion::ring;
  PagesFound pages;
  std::uint64_t huge_bytes = 0;
  /// Of pages.looked_at, those on a node that was not asked for; of interleave, those that another node should have.
  std::uint64_t misplaced = 0;
};

/// How many of the pages that were looked at are on a node that was not asked for; of interleave, how many another node
/// should have.
std::uint64_t misplaced_pages(const WantedNodes& wanted, const PagesFound& found);
/// Whether so many are an error. Interleaved pages may be uneven by half, since some are never touched; fewer than 64 a
/// node are not judged.
bool too_many(std::uint64_t misplaced, const WantedNodes& wanted, const PagesFound& found);

/// One look at all that is reserved.
struct MemoryLook {
  std::string after;  ///< what has just ended, in words
  std::vector<RegionFound> regions;
};

/// Puts a run's regions on the nodes that its configuration asks for, and looks where they are. Costs nothing but
/// when memory is reserved, when a worker attaches, and in look(). Thread-safe.
class PlacedMemory {
 public:
  /// Throws ConfigError: see wanted_nodes().
  PlacedMemory(const Configuration& configuration, const Topology& topology, const Placement& placement);
  PlacedMemory(const PlacedMemory&) = delete;
  PlacedMemory& operator=(const PlacedMemory&) = delete;

  /// For the layers below. What it calls throws std::system_error where the kernel refuses.
  const MemoryPlacement& placement() const { return placement_; }

  /// Where everything is now; while nobody reserves or gives back. Throws MisplacedMemory under memory.strict, and
  /// std::system_error where the kernel does not say and something is asked for.
  MemoryLook look(std::string after);

  /// Why the kernel would not say where pages are, if it would not: looks then have no regions.
  const std::optional<std::string>& refused() const { return refused_; }

 private:
  struct Part {
    std::size_t bytes = 0;
    unsigned node = 0;
  };
  struct Range {
    MemoryRegion region = MemoryRegion::ring;
    std::size_t bytes = 0;
    std::map<std::byte*, Part> owned;  // by begin
  };

  void reserve(MemoryRegion region, std::span<std::byte> range);
  void own(std::span<std::byte> part);
  void release(std::span<std::byte> range);
  const WantedNodes& wanted(MemoryRegion region) const { return wanted_[static_cast<std::size_t>(region)]; }
  RegionFound find(MemoryRegion region, const Mappings& mappings) const;
  std::string complaint(const RegionFound& found) const;

  const Configuration& configuration_;
  const Topology& topology_;
  std::array<WantedNodes, kMemoryRegionNames.size()> wanted_;
  MemoryPlacement placement_;
  mutable std::mutex mutex_;
  std::map<std::byte*, Range> ranges_;  // by begin; under mutex_
  std::optional<std::string> refused_;
};

}  // namespace muster
