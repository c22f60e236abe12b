#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/database.h"
#include "workloads/arrivals.h"

namespace muster {

/// What every workload over the engine is run with.
struct EngineRun {
  DatabaseOptions database;
  TableKind table = TableKind::btree;  ///< of the tables that the workload creates
  CommitPolicy policy = CommitPolicy::durable;
  Isolation isolation = Isolation::two_phase_locking;  ///< of the workers' sessions
  std::uint32_t threads = 1;                           ///< workers
  std::uint64_t seed = 1;
  LoadOptions load{};
};

/// Makes the database of a run: Database::open, or a test's that errs.
using DatabaseOpener = std::function<std::unique_ptr<Database>(const DatabaseOptions&)>;

}  // namespace muster
