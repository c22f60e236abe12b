#pragma once

#include <cstdint>
#include <memory>

#include "workloads/engine_run.h"
#include "workloads/workload.h"

namespace muster {

struct CommitOptions {
  static constexpr std::uint32_t kMinBytes = 8;  ///< a count
  static constexpr std::uint32_t kMaxBytes = 1024;
  std::uint32_t value_bytes = 100;
};

/// Commits as fast as the engine makes them, or at a load's rate: each worker updates one record, its own, in a leaf of
/// its own, and commits. No lock and no page is contended for, so what workers share is the log.
///
/// The record counts its worker's transactions. Verified at the end: each record holds as many as its worker has
/// committed; every tree is whole. A worker tries a transaction again that the engine rolled back, after growing pauses.
/// Latency and bytes are as in ycsb.h.
std::unique_ptr<Workload> make_commit(const CommitOptions& options, const EngineRun& run,
                                      const DatabaseOpener& open = Database::open);

}  // namespace muster
