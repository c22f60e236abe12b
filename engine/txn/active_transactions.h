#pragma once

#include <algorithm>
#include <atomic>
#include <memory>

#include "algorithms/log_buffer.h"
#include "engine/types.h"

namespace muster {

/// Where the records of running transactions begin, so that a checkpoint knows what restart may have to undo: the
/// transaction table of ARIES, as far as a checkpoint needs it. A slot a worker.
///
/// Ordering  [slot] Its worker stores a lower bound before the transaction's first record is appended, and a
///                  sequentially consistent fence stands between the two. A checkpoint reads the log's end, then stands
///                  at a fence of its own, then reads the slots. So a record that lies below the end that was read has a
///                  slot that is seen, whatever order the log buffer's own tail has.
///           [ended] Released by its worker once the last record is appended, acquired by the checkpoint: the log's end that
///                  is read afterwards lies above that record.
/// Progress  all wait-free; oldest() reads each slot once.
class ActiveTransactions {
 public:
  static constexpr Lsn kNone = ~Lsn{0};

  explicit ActiveTransactions(std::uint32_t workers)
      : slots_(std::make_unique<Slot[]>(workers)), workers_(workers) {}

  /// Before the first record is appended: it will lie at or above `bound`, such as the durable LSN. The log's end would be
  /// closer, but every append moves it, and a reader fetches its line once more.
  void begins(WorkerId worker, Lsn bound) {
    slots_[worker].first.store(bound, std::memory_order_relaxed);  // the fence orders it: [slot]
    std::atomic_thread_fence(std::memory_order_seq_cst);           // [slot] pairs with the one in oldest()
  }
  /// Once the last record is appended.
  void ended(WorkerId worker) { slots_[worker].first.store(kNone, std::memory_order_release); }  // [ended]

  /// At or below the first record of every transaction that was running when the log ended where the caller has just
  /// read; kNone where there is none.
  Lsn oldest() const {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // [slot] pairs with the one in begins()
    Lsn found = kNone;
    for (std::uint32_t i = 0; i < workers_; ++i) {
      found = std::min(found, slots_[i].first.load(std::memory_order_acquire));  // [ended]
    }
    return found;
  }

 private:
  struct alignas(kCacheLine) Slot {
    std::atomic<Lsn> first{kNone};
  };
  std::unique_ptr<Slot[]> slots_;
  const std::uint32_t workers_;
};

}  // namespace muster
