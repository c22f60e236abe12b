#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "algorithms/log_buffer.h"
#include "algorithms/parts/backoff.h"

namespace muster {

/// Records that their workers take back while the log buffer still has them: the drainer makes skipped ones of them
/// before it writes them.
///
/// A published record belongs to the drainer, which may be writing it this moment, so that a worker must not touch it
/// any more: half of its new type on the disk would be the log's end. Hence the worker only asks, in a queue of its
/// own, and the drainer, which alone reads the bytes between recycled and boundary, changes them.
///
/// Protocol   worker: push the record, then look at handed_: above the record's begin it may be too late.
///            Drainer, between advance and write: store handed_, then empty every queue of what lies below it.
/// Ordering   [hand] tail and handed_ are sequentially consistent on both sides (Dekker): a worker that is told "taken
///                   back" read handed_ before the drainer's store, so that the drainer sees its entry. Both may
///                   see each other: then the record is skipped although its worker was told that it is not, and
///                   what the worker logs instead stands alone, which restart must bear.
///            [queue] an entry is released by tail and acquired by the drainer; head the other way round.
/// Progress   take_back and apply are wait-free; apply reads each queue's tail once.
/// Source     the course report's BEGIN_REDUNDANT, which a transaction sets in the log buffer under the log's latch.
class Retractions {
 public:
  explicit Retractions(std::uint32_t max_workers)
      : workers_(std::make_unique<Queue[]>(max_workers)), max_workers_(max_workers) {}

  /// By the worker whose record begins at `begin` and lies at `place` of the ring. False: it is, or may be, on its
  /// way to the device, or too many wait. A worker's LSNs rise from call to call.
  bool take_back(WorkerId worker, Lsn begin, std::byte* place) {
    Queue& queue = workers_[worker];
    const std::uint64_t tail = queue.tail.load(std::memory_order_relaxed);           // this worker's own
    if (tail - queue.head.load(std::memory_order_acquire) == kQueued) return false;  // [queue]
    queue.entries[tail % kQueued] = {begin, place};
    queue.tail.store(tail + 1, std::memory_order_seq_cst);    // [hand], [queue]
    return handed_.load(std::memory_order_seq_cst) <= begin;  // [hand]
  }

  /// By the drainer, which is about to write [begin, end): calls retype(record's begin, place) for each record in it.
  template <class Retype>
  void apply(Lsn begin, Lsn end, Retype retype) {
    handed_.store(end, std::memory_order_seq_cst);  // [hand]
    for (std::uint32_t i = 0; i < max_workers_; ++i) {
      Queue& queue = workers_[i];
      const std::uint64_t tail = queue.tail.load(std::memory_order_seq_cst);  // [hand], [queue]
      std::uint64_t head = queue.head.load(std::memory_order_relaxed);        // the drainer's own
      for (; head != tail; ++head) {
        const Entry& entry = queue.entries[head % kQueued];
        if (entry.begin >= end) break;
        if (entry.begin >= begin)
          retype(entry.begin, entry.place);  // else it was too late: another record has its place
      }
      queue.head.store(head, std::memory_order_release);  // [queue]
    }
  }

 private:
  /// More than a worker begins between two flushes, which are some 10 ms apart at most.
  static constexpr std::size_t kQueued = 8192;
  struct Entry {
    Lsn begin = 0;
    std::byte* place = nullptr;
  };
  struct alignas(kCacheLine) Queue {
    std::unique_ptr<Entry[]> entries = std::make_unique<Entry[]>(kQueued);
    alignas(kCacheLine) std::atomic<std::uint64_t> tail{0};  // the worker's
    alignas(kCacheLine) std::atomic<std::uint64_t> head{0};  // the drainer's
  };

  std::unique_ptr<Queue[]> workers_;
  const std::uint32_t max_workers_;
  alignas(kCacheLine) std::atomic<Lsn> handed_{0};  // no record below can be taken back any more
};

}  // namespace muster
