#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/lsm/block.h"

namespace muster::lsm {

/// More bits a key bring next to nothing in the lines of 512 bits that a filter is made of.
inline constexpr std::uint32_t kBloomBitsMax = 24;

/// Collects the keys of a table file and makes their filter. One thread at a time.
class BloomFilterBuilder {
 public:
  /// `bits_per_key`: 1 to kBloomBitsMax, or 0 for no filter; else std::invalid_argument.
  explicit BloomFilterBuilder(std::uint32_t bits_per_key);
  /// A key that equals the one before counts once.
  void add(Bytes key);
  /// The filter's bytes; none with 0 bits a key or without keys.
  std::vector<std::byte> finish() const;

 private:
  const std::uint32_t bits_per_key_;
  std::vector<std::uint64_t> hashes_;
};

/// Says of most absent keys that they are absent, and of every key that was added that it may be there. A blocked filter:
/// all bits of a key lie in one cache line, so that a question costs one miss. Of absent keys it takes for present about
///   bits a key     4      6     8      10     12      16
///   of 100        16    6.5   2.7     1.2    0.6     0.2
/// A filter of no bytes takes every key for present. Immutable: any number of threads.
/// Source: Putze, Sanders, Singler, "Cache-, hash- and space-efficient Bloom filters", WEA 2007; XXH3 hashes the key.
class BloomFilter {
 public:
  BloomFilter() = default;
  /// Throws DamageError where the bytes are not those of a filter.
  explicit BloomFilter(Bytes bytes);

  bool may_contain(Bytes key) const;
  std::size_t bytes() const { return lines_.size() * sizeof(Line); }

 private:
  struct alignas(64) Line {
    std::array<std::uint64_t, 8> words;
  };

  std::vector<Line> lines_;
  std::uint32_t probes_ = 0;
};

}  // namespace muster::lsm
