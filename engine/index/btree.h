#pragma once

#include <functional>
#include <vector>

#include "engine/index/change_log.h"
#include "engine/storage/buffer_manager.h"
#include "engine/types.h"

namespace muster {

/// API only for now: find, insert, update, remove, scan over byte strings, by optimistic lock coupling.
/// Isolation between transactions is not its business: callers hold record locks.
class BTree {
 public:
  static constexpr std::size_t kMaxKeyBytes = 512;
  static constexpr std::size_t kMaxValueBytes = 1024;

  /// Formats an empty tree in a new table.
  static void create(BufferManager& buffers, TableId table, ChangeLog& log);

  BTree(BufferManager& buffers, TableId table);

  Status find(Bytes key, std::vector<std::byte>& value) const;
  Status insert(Bytes key, Bytes value, ChangeLog& log);
  Status update(Bytes key, Bytes value, ChangeLog& log);
  Status remove(Bytes key, ChangeLog& log);

  /// Visits records with key >= from in order until `visit` returns false. Each record was there, whole, at
  /// some moment during the call. `visit` runs without any latch held and may call the tree.
  void scan(Bytes from, const std::function<bool(Bytes key, Bytes value)>& visit) const;
};

}  // namespace muster
