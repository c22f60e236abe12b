#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/config.h"
#include "harness/placement.h"
#include "harness/topology.h"

namespace muster {

/// Where a region's pages have to be, by this machine's nodes: one node, spread evenly over several, or nothing.
struct WantedNodes {
  MemoryPolicy::Kind kind = MemoryPolicy::Kind::first_touch;
  std::vector<unsigned> nodes;  ///< of `node` and of the ring's `local` one, of interleave several, else none
};

/// As in `key = value`.
std::string in_words(const Configuration& configuration, MemoryRegion region);

/// The nodes that have memory; all of them where the topology says of none how much.
std::vector<unsigned> nodes_with_memory(const Topology& topology);

/// The node that a thread's memory is local to: the unit's own, or the nearest one that has memory.
unsigned memory_node_of(const Topology& topology, unsigned unit);

/// Throws ConfigError where the machine has no such node, or nobody knows where the owning threads will be.
WantedNodes wanted_nodes(const Configuration& configuration, const Topology& topology,
                         const Placement& placement, MemoryRegion region);

/// What wanted_nodes() says, of all regions; whether a node has the memory that is asked of it; and whether this
/// machine has the pages that the ring wants. Throws ConfigError. `root` is where /proc and /sys are.
void check_memory_policies(const Configuration& configuration, const Topology& topology,
                           const Placement& placement, const std::filesystem::path& root = "/");

}  // namespace muster
