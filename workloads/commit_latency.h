#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "algorithms/parts/backoff.h"
#include "engine/histogram.h"
#include "workloads/ticks.h"

namespace muster {

/// Times one worker's commits up to the acknowledgement, in ticks, for a session whose commits may be acknowledged later
/// and by another thread: from the begin of Session::commit(), or from when the transaction was due.
///
/// Ordering  [slot] a slot is taken by the worker, which stores the time, and given back by the acknowledging thread,
///                  with a release that the worker acquires when it comes round to that slot again.
///           The worker's histogram is written by its thread, the others by the log's drainer, which is
///           one thread at a time.
class CommitLatency {
 public:
  CommitLatency() {
    for (std::uint32_t i = 0; i < kSlots; ++i) slots_[i].owner = this;
  }
  CommitLatency(const CommitLatency&) = delete;
  CommitLatency& operator=(const CommitLatency&) = delete;

  /// Calls `commit(acknowledge, context)` and returns its result. Where that is true, snapshot() times the commit from `due` on
  /// and service() from `begun` on. `due` = 0 stands for now; `begun` = 0: service() leaves the commit out. `give_up()` says
  /// that no acknowledgement will come any more; the commit is then made untimed.
  template <class Commit, class GiveUp>
  bool timed(std::uint64_t due, std::uint64_t begun, Commit&& commit, GiveUp&& give_up) {
    Slot& slot = slots_[next_++ % kSlots];
    for (Backoff backoff; slot.begin.load(std::memory_order_acquire) != 0; backoff.pause()) {  // [slot]
      if (give_up()) return commit(nullptr, nullptr);
    }
    committing() = this;
    slot.begun = begun;
    slot.begin.store(due != 0 ? due : Ticks::now(),
                     std::memory_order_relaxed);  // both handed on with the commit
    const bool committed = commit(&acknowledged, &slot);
    committing() = nullptr;
    if (!committed) slot.begin.store(0, std::memory_order_relaxed);  // [slot] relaxed: the log never got it
    return committed;
  }

  /// Whole once everything has been acknowledged.
  HistogramSnapshot snapshot() const {
    return by_worker_.latency.snapshot() += by_others_.latency.snapshot();
  }
  HistogramSnapshot service() const { return by_worker_.service.snapshot() += by_others_.service.snapshot(); }

 private:
  /// More than the log lets a worker have on the way, so that a slot is free when its turn comes.
  static constexpr std::uint32_t kSlots = 2048;

  struct Slot {
    std::atomic<std::uint64_t> begin{0};  // [slot] ticks; 0: free
    std::uint64_t begun = 0;              // [slot] ticks; 0: not asked for
    CommitLatency* owner = nullptr;
  };

  struct Histograms {
    Histogram latency;
    Histogram service;
  };

  /// What this thread is committing.
  static CommitLatency*& committing() {
    thread_local CommitLatency* latency = nullptr;
    return latency;
  }

  static void acknowledged(void* context) noexcept {
    Slot& slot = *static_cast<Slot*>(context);
    const std::uint64_t begin = slot.begin.load(std::memory_order_relaxed);
    const std::uint64_t now = Ticks::now();
    const auto since = [now](std::uint64_t then) {
      return std::max(now, then) - then;
    };  // read without a fence
    CommitLatency& owner = *slot.owner;
    Histograms& histograms = committing() == &owner ? owner.by_worker_ : owner.by_others_;
    histograms.latency.record(since(begin));
    if (slot.begun != 0) histograms.service.record(since(slot.begun));
    slot.begin.store(0, std::memory_order_release);  // [slot]
  }

  std::unique_ptr<Slot[]> slots_ = std::make_unique<Slot[]>(kSlots);
  std::uint64_t next_ = 0;
  Histograms by_worker_;
  alignas(kCacheLine) Histograms by_others_;
};

}  // namespace muster
