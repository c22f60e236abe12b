#include "engine/lsm/block_cache.h"

#include <algorithm>
#include <bit>
#include <list>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "algorithms/parts/backoff.h"

namespace muster::lsm {
namespace {

constexpr std::size_t kShardsMax = 64;
constexpr std::size_t kShardBytes = std::size_t{1}
                                    << 18;  // a shard is worth having from some tens of blocks on

std::uint64_t hash_of(BlockId id) {
  std::uint64_t hash = (id.owner + 1) * 0x9e3779b97f4a7c15u ^ id.offset;
  hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
  return hash ^ hash >> 32;
}

struct Hash {
  std::size_t operator()(BlockId id) const { return hash_of(id); }
};

std::size_t shards_for(std::size_t bytes) {
  return std::bit_floor(std::clamp<std::size_t>(bytes / kShardBytes, 1, kShardsMax));
}

}  // namespace

/// Members are under the shard's lock.
class alignas(kCacheLine) BlockCache::Shard {
 public:
  void set_capacity(std::size_t bytes) { capacity_ = bytes; }

  std::shared_ptr<const Block> find(BlockId id) {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(id);
    if (found == kept_.end()) {
      ++misses_;
      return nullptr;
    }
    ++hits_;
    found->second.used = true;
    return found->second.block;
  }

  std::shared_ptr<const Block> insert(BlockId id, std::shared_ptr<const Block> block) {
    const std::size_t cost = cost_of(*block);
    std::vector<std::shared_ptr<const Block>> dropped;  // they are freed once the lock is
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(id); found != kept_.end()) return found->second.block;
    if (cost > capacity_) return block;
    while (bytes_ + cost > capacity_) dropped.push_back(drop_one());
    Clock place(1);
    const auto at = kept_.emplace(id, Kept{.block = block, .place = place.begin()}).first;
    place.front() = &*at;
    clock_.splice(hand_, place);  // the hand comes there last
    bytes_ += cost;
    return block;
  }

  void erase(BlockId id) noexcept {
    std::shared_ptr<const Block> dropped;
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(id); found != kept_.end()) dropped = take(found);
  }

  void add_to(BlockCacheStatistics& sum) {
    const std::lock_guard lock(mutex_);
    sum.hits += hits_;
    sum.misses += misses_;
    sum.bytes += bytes_;
    sum.blocks += kept_.size();
  }

 private:
  struct Kept;
  using Map = std::unordered_map<BlockId, Kept, Hash>;
  using Clock = std::list<Map::value_type*>;
  struct Kept {
    std::shared_ptr<const Block> block;
    Clock::iterator place;
    bool used = false;  // since the hand was here
  };

  static std::size_t cost_of(const Block& block) {
    return block.bytes() + sizeof(Block) + sizeof(Map::value_type) + 6 * sizeof(void*);
  }

  /// The hand goes round, takes marks away, and stops at the first block without one. Not while nothing is kept.
  std::shared_ptr<const Block> drop_one() {
    for (;; ++hand_) {
      if (hand_ == clock_.end()) hand_ = clock_.begin();
      if (!std::exchange((*hand_)->second.used, false)) return take(kept_.find((*hand_)->first));
    }
  }

  std::shared_ptr<const Block> take(Map::iterator at) noexcept {
    std::shared_ptr<const Block> block = std::move(at->second.block);
    bytes_ -= cost_of(*block);
    if (hand_ == at->second.place) ++hand_;
    clock_.erase(at->second.place);
    kept_.erase(at);
    return block;
  }

  std::mutex mutex_;
  std::size_t capacity_ = 0;  // set once, before any other thread sees the cache
  Map kept_;
  Clock clock_;  // all that is kept; the map's nodes stay where they are
  Clock::iterator hand_ = clock_.end();
  std::size_t bytes_ = 0;
  std::uint64_t hits_ = 0;
  std::uint64_t misses_ = 0;
};

BlockCache::BlockCache(std::size_t bytes)
    : capacity_(bytes), shard_count_(shards_for(bytes)), shards_(std::make_unique<Shard[]>(shard_count_)) {
  for (std::size_t i = 0; i < shard_count_; ++i) shards_[i].set_capacity(bytes / shard_count_);
}

BlockCache::~BlockCache() = default;

BlockCache::Shard& BlockCache::shard(BlockId id) const {
  return shards_[(hash_of(id) >> 24) & (shard_count_ - 1)];  // other bits than those that the map begins with
}

std::shared_ptr<const Block> BlockCache::find(BlockId id) {
  return shard(id).find(id);
}

std::shared_ptr<const Block> BlockCache::insert(BlockId id, std::shared_ptr<const Block> block) {
  return shard(id).insert(id, std::move(block));
}

void BlockCache::erase(BlockId id) noexcept {
  shard(id).erase(id);
}

BlockCacheStatistics BlockCache::statistics() const {
  BlockCacheStatistics sum;
  for (std::size_t i = 0; i < shard_count_; ++i) shards_[i].add_to(sum);
  return sum;
}

}  // namespace muster::lsm
