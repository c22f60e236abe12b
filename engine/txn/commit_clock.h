#pragma once

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "algorithms/backoff.h"

namespace muster {

/// The order of commits, for transactions that write versions. From 1; 0 is before all of them.
using Timestamp = std::uint64_t;

/// Hands out commit timestamps and says up to which one all commits may be seen.
///
/// Protocol    commit  ts = take(); stamp what was written; finish(ts), which returns once visible() >= ts
///             read    s = visible(); what is stamped s or below is what the reader sees
/// Progress    take and visible wait-free. finish waits for those that have taken a smaller timestamp and are still
///             stamping; who stamps waits for nothing.
/// Invariants  Timestamps in (visible_, next_] are taken and not finished. A thread has one of them at most, so there are
///             never more than threads, and a slot of the ring is used again only once its number is visible.
/// Ordering    [slot]    released by the one that has stamped, acquired by whoever moves `visible_` over it.
///             [visible] moved by read-modify-writes only, which acquire and release: who reads s sees what all up to s have
///                       stamped, and what anybody did before a pass() that returned less than s.
///             next_     relaxed: it hands out numbers and publishes nothing.
/// Source      MySQL 8, link_buf (ut0link_buf.h), which finds the end of a prefix likewise.
class CommitClock {
 public:
  /// `threads`: that may commit at a time.
  explicit CommitClock(std::uint32_t threads)
      : mask_(std::bit_ceil(2 * std::uint64_t{threads}) - 1),
        slots_(std::make_unique<std::atomic<Timestamp>[]>(mask_ + 1)) {}

  Timestamp take() { return next_.fetch_add(1, std::memory_order_relaxed) + 1; }

  void finish(Timestamp mine) {
    slots_[mine & mask_].store(mine, std::memory_order_release);  // [slot]
    for (Backoff backoff; visible_.load(std::memory_order_acquire) < mine; backoff.pause()) advance();
  }

  Timestamp visible() const { return visible_.load(std::memory_order_acquire); }  // [visible]

  /// As visible(). Who later reads more than that sees what the caller has done before.
  Timestamp pass() { return visible_.fetch_add(0, std::memory_order_acq_rel); }  // [visible]

 private:
  /// Over all that have finished behind it. Those that wait do it together; the one that loses looks again.
  void advance() {
    Timestamp from = visible_.load(std::memory_order_acquire);  // [visible]
    Timestamp to = from;
    while (slots_[(to + 1) & mask_].load(std::memory_order_acquire) == to + 1) ++to;  // [slot]
    if (to == from) return;
    // [visible] relaxed where it fails: nothing is done with what it found.
    visible_.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

  const std::uint64_t mask_;
  const std::unique_ptr<std::atomic<Timestamp>[]> slots_;  // zero: the number 0 is nobody's
  alignas(kCacheLine) std::atomic<Timestamp> next_{0};     // written by every committer
  alignas(kCacheLine) std::atomic<Timestamp> visible_{0};  // written by committers in turn, read by all
};

}  // namespace muster
