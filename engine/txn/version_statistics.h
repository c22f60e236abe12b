#pragma once

#include <cstdint>

namespace muster {

/// What versions of records hold in memory. Each number is of one moment, but not all of the same one.
struct VersionStatistics {
  std::uint64_t versions = 0;           ///< older ones, kept beside the pages
  std::uint64_t bytes = 0;              ///< what the versions take
  std::uint64_t memory_bytes = 0;       ///< what the sessions have allocated for them, used or not
  std::uint64_t memory_bytes_peak = 0;  ///< since the database was opened
  /// Commits since the oldest snapshot that is in use; sessions keep for it what these have overwritten. 0: there is none.
  std::uint64_t oldest_snapshot_age = 0;
};

}  // namespace muster
