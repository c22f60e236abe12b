#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "engine/error.h"
#include "engine/index/btree.h"

namespace muster {

/// The open tables by their ids. Looked up without a lock; never closed before the end.
class Tables {
 public:
  void add(TableId id, std::unique_ptr<BTree> tree) {
    const std::lock_guard guard(mutex_);
    trees_[id].store(tree.get(), std::memory_order_release);  // pairs with find()
    owned_[id] = std::move(tree);
  }
  /// Null where there is no such table.
  BTree* find(TableId id) const {
    return id < trees_.size() ? trees_[id].load(std::memory_order_acquire) : nullptr;  // pairs with add()
  }
  BTree& get(TableId id) const {
    if (BTree* tree = find(id)) return *tree;
    throw ConfigError("table", std::to_string(id), "want one that was created");
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (TableId id = 0; id < trees_.size(); ++id) {
      if (BTree* tree = find(id)) visit(id, *tree);
    }
  }

 private:
  std::mutex mutex_;
  std::array<std::unique_ptr<BTree>, BufferManager::kMaxTables> owned_;
  std::array<std::atomic<BTree*>, BufferManager::kMaxTables> trees_{};
};

}  // namespace muster
