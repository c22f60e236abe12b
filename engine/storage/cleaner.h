#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace muster {

/// A thread that does its work whenever another thread has asked for it since the work last began.
///
/// Thread-safe. The work must not throw.
class Cleaner {
 public:
  explicit Cleaner(std::function<void()> work);
  /// Waits for work that has begun.
  ~Cleaner();
  Cleaner(const Cleaner&) = delete;
  Cleaner& operator=(const Cleaner&) = delete;

  /// Returns at once; one load while the thread has been asked already.
  void ask();

 private:
  void run();

  const std::function<void()> work_;
  std::atomic<bool> asked_{false};
  std::atomic<bool> stopped_{false};
  std::thread thread_;  // last: it uses the others
};

}  // namespace muster
