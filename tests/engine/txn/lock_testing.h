#pragma once

#include <atomic>
#include <thread>

#include "engine/txn/lock_manager.h"

namespace muster {

inline void await_waiting(const LockHolder& holder) {
  for (Backoff backoff; !holder.waits(); backoff.pause()) {}
}

/// A request made by a thread of its own, since it may have to wait.
class Asking {
 public:
  Asking(LockManager& locks, LockHolder& holder, LockName name, LockMode mode)
      : thread_([&locks, &holder, name, mode, this] {
          granted_.store(locks.acquire(holder, name, mode));
          done_.store(true);
        }) {}
  bool granted() {
    thread_.join();
    return granted_.load();
  }
  bool done() const { return done_.load(); }

 private:
  std::atomic<bool> granted_{false};
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace muster
