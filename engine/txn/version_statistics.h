#pragma once

#include <cstdint>

namespace muster {

/// What versions of records hold in memory. Numbers of one moment each, not of one and the same.
struct VersionStatistics {
  std::uint64_t versions = 0;           ///< older ones, that are kept beside the pages
  std::uint64_t bytes = 0;              ///< that they take
  std::uint64_t memory_bytes = 0;       ///< that the sessions have for them, used or not
  std::uint64_t memory_bytes_peak = 0;  ///< since the database was opened
  /// Commits since the oldest snapshot that is in use: what they have overwritten is kept for it. 0: there is none.
  std::uint64_t oldest_snapshot_age = 0;
};

}  // namespace muster
