#pragma once

#include "harness/config.h"

namespace muster {

// The keys that say where threads and memory go.

ConfigKey placement_key();
ConfigKey flusher_placement_key();

}  // namespace muster
