#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/lsm/compression.h"

namespace muster::lsm {

enum class CompactionPolicy : std::uint8_t { leveled, size_tiered };
inline constexpr std::array<std::string_view, 2> kCompactionPolicies{"leveled", "size_tiered"};

struct LsmOptions {
  static constexpr std::size_t kMemtableBytesMin = std::size_t{64} << 10;

  /// A memtable that costs as much memory is written to a file. There may be four at a time. At least kMemtableBytesMin.
  std::size_t memtable_bytes = std::size_t{16} << 20;
  /// Of decompressed blocks, of all tables of the database together.
  std::size_t block_cache_bytes = std::size_t{64} << 20;
  CompactionPolicy compaction = CompactionPolicy::leveled;
  Compression compression = Compression::lz4;
  /// Of the filter of a file, for each key; 0: no filter.
  std::uint32_t bloom_bits = 10;
};

/// Counts since the table was opened.
struct LsmStatistics {
  std::uint64_t flushes = 0;  ///< memtables that became files
  std::uint64_t compactions = 0;
  std::uint64_t slowed = 0;       ///< changes that were held up for a moment, since compactions lag behind
  std::uint64_t stopped = 0;      ///< changes that waited until the background had caught up
  std::uint64_t flush_bytes = 0;  ///< written by flushes
  std::uint64_t compaction_bytes = 0;  ///< written by compactions
  std::uint64_t files = 0;             ///< that there are now
  std::uint64_t file_bytes = 0;        ///< theirs
};

}  // namespace muster::lsm
