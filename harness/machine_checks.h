#pragma once

#include <cstdint>

#include "harness/placement.h"
#include "harness/topology.h"

namespace muster {

/// What read_configuration() cannot know: whether this machine can run it, now. Changes nothing. Of another machine only
/// what its topology says.
/// Throws ConfigError, std::system_error.
void check_machine(const Configuration& configuration, const Topology& topology);

/// Throws ConfigError, with the key that takes most, where the run needs more memory than is available: the kernel
/// would kill the process.
void check_memory(const Configuration& configuration, std::uint64_t available_bytes);

}  // namespace muster
