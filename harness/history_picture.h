#pragma once

#include <string>

#include "workloads/history/check.h"

namespace muster {

/// Draws each anomaly as SVG: its transactions with their operations and, in a cycle, why each comes before the next.
std::string picture_of(const history::Verdict& verdict, const history::History& history);

}  // namespace muster
