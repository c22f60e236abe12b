#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/storage/buffer_manager.h"
#include "engine/txn/lock_name.h"

namespace muster {

using PartitionNumber = std::uint32_t;

/// Maps keys to the partitions of Isolation::serial: by a hash of table and key or, in a table that has bounds, by the range
/// that the key lies in. All procedures share one mapping: with two, two procedures could run on one key at the same time.
/// Nothing of it is on the disk. Thread-safe.
class PartitionMap {
 public:
  explicit PartitionMap(PartitionNumber count) : count_(count) {}

  PartitionNumber count() const { return count_; }

  /// Partition i of the table has the keys from bounds[i - 1] on and below bounds[i]. Throws ConfigError unless the bounds rise
  /// and are fewer than count(). Call while no transaction runs on the table.
  void split(TableId table, std::vector<std::string> bounds) {
    if (table >= ranges_.size())
      throw ConfigError("table", std::to_string(table), "want one that was created");
    if (bounds.size() >= count_) {
      throw ConfigError("bounds", std::to_string(bounds.size()),
                        "want fewer than engine.partitions, " + std::to_string(count_));
    }
    const auto not_rising = [](const std::string& a, const std::string& b) { return a >= b; };
    if (std::ranges::adjacent_find(bounds, not_rising) != bounds.end()) {
      throw ConfigError("bounds", std::to_string(bounds.size()), "want each above the one before");
    }
    const std::lock_guard guard(mutex_);
    owned_.push_back(std::make_unique<const Bounds>(std::move(bounds)));
    ranges_[table].store(owned_.back().get(), std::memory_order_release);  // pairs with bounds_of()
  }

  PartitionNumber of(TableId table, Bytes key) const {
    const Bounds* const bounds = bounds_of(table);
    if (bounds == nullptr) {
      // The upper half of the name, scaled: no division.
      return static_cast<PartitionNumber>((lock_name(table, key) >> 32) * count_ >> 32);
    }
    const std::string_view text(reinterpret_cast<const char*>(key.data()), key.size());
    return static_cast<PartitionNumber>(std::ranges::upper_bound(*bounds, text) - bounds->begin());
  }
  /// Whether the table has bounds. Then a scan needs only the partitions that it passes over.
  bool is_by_range(TableId table) const { return bounds_of(table) != nullptr; }
  /// The partition that holds the last keys of a table with bounds.
  PartitionNumber last_of(TableId table) const {
    return static_cast<PartitionNumber>(bounds_of(table)->size());
  }

 private:
  using Bounds = std::vector<std::string>;

  const Bounds* bounds_of(TableId table) const {
    // acquire: pairs with split()
    return table < ranges_.size() ? ranges_[table].load(std::memory_order_acquire) : nullptr;
  }

  const PartitionNumber count_;
  std::array<std::atomic<const Bounds*>, BufferManager::kMaxTables> ranges_{};
  std::mutex mutex_;
  std::vector<std::unique_ptr<const Bounds>> owned_;
};

/// The partitions that a transaction names. Not thread-safe.
class PartitionSet {
 public:
  explicit PartitionSet(const PartitionMap& map) : map_(map), words_((map.count() + kBits - 1) / kBits) {}

  void clear() { std::ranges::fill(words_, 0); }
  /// Throws ConfigError where there is no such partition.
  void add(PartitionNumber partition) {
    if (partition >= map_.count()) {
      throw ConfigError("partition", std::to_string(partition),
                        "want 0 to " + std::to_string(map_.count() - 1) + " (engine.partitions)");
    }
    words_[partition / kBits] |= std::uint64_t{1} << partition % kBits;
  }
  /// Adds the key's partition.
  void add(TableId table, Bytes key) { add(map_.of(table, key)); }
  void add_all() {
    for (PartitionNumber i = 0; i < map_.count(); ++i) add(i);
  }

  const PartitionMap& map() const { return map_; }
  bool has(PartitionNumber partition) const {
    return (words_[partition / kBits] >> partition % kBits & 1) != 0;
  }
  /// Visits the partitions in rising order.
  template <class Visit>
  void for_each(Visit visit) const {
    for (PartitionNumber word = 0; word < words_.size(); ++word) {
      for (std::uint64_t rest = words_[word]; rest != 0; rest &= rest - 1) {
        visit(word * kBits + static_cast<PartitionNumber>(std::countr_zero(rest)));
      }
    }
  }

 private:
  static constexpr PartitionNumber kBits = 64;

  const PartitionMap& map_;
  std::vector<std::uint64_t> words_;
};

/// What a partition's lock is called. No record is in table 0.
inline LockName partition_name(PartitionNumber partition) {
  return lock_name(0, std::as_bytes(std::span(&partition, 1)));
}

}  // namespace muster
