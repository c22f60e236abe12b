#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "engine/error.h"
#include "engine/index/table.h"
#include "engine/storage/buffer_manager.h"

namespace muster {

/// The open tables by their ids. Looked up without a lock; never closed before the end.
class Tables {
 public:
  void add(TableId id, std::unique_ptr<Table> table) {
    const std::lock_guard guard(mutex_);
    tables_[id].store(table.get(), std::memory_order_release);  // pairs with find()
    owned_[id] = std::move(table);
  }
  /// Null where there is no such table.
  Table* find(TableId id) const {
    return id < tables_.size() ? tables_[id].load(std::memory_order_acquire) : nullptr;  // pairs with add()
  }
  Table& get(TableId id) const {
    if (Table* table = find(id)) return *table;
    throw ConfigError("table", std::to_string(id), "want one that was created");
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (TableId id = 0; id < tables_.size(); ++id) {
      if (Table* table = find(id)) visit(id, *table);
    }
  }

 private:
  std::mutex mutex_;
  std::array<std::unique_ptr<Table>, BufferManager::kMaxTables> owned_;
  std::array<std::atomic<Table*>, BufferManager::kMaxTables> tables_{};
};

}  // namespace muster
