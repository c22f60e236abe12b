#pragma once

#include <optional>

#include "engine/database.h"
#include "workloads/arrivals.h"
#include "workloads/commit_latency.h"
#include "workloads/workload.h"

namespace muster {

/// When one worker's transactions begin, and how long they take. Its worker alone calls the first part, while any thread
/// may ask for what has been measured.
class TimedTransactions {
 public:
  /// Before the worker starts: its loop is open.
  void paced_by(const Pacer& pacer) { pacer_.emplace(pacer); }

  /// Latency covers a transaction from its start on, whatever the loop.
  void time_from_start() { from_start_ = true; }

  /// Of an open loop: waits until the next transaction is due. False where the run was stopped before. A closed loop does
  /// not wait.
  bool wait_for_start(const RunControl& control, Phase phase) {
    if (!pacer_) {
      if (from_start_) start_.due = Ticks::now();
      return true;
    }
    start_ = pacer_->next(control);
    if (control.stopped()) return false;
    if (phase == Phase::measure) start_delay_.record(start_.delay);
    return true;
  }

  /// Commits; false as Session::commit(). While measuring, it times transactions that wrote; in an open loop, or after
  /// time_from_start(), it times all.
  bool commit(Session& session, bool wrote, const RunControl& control, Phase phase) {
    return finish(wrote, control, phase,
                  [&](auto acknowledge, void* context) { return session.commit(acknowledge, context); });
  }
  /// As commit(), but `end(acknowledge, context)` commits, such as a call that is the whole transaction.
  template <class End>
  bool finish(bool wrote, const RunControl& control, Phase phase, End end) {
    if (phase != Phase::measure || !(wrote || pacer_ || from_start_)) return end(nullptr, nullptr);
    return latency_.timed(start_.due, start_.begun, end, [&] { return control.stopped(); });
  }

  const CommitLatency& latency() const { return latency_; }
  const Histogram& start_delay() const { return start_delay_; }

 private:
  bool from_start_ = false;
  std::optional<Pacer> pacer_;  // of an open loop
  Pacer::Start start_;          // of an open loop's transaction
  Histogram start_delay_;
  CommitLatency latency_;
};

}  // namespace muster
