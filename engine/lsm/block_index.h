#pragma once

#include <cstdint>
#include <vector>

#include "engine/lsm/entry.h"

namespace muster::lsm {

/// A frame's bytes in its file.
struct Section {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< with the trailer

  std::uint64_t end() const { return offset + bytes; }
};

/// The data blocks of a table file by their last keys, in memory. A search compares words: eight bytes of each key behind
/// what all of them begin with. Only where those are equal it looks at whole keys. Immutable once sealed: any number of threads.
class BlockIndex {
 public:
  /// The next block; last keys do not fall.
  void add(Bytes last_key, Section block);
  /// After the last add() and before any search.
  void seal();

  std::size_t size() const { return blocks_.size(); }
  Section block(std::size_t index) const { return blocks_[index]; }
  Bytes last_key(std::size_t index) const;
  /// The number of the block that may hold `key`: the first with a last key not below it. size(): no block may.
  std::size_t find(Bytes key) const;

 private:
  std::vector<std::uint64_t> words_;
  std::vector<Section> blocks_;
  std::vector<std::byte> keys_;
  std::vector<std::size_t> key_ends_;
  std::size_t common_ = 0;  // bytes that all keys begin with
};

}  // namespace muster::lsm
