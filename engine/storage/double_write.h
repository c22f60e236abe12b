#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/io/file.h"
#include "engine/types.h"

namespace muster {

/// Copies of pages on their way to their files, sealed, and before them a block that says whose they are.
class WriteBatch {
 public:
  static constexpr std::size_t kPagesMax = 256;

  explicit WriteBatch(std::size_t pages_max);

  /// Where the next copy goes; add() counts it in.
  std::byte* room() { return block(size_ + 1); }
  void add(TableId table, PageNumber page);

  std::size_t size() const { return size_; }
  Bytes copy(std::size_t index) const { return {block(index + 1), kPageBytes}; }
  Lsn lsn() const { return lsn_; }  ///< the newest page's
  /// The block and the copies, as the area holds them.
  Bytes bytes();

 private:
  std::byte* block(std::size_t index) const {
    return reinterpret_cast<std::byte*>(words_.get()) + index * kPageBytes;
  }

  std::unique_ptr<std::uint64_t[]> words_;
  std::size_t size_ = 0;
  Lsn lsn_ = 0;
};

/// A file in which a page is durable before it is written to its place, so that one that a power loss tears
/// there can be restored (InnoDB's doublewrite buffer). Written as a ring.
///
/// Invariant   A page in a table's file that is not known to be durable has its newest copy in the area. So the
///             ring starts anew only when the tables have been synced, and what is overwritten is always
///             older than what is kept.
/// Errors      Thrown to who writes back. After a failed sync every later call fails: nobody knows which copies the
///             disk has.
class DoubleWrite {
 public:
  static constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;

  /// `file` is empty. `sync_tables` returns when all that was written to the tables' files is durable.
  DoubleWrite(File file, std::function<void()> sync_tables, std::uint64_t bytes = kBytes)
      : file_(std::move(file)), sync_tables_(std::move(sync_tables)), bytes_(bytes) {}

  /// Makes the copies durable here. The caller then writes them to their places and holds the lock until it has;
  /// it waits for no latch meanwhile, since holders of latches wait for this lock.
  [[nodiscard]] std::unique_lock<std::mutex> keep(WriteBatch& batch);
  /// In all. Any thread.
  std::uint64_t bytes_written() const { return bytes_written_.load(std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  File file_;
  const std::function<void()> sync_tables_;
  const std::uint64_t bytes_;
  std::uint64_t position_ = 0;  // under mutex_, as is what follows
  bool failed_ = false;
  std::atomic<std::uint64_t> bytes_written_{0};  // relaxed: a count
};

/// At opening, while nobody uses the files: puts the newest copy of each page that is torn in its table's file
/// there, and makes the files durable. After that the area may be emptied. Returns how many it restored.
std::size_t restore_torn_pages(const File& area, std::map<TableId, File>& tables);

}  // namespace muster
