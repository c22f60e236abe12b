#pragma once

#include "algorithms/platform.h"

namespace muster::test {

/// What a thread would have waited for.
struct WouldWait {
  WaitFor what;
};

/// The native platform, but a wait that is not over at once throws WouldWait, so that one thread can play all parts
/// of a scene in which another would wait.
struct ImpatientPlatform : NativePlatform {
  template <class T, class Predicate>
  static void await(const Atomic<T>& atomic, Predicate predicate, std::memory_order order, WaitFor what) {
    if (!predicate(atomic.load(order))) throw WouldWait{what};
  }
};

/// Whether `act` would wait, and for what `what` says.
bool waits_for(WaitFor what, auto act) {
  try {
    act();
  } catch (const WouldWait& wait) {
    return wait.what == what;
  }
  return false;
}

}  // namespace muster::test
