#pragma once

#include <atomic>

#include "algorithms/parts/backoff.h"

namespace muster {

/// Guards a few memory accesses, never a wait. For std::lock_guard.
class SpinLatch {
 public:
  void lock() {
    // acquire: pairs with unlock(), so that what the last owner wrote is seen.
    for (Backoff backoff; taken_.exchange(true, std::memory_order_acquire);) {
      // relaxed: looking only, until the exchange has a chance.
      do backoff.pause();
      while (taken_.load(std::memory_order_relaxed));
    }
  }
  void unlock() { taken_.store(false, std::memory_order_release); }  // release: pairs with lock()

 private:
  std::atomic<bool> taken_{false};
};

}  // namespace muster
