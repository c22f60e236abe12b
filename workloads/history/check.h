#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/isolation.h"
#include "workloads/history/cycles.h"
#include "workloads/history/history.h"
#include "workloads/history/reads.h"

namespace muster::history {

/// A level that a history may satisfy. Strong: also in the order of each session, or in real time.
enum class Level : std::uint8_t {
  read_committed,
  snapshot,
  serializable,
  strong_session_snapshot,
  strong_session_serializable,
  strong_snapshot,
  strict_serializable,
};
inline constexpr std::array<std::string_view, 7> kLevels{"read_committed",
                                                         "snapshot",
                                                         "serializable",
                                                         "strong_session_snapshot",
                                                         "strong_session_serializable",
                                                         "strong_snapshot",
                                                         "strict_serializable"};
constexpr std::string_view name_of(Level level) {
  return kLevels[static_cast<std::size_t>(level)];
}

/// The least order that the check of a level needs.
Order order_of(Level level);
/// What the engine promises of an isolation level.
Level promised_by(Isolation isolation);

struct Anomaly {
  std::string name;   ///< as in Adya and Elle: G1c, lost-update, G-single-realtime
  std::string title;  ///< what it is
  Level violates = Level::
      read_committed;  ///< the weakest level that it violates; levels that imply this one are violated, too
  std::uint64_t count = 0;  ///< how many were found; 0: not counted
  std::string what;         ///< a sentence about the first one; of a cycle empty
  std::vector<TransactionIndex> transactions;
  Cycle cycle;                   ///< empty where it is none
  std::vector<std::string> why;  ///< a sentence for each of its steps
};

struct Verdict {
  std::uint64_t committed = 0, failed = 0, unknown = 0;  ///< transactions
  std::uint64_t dependencies = 0;
  std::uint32_t knots = 0;    ///< groups of transactions that depend on each other in cycles
  std::uint32_t largest = 0;  ///< transactions in the largest
  Order order = Order::none;
  std::vector<Anomaly> anomalies;  ///< sorted: violations of the weakest level first

  bool satisfies(Level level) const;
  /// The levels that a check with this order can decide, weakest first.
  std::vector<Level> levels() const;
};

/// Throws BadHistory.
Verdict check(const History& history, Order order);

/// One line: which anomalies violate the level.
std::string in_one_line(const Verdict& verdict, Level level);
/// All of it, for a reader.
std::string in_words(const Verdict& verdict, const History& history);

}  // namespace muster::history
