#pragma once

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "engine/types.h"

namespace muster {

/// The kind of the tables that a test creates whose subject is any table. CTest runs such a test once for each kind, the second
/// time with MUSTER_TEST_TABLE=lsm.
inline TableKind table_under_test() {
  const char* const name = std::getenv("MUSTER_TEST_TABLE");
  if (name == nullptr) return TableKind::btree;
  const auto found = std::ranges::find(kTableKinds, name);
  if (found == kTableKinds.end()) throw std::invalid_argument(std::string("MUSTER_TEST_TABLE: ") + name);
  return static_cast<TableKind>(found - kTableKinds.begin());
}

}  // namespace muster
