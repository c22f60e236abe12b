#pragma once

#include "harness/placement.h"
#include "harness/topology.h"

namespace muster {

/// What read_configuration() cannot know: whether this machine can run it, now. Changes nothing.
/// Throws ConfigError, std::system_error.
void check_machine(const Configuration& configuration, const Topology& topology);

}  // namespace muster
