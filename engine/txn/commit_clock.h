#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "algorithms/parts/backoff.h"

namespace muster {

/// The order of commits, for transactions that write versions. From 1; 0 is before all of them.
using Timestamp = std::uint64_t;

/// Hands out commit timestamps, and says up to which timestamp readers may see all commits.
///
/// Protocol    commit  ts = take(); stamp what was written; finish(ts), which returns once visible() >= ts
///             read    s = visible(); the reader sees what is stamped s or below
/// Progress    take and visible are wait-free. finish waits for committers that have taken a smaller timestamp and are
///             still stamping. A committer that stamps waits for nothing.
/// Invariants  Timestamps in (visible_, next_] are taken and not yet visible. A thread has one of them at most, so there
///             are never more of them than threads. A committer reuses a slot of the ring only once its number is visible.
/// Ordering    [slot]    released by the committer that has stamped, acquired by the committer that moves `visible_` over it.
///             [visible] moved by read-modify-writes only, which acquire and release. A reader that reads s sees what all
///                       commits up to s have stamped, and what any thread did before a pass() that returned less than s.
///             next_     relaxed: it hands out numbers and publishes nothing.
/// Source      MySQL 8, link_buf (ut0link_buf.h), which finds the end of a prefix likewise.
class CommitClock {
 public:
  /// `threads`: how many may commit at a time.
  explicit CommitClock(std::uint32_t threads)
      : mask_(std::bit_ceil(2 * std::uint64_t{threads}) - 1),
        slots_(std::make_unique<std::atomic<Timestamp>[]>(mask_ + 1)) {}

  Timestamp take() { return next_.fetch_add(1, std::memory_order_relaxed) + 1; }

  void finish(Timestamp mine) {
    slots_[mine & mask_].store(mine, std::memory_order_release);  // [slot]
    advance();                                                    // most often that is all: no pause
    for (Backoff backoff; visible() < mine; backoff.pause()) advance();
  }

  Timestamp visible() const { return visible_.load(std::memory_order_acquire); }  // [visible]

  /// As visible(). A reader that later reads a larger number sees what the caller has done before.
  Timestamp pass() { return visible_.fetch_add(0, std::memory_order_acq_rel); }  // [visible]

 private:
  /// Moves `visible_` over all timestamps that are finished behind it. Waiting committers all try; one that loses looks again.
  void advance() {
    Timestamp from = visible_.load(std::memory_order_acquire);  // [visible]
    Timestamp to = from;
    while (slots_[(to + 1) & mask_].load(std::memory_order_acquire) == to + 1) ++to;  // [slot]
    if (to == from) return;
    // [visible] relaxed where it fails: nothing is done with what it found.
    visible_.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  const std::uint64_t mask_;
  const std::unique_ptr<std::atomic<Timestamp>[]> slots_;  // zero at first: no commit has the number 0
  alignas(kCacheLine) std::atomic<Timestamp> next_{0};     // written by every committer
  alignas(kCacheLine) std::atomic<Timestamp> visible_{0};  // written by committers in turn, read by all
};

}  // namespace muster
