#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "engine/types.h"

namespace muster {

/// A thread that takes a checkpoint whenever the log has grown by so many bytes since the last one, or so much time
/// has passed and the log has grown at all.
///
/// Thread-safe. What the checkpoint throws is the checkpoint's business: it must not throw.
class Checkpointer {
 public:
  struct Interval {
    std::uint64_t bytes = 0;            ///< 0: whatever the log's growth
    std::chrono::milliseconds time{0};  ///< 0: whatever the time
  };

  /// `reserved` is the log's end; `checkpoint` is called in the thread.
  Checkpointer(Interval interval, std::function<Lsn()> reserved, std::function<void()> checkpoint);
  /// Waits for a checkpoint that is on its way.
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

 private:
  void run();
  bool is_due(std::chrono::steady_clock::time_point since) const;

  const Interval interval_;
  const std::function<Lsn()> reserved_;
  const std::function<void()> checkpoint_;
  Lsn last_;  // the log's end when the last checkpoint began, or at construction; the thread's own
  std::mutex mutex_;
  std::condition_variable stops_;
  bool stopped_ = false;  // under mutex_
  std::thread thread_;    // last: it uses the others
};

}  // namespace muster
