#pragma once

#include <optional>
#include <vector>

#include "harness/config.h"
#include "harness/topology.h"

namespace muster {

/// Which processing unit each thread is to have; none: it is not pinned.
struct Placement {
  std::vector<std::optional<unsigned>> workers;
  std::optional<unsigned> flusher;
  bool flusher_shares_unit = false;  ///< with a worker
  bool oversubscribed = false;       ///< more workers than processing units
};

/// The processing units in the order in which a policy hands them out; under `none`, as compact has them. A list is
/// its own order. Throws ConfigError for a node or a unit that this process may not use.
std::vector<unsigned> unit_order(const Topology& topology, const PlacementRequest& request);

/// Throws ConfigError for what this machine, or what of it this process may use, cannot give.
Placement place_threads(const Topology& topology, const Configuration& configuration);

}  // namespace muster
