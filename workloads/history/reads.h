#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "workloads/history/versions.h"

namespace muster::history {

/// What is wrong with single reads and writes, found without a graph.
enum class Flaw : std::uint8_t {
  aborted_read,        ///< G1a: a transaction read a value that was rolled back
  intermediate_read,   ///< G1b: it read a value that its writer then wrote over
  dirty_update,        ///< a committed version was made of one that was rolled back
  internal,            ///< a transaction does not see what it wrote itself
  future_read,         ///< it sees what it writes only later
  fuzzy_read,          ///< it reads a key twice without a write of its own in between, and the values differ
  lost_update,         ///< two transactions read the same version of a key, and both wrote the next
  incompatible_order,  ///< two lists of a key were read, and neither begins with the other
  duplicate_elements,  ///< a list holds a value twice
  cyclic_versions,     ///< each version of a register comes before the next, and the last before the first
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
