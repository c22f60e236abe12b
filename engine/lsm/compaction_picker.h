#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "engine/lsm/levels.h"

namespace muster::lsm {

/// Some tables of a tree that are to become others, and where those go.
struct Compaction {
  unsigned from = 0;
  unsigned to = 0;
  std::vector<TablePtr> inputs{};  ///< of `from` and of `to`
  bool moves = false;              ///< the inputs themselves go to `to`, as they are
  /// An output is cut once its file is as large.
  std::uint64_t output_bytes = std::numeric_limits<std::uint64_t>::max();
  Key smallest{};  ///< all keys of the inputs lie within
  Key largest{};
  std::optional<Key> cursor{};  ///< where the next compaction out of `from` begins to look
};

/// The compactions that are at work, in any order.
using RunningCompactions = std::vector<std::shared_ptr<const Compaction>>;
/// Of each level, the key above which the next compaction begins to look.
using Cursors = std::array<std::optional<Key>, kLevels>;

/// Levels below 0 grow tenfold; a compaction takes some tables of a level and those that they overlap in the level below.
/// Writes much, keeps few entries that are of no use. Source: LevelDB, after O'Neil et al., "The log-structured merge-tree", 1996.
struct LeveledOptions {
  std::size_t level0_tables = 4;            ///< at least 1; as many begin a compaction
  std::uint64_t level1_bytes = 64U << 20U;  ///< more begin one
  std::uint64_t growth = 10;                ///< at least 2; of this from level to level
  std::uint64_t output_bytes = 8U << 20U;
};

/// Tables of like sizes become one, all in level 0. Writes little; reads look into more tables, and up to half of the space
/// is of no use. Source: Cassandra's SizeTieredCompactionStrategy.
struct SizeTieredOptions {
  std::size_t tables_min = 4;   ///< at least 2; of like size
  std::size_t tables_max = 32;  ///< of one compaction
  double low = 0.5;             ///< like: between `low` and `high` of the mean
  double high = 1.5;
  std::uint64_t small_bytes = 1U << 20U;  ///< files up to this size are like each other
};

/// What to compact next; none while the tree has its shape. The inputs are in no running compaction, and where one writes to
/// the same sorted level, the key ranges are disjoint. Pure functions.
std::optional<Compaction> pick_leveled(const Levels& levels, const LeveledOptions& options,
                                       const RunningCompactions& running, const Cursors& cursors);
/// A tree that has been leveled first gets all its tables into level 0.
std::optional<Compaction> pick_size_tiered(const Levels& levels, const SizeTieredOptions& options,
                                           const RunningCompactions& running);

}  // namespace muster::lsm
