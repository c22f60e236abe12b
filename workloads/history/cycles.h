#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "workloads/history/dependencies.h"

namespace muster::history {

struct Step {
  TransactionIndex from = 0;
  TransactionIndex to = 0;
  Because because = Because::ww;
  OperationIndex operation = 0;  ///< as of an Edge
};
/// Each step begins where the one before has ended, the first one where the last has; no transaction is there twice.
using Cycle = std::vector<Step>;

/// By its edges, session and realtime apart. Adya, Weak Consistency, 1999; Kingsbury, Alvaro, Elle, PVLDB 14(3), 2020.
enum class CycleKind : std::uint8_t {
  g0,             ///< ww only
  g1c,            ///< ww and wr, one wr at least
  g_single,       ///< one rw
  g_nonadjacent,  ///< more of them, none behind another
  g2_item,        ///< one behind another
};
inline constexpr std::size_t kCycleKinds = 5;

CycleKind kind_of(const Cycle& cycle);
bool has_order(const Cycle& cycle);  ///< one step or more is of sessions or real time

/// What a graph has of cycles.
struct Cycles {
  /// The shortest that were found, by CycleKind.
  std::array<std::optional<Cycle>, kCycleKinds> plain;  ///< without an edge of sessions or real time
  std::array<std::optional<Cycle>, kCycleKinds>
      ordered;                ///< with one; not looked for where plain has the kind
  std::uint32_t knots = 0;    ///< components of more than one transaction
  std::uint32_t largest = 0;  ///< transactions in the largest
};

/// Exact, whatever the graph's size: whether there is a cycle of kind g0; of g0 or g1c; of any kind but g2_item; of any. And
/// all that once more with session and real time. Which is what levels are about (check.h).
///
/// Within a component each edge of the kind's own is tried in turn, by a breadth-first search for the way back. In one that
/// is so large that this would take long, only some of them: then a cycle may not be the shortest, and none may be found of
/// a kind whose level is violated by another one anyway.
Cycles find_cycles(const Graph& graph);

}  // namespace muster::history
