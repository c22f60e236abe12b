#pragma once

#include <nlohmann/json.hpp>

#include "harness/topology.h"

namespace muster {

/// The processing units that may be used, in the topology's order: number, package, node, core, cache, sibling.
nlohmann::ordered_json units_json(const Topology& topology);
/// All NUMA nodes: number, memory in bytes, distances to each in the same order.
nlohmann::ordered_json nodes_json(const Topology& topology);

}  // namespace muster
