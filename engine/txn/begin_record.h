#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "algorithms/log_buffer.h"

namespace muster {

/// When a transaction's begin is logged, and so what one costs that changes nothing.
enum class BeginRecord : std::uint8_t {
  lazy,   ///< with its first change: a transaction that changes nothing logs nothing
  eager,  ///< when it begins, and its end as well
  elided,  ///< when it begins; where it changed nothing the begin is taken back if it is still in the log buffer,
           ///< else its end is logged, too. As the course report has it
};

/// Of transactions that changed nothing, with BeginRecord::eager and elided.
struct BeginStatistics {
  std::uint64_t retracted = 0;  ///< their begin was taken back
  std::uint64_t kept = 0;       ///< their begin stayed, and their end was logged
};

/// A worker's own counts; any thread may read.
/// Relaxed: numbers that publish nothing.
class BeginCounters {
 public:
  explicit BeginCounters(std::uint32_t workers)
      : counts_(std::make_unique<Counts[]>(workers)), workers_(workers) {}

  void count(WorkerId worker, bool was_retracted) {
    std::atomic<std::uint64_t>& count = was_retracted ? counts_[worker].retracted : counts_[worker].kept;
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  BeginStatistics statistics() const {
    BeginStatistics sum;
    for (std::uint32_t i = 0; i < workers_; ++i) {
      sum.retracted += counts_[i].retracted.load(std::memory_order_relaxed);
      sum.kept += counts_[i].kept.load(std::memory_order_relaxed);
    }
    return sum;
  }

 private:
  struct alignas(kCacheLine) Counts {
    std::atomic<std::uint64_t> retracted{0}, kept{0};
  };
  std::unique_ptr<Counts[]> counts_;
  const std::uint32_t workers_;
};

}  // namespace muster
