#pragma once

#include "engine/lsm/lsm_options.h"

namespace muster::lsm {

/// Throws ConfigError where an option is out of range, or a table's memtables and the cache do not fit into the machine's memory.
void check(const LsmOptions& options);

}  // namespace muster::lsm
