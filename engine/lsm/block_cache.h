#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/lsm/block.h"

namespace muster::lsm {

/// Where a block comes from: the table file, by BlockCache::new_owner(), and the block's offset in it.
struct BlockId {
  std::uint64_t owner = 0;
  std::uint64_t offset = 0;
  bool operator==(const BlockId&) const = default;
};

struct BlockCacheStatistics {
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::size_t bytes = 0;   ///< of the blocks that it holds now, with what holding them takes
  std::size_t blocks = 0;  ///< that it holds now
};

/// Decompressed blocks of table files, bounded by bytes. A reader holds the block that it found by its shared_ptr; one that
/// the cache drops meanwhile lives as long as its readers, and counts no more. Blocks are spread over shards by their id; each
/// shard has its own lock, and gives up blocks by the clock algorithm (second chance): a hit sets a mark and moves nothing.
/// Any number of threads; calls block each other only within a shard, for the time of a look-up.
/// Source: Corbato, "A paging experiment with the Multics system", 1968.
class BlockCache {
 public:
  /// `bytes`: the bound, over all shards; 0 keeps nothing. A block larger than its shard's part is not kept.
  explicit BlockCache(std::size_t bytes);
  ~BlockCache();

  /// Tells the blocks of one open table file from those of all others.
  std::uint64_t new_owner() {
    return owners_.fetch_add(1,
                             std::memory_order_relaxed);  // unique by atomicity alone: it publishes nothing
  }

  /// The block, or null; counted as a hit or a miss.
  std::shared_ptr<const Block> find(BlockId id);
  /// Keeps the block, and drops others for it. Returns the one that is kept: another reader may have been faster.
  std::shared_ptr<const Block> insert(BlockId id, std::shared_ptr<const Block> block);
  /// Drops the block if it is kept.
  void erase(BlockId id) noexcept;

  std::size_t capacity() const { return capacity_; }
  BlockCacheStatistics statistics() const;

 private:
  class Shard;

  Shard& shard(BlockId id) const;

  const std::size_t capacity_;
  std::atomic<std::uint64_t> owners_{0};
  const std::size_t shard_count_;  // a power of two
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace muster::lsm
