#pragma once

#include "harness/config.h"

namespace muster {

// The keys that say where threads and memory go.

ConfigKey placement_key();
ConfigKey flusher_placement_key();
ConfigKey memory_key(MemoryRegion region, UsedBy used_by, const std::string& what);

}  // namespace muster
