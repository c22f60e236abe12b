#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "workloads/history/versions.h"

namespace muster::history {

/// What is wrong with single reads and writes, found without a graph.
enum class Flaw : std::uint8_t {
  aborted_read,        ///< G1a: a value that was rolled back
  intermediate_read,   ///< G1b: a value that its transaction wrote over
  dirty_update,        ///< a version that was rolled back, and a committed one made of it
  internal,            ///< a transaction does not see what it wrote itself
  future_read,         ///< it sees what it writes only later
  fuzzy_read,          ///< it reads a key twice, and not the same, without having written it in between
  lost_update,         ///< two read the same version of a key, and both wrote the next
  incompatible_order,  ///< lists of a key neither of which begins with the other
  duplicate_elements,  ///< a value twice in a list
  cyclic_versions,  ///< versions of a register each of which comes before the next, and the last before the first
};
inline constexpr std::size_t kFlaws = 10;

/// How often one was found, and the first.
struct FlawFound {
  std::uint64_t count = 0;
  std::vector<TransactionIndex> transactions;  ///< of the first
  std::string what;                            ///< a sentence about the first
};
using Flaws = std::array<FlawFound, kFlaws>;  ///< by Flaw

Flaws find_flaws(const Versions& versions);

}  // namespace muster::history
