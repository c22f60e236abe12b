#pragma once

#include <atomic>
#include <cstdint>

#include "engine/histogram.h"

namespace muster {

/// What the log has done since it was opened. The difference of two is what it did between them.
struct LogStatistics {
  std::uint64_t bytes = 0;   ///< written to the device
  std::uint64_t writes = 0;  ///< calls of LogDevice::write
  std::uint64_t syncs = 0;
  std::uint64_t commits = 0;      ///< acknowledged as durable (durable, group, pipelined)
  HistogramSnapshot flush_bytes;  ///< of each write
  HistogramSnapshot
      boundary_lag;  ///< reserved minus boundary, bytes, each time that the boundary was looked for

  friend LogStatistics operator-(LogStatistics later, const LogStatistics& earlier) {
    later.bytes -= earlier.bytes;
    later.writes -= earlier.writes;
    later.syncs -= earlier.syncs;
    later.commits -= earlier.commits;
    later.flush_bytes -= earlier.flush_bytes;
    later.boundary_lag -= earlier.boundary_lag;
    return later;
  }
};

/// A count that one thread at a time raises and any thread reads.
class Counter {
 public:
  void add(std::uint64_t n) { value_.store(get() + n, std::memory_order_relaxed); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace muster
