#pragma once

#include <vector>

#include "tests/engine/power/load.h"

namespace muster::power {

/// A planted fault: operations that were never done. Faults of the engine's logic are edits of its source
/// (mutants.py); these need none.
struct Fault {
  const char* name;
  const char* what;
  TableMix tables;  ///< under which kind of table it is found
  /// Whether the event at `place` is one of them.
  bool (*drops)(const Trace& trace, std::size_t place);
};
const std::vector<Fault>& faults();

void plant(const Fault& fault, Trace& trace);

}  // namespace muster::power
