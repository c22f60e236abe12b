#pragma once

#include <atomic>
#include <cstdint>

namespace muster::lsm {

/// Bytes of table files that a tree has read and written, by cause, since it was opened. Any number of threads.
struct Traffic {
  // Relaxed: counts, which publish nothing.
  std::atomic<std::uint64_t> flush_written{0};
  std::atomic<std::uint64_t> compaction_read{0};
  std::atomic<std::uint64_t> compaction_written{0};  ///< also what was thrown away
  std::atomic<std::uint64_t> moved{0};               ///< went to another level as they were
  std::atomic<std::uint64_t> compactions{0};         ///< that were installed; moves are not counted

  /// Bytes written for a byte flushed; 0 before the first flush.
  double write_amplification() const {
    const auto flushed = static_cast<double>(flush_written.load(std::memory_order_relaxed));
    const auto compacted = static_cast<double>(compaction_written.load(std::memory_order_relaxed));
    return flushed == 0 ? 0 : (flushed + compacted) / flushed;
  }
};

}  // namespace muster::lsm
