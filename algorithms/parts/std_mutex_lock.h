#pragma once

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster {

/// The system's mutex, which spins for a moment and then sleeps: what the platform has as a Mutex.
///
/// Hands on  no: the thread that has taken it has to release it.
template <class Platform>
class StdMutexLock {
 public:
  static constexpr LockKind kKind = LockKind::std_mutex;
  static constexpr Progress kUnlock = Progress::wait_free;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  typename Platform::Mutex mutex_;
};

}  // namespace muster
