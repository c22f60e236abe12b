#pragma once

#include "algorithms/parts/counters.h"
#include "algorithms/parts/locks.h"

namespace muster {

template <class A>
constexpr auto with_each_policy() {
  if constexpr (A::info.takes_counter) {
    return typename CounterOf<A>::Each{};
  } else {
    return WithEachLock<A>{};
  }
}
/// The algorithm A with each lock or counter that it may have; no algorithm has both.
template <class A>
using WithEachPolicy = decltype(with_each_policy<A>());

/// "mutex", "mutex:mcs", "eleda:adaptive": with the lock or counter where it is not the default.
template <class A>
std::string name_with_policy() {
  constexpr CounterKind kCounter = CounterOf<A>::kKind;
  if (kCounter == LogBufferOptions{}.counter) return name_with_lock<A>();
  return std::string(A::info.name).append(":").append(to_string(kCounter));
}

/// Calls `f(std::type_identity<B>{})` for B, the algorithm A with the lock or counter of the options, if it has one. Throws
/// std::invalid_argument for one that A may not have.
template <class A, class F>
void with_policy(const LogBufferOptions& options, F&& f) {
  if constexpr (A::info.takes_counter) {
    with_counter<A>(options.counter, f);
  } else {
    if (!may_have(A::info, options.counter)) throw_unfit_counter(A::info, options.counter);
    with_lock<A>(options.lock, f);
  }
}

}  // namespace muster
