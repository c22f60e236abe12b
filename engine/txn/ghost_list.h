#pragma once

#include <algorithm>
#include <vector>

#include "engine/types.h"

namespace muster {

/// Records of which a session has left ghosts, or met them, and that it is to take away once they may go. Memory is
/// used again. Not thread-safe.
class GhostList {
 public:
  void add(TableId table, Bytes key) {
    items_.push_back({table, bytes_.size(), key.size()});
    bytes_.insert(bytes_.end(), key.begin(), key.end());
  }
  std::size_t size() const { return items_.size(); }
  /// Whether a look at all of them is due: there are twice as many as the last look has left, so that it costs a ghost
  /// a constant time however long some of them have to stay.
  bool is_due() const { return items_.size() > 2 * left_; }

  /// Keeps those for which `is_done(table, key)` is false.
  template <class IsDone>
  void look(IsDone is_done) {
    std::size_t kept = 0, end = 0;
    for (const Item item : items_) {
      if (is_done(item.table, Bytes(bytes_).subspan(item.begin, item.size))) continue;
      std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(item.begin), item.size,
                  bytes_.begin() + static_cast<std::ptrdiff_t>(end));
      items_[kept++] = {item.table, end, item.size};
      end += item.size;
    }
    items_.resize(kept);
    bytes_.resize(end);
    left_ = kept;
  }
  void clear() {
    items_.clear();
    bytes_.clear();
    left_ = 0;
  }

 private:
  struct Item {
    TableId table = 0;
    std::size_t begin = 0;  ///< of the key in bytes_
    std::size_t size = 0;
  };

  std::vector<Item> items_;
  std::vector<std::byte> bytes_;
  std::size_t left_ = 0;
};

}  // namespace muster
