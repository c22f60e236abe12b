#pragma once

#include <string>
#include <type_traits>

#include "algorithms/parts/adaptive_counter.h"
#include "algorithms/parts/aggregating_counter.h"
#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/type_list.h"

namespace muster {

/// The counter in an algorithm's type, which has it as its second argument if every record adds to one, and the algorithm
/// with each counter that it may have, in the order of CounterKind.
template <class A>
struct CounterOf {
  static_assert(!A::info.takes_counter);
  static constexpr CounterKind kKind = CounterKind::hardware;
  using Each = TypeList<A>;
};
template <template <class, template <class> class> class A, class P, template <class> class Counter>
requires std::is_same_v<decltype(Counter<P>::kKind), const CounterKind>
struct CounterOf<A<P, Counter>> {
  static_assert(A<P, Counter>::info.takes_counter);
  static constexpr CounterKind kKind = Counter<P>::kKind;
  using Each = TypeList<A<P, HardwareCounter>, A<P, AggregatingCounter>, A<P, AdaptiveCounter>>;
};

[[noreturn]] void throw_unfit_counter(const AlgorithmInfo& info, CounterKind counter);

/// Calls `f(std::type_identity<B>{})` for B, the algorithm A with that counter. Throws std::invalid_argument for a counter
/// that A may not have.
template <class A, class F>
void with_counter(CounterKind counter, F&& f) {
  if (!may_have(A::info, counter)) throw_unfit_counter(A::info, counter);
  for_each_type(typename CounterOf<A>::Each{}, [&](auto type) {
    if (CounterOf<typename decltype(type)::type>::kKind == counter) f(type);
  });
}

}  // namespace muster
