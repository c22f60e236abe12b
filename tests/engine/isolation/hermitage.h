#pragma once

#include <span>
#include <string_view>

#include "tests/engine/isolation/stage.h"

namespace muster::isolation {

/// An interleaving that goes wrong where nothing prevents it. Source: Hermitage (github.com/ept/hermitage, Martin Kleppmann,
/// CC BY 4.0), with its values; what it asks by SQL's predicates is a scan and a choice here.
struct Schedule {
  std::string_view anomaly;  ///< by Hermitage's name
  std::string_view variant;  ///< of several with one name
  std::string_view title;
  /// Plays it to its end. Whether the anomaly happened to transactions that were committed.
  bool (*play)(Stage& stage);
};
std::span<const Schedule> schedules();

/// What became of a schedule at a level.
enum class Outcome {
  allowed,
  waits,     ///< prevented: a transaction waited until it could do no harm
  aborts,    ///< prevented: the engine rolled one back
  versions,  ///< prevented: a reader saw what was there before, and no transaction waited or was rolled back
};
std::string_view name_of(Outcome outcome);
Outcome outcome_of(const Schedule& schedule, const Level& level);

}  // namespace muster::isolation
