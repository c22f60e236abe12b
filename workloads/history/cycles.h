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
/// Each step begins where the one before ended, the first one where the last ended. No transaction is in it twice.
using Cycle = std::vector<Step>;

/// A cycle's kind by its edges; edges of sessions and of real time do not count. Adya, Weak Consistency, 1999; Kingsbury, Alvaro, Elle, PVLDB 14(3), 2020.
enum class CycleKind : std::uint8_t {
  g0,             ///< ww only
  g1c,            ///< ww and wr, one wr at least
  g_single,       ///< one rw
  g_nonadjacent,  ///< more of them, no two in a row
  g2_item,        ///< two rw in a row
};
inline constexpr std::size_t kCycleKinds = 5;

CycleKind kind_of(const Cycle& cycle);
bool has_order(const Cycle& cycle);  ///< at least one step is of sessions or real time

/// The cycles of a graph.
struct Cycles {
  /// The shortest that were found, by CycleKind.
  std::array<std::optional<Cycle>, kCycleKinds> plain;  ///< without an edge of sessions or real time
  std::array<std::optional<Cycle>, kCycleKinds>
      ordered;                ///< with such an edge; empty where plain has the kind
  std::uint32_t knots = 0;    ///< components of more than one transaction
  std::uint32_t largest = 0;  ///< transactions in the largest
};

/// Decides exactly, whatever the graph's size, whether there is a cycle of kind g0; of g0 or g1c; of any kind but g2_item; of
/// any kind; and the same with edges of sessions and real time. Levels ask for no more than that (check.h).
///
/// Within a component it takes each edge that the kind must have, and searches breadth-first for the shortest way back. In a very
/// large component it takes only some of these edges. Then a cycle may not be the shortest, and a kind may be missed if another
/// kind violates its level anyway.
Cycles find_cycles(const Graph& graph);

}  // namespace muster::history
