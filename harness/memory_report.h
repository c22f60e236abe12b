#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "harness/placed_memory.h"

namespace muster {

/// The section `memory` of a result: where it was asked to be and was found, and how far nodes are from each other.
nlohmann::ordered_json describe_memory(const Configuration& configuration, const Topology& topology,
                                       const std::vector<MemoryLook>& looks);

}  // namespace muster
