#pragma once

#include "harness/commands.h"
#include "harness/topology.h"

namespace muster {

/// Throws ConfigError where the request describes no machine.
Topology machine_of(const MachineRequest& request);

}  // namespace muster
