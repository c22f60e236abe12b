#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "algorithms/log_buffer.h"
#include "engine/storage/buffer_manager.h"
#include "engine/types.h"

namespace muster {

/// Counts the transactions that may have locked gaps of a table, so that an insertion looks for its gap only while there are any.
///
/// Protocol   A transaction joins before it first locks a gap of the table, and leaves when its locks may go. An inserter
///            announces its key first, and then asks whether there are readers (engine/lsm/pending_insertions.h).
/// Ordering   [joined] Between the count and the reader's look at announcements lies a sequentially consistent fence, and
///                     between an announcement and the inserter's look at the count another one. So the inserter sees the
///                     count, or the reader sees the announcement and waits until the key is there.
///            [left]   Released by the reader once its commit record, if it has one, is in the log; acquired by an inserter that finds no
///                     reader. So the inserter's own records come behind it.
/// Progress   All calls are wait-free.
class GapReaders {
 public:
  void join(TableId table) {
    counts_[table].readers.fetch_add(1, std::memory_order_relaxed);  // [joined] the fence orders it
    std::atomic_thread_fence(
        std::memory_order_seq_cst);  // [joined] pairs with the one of PendingInsertions::Guard
  }
  void leave(TableId table) { counts_[table].readers.fetch_sub(1, std::memory_order_release); }  // [left]
  /// The caller's announcement lies before, with its fence.
  bool any(TableId table) const {
    return counts_[table].readers.load(std::memory_order_acquire) != 0;
  }  // [left]

 private:
  /// A line of its own for each table, so that scans of one do not disturb insertions into another.
  struct alignas(kCacheLine) Count {
    std::atomic<std::uint32_t> readers{0};
  };
  std::array<Count, BufferManager::kMaxTables> counts_{};
};

}  // namespace muster
