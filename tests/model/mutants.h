#pragma once

#include <vector>

#include "tests/model/programs.h"

namespace muster::model {

/// With the mutants of the log buffers, or of the engine's parts, behind them, by name.
std::vector<Subject> with_mutants(std::vector<Subject> all, bool scripted);

}  // namespace muster::model
