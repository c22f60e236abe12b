#pragma once

#include <string>

#include "workloads/history/check.h"

namespace muster {

/// Each anomaly as SVG: its transactions with their operations, and of a cycle why each comes before the next.
std::string picture_of(const history::Verdict& verdict, const history::History& history);

}  // namespace muster
