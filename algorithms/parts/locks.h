#pragma once

#include <string>
#include <type_traits>

#include "algorithms/parts/mcs_lock.h"
#include "algorithms/parts/std_mutex_lock.h"
#include "algorithms/parts/ticket_lock.h"
#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/type_list.h"

namespace muster {

/// The lock in an algorithm's type, which has it as its second argument if it takes one.
template <class A>
struct LockOf {
  static_assert(A::info.lock_use == LockUse::none);
  static constexpr LockKind kKind = LogBufferOptions{}.lock;
};
template <template <class, template <class> class> class A, class P, template <class> class Lock>
requires std::is_same_v<decltype(Lock<P>::kKind), const LockKind>
struct LockOf<A<P, Lock>> {
  static_assert(A<P, Lock>::info.lock_use != LockUse::none);
  static constexpr LockKind kKind = Lock<P>::kKind;
  using HandedOn = TypeList<A<P, TtasLock>, A<P, TicketLock>, A<P, McsLock>>;
  using ByTaker = TypeList<A<P, TtasLock>, A<P, TicketLock>, A<P, McsLock>, A<P, StdMutexLock>>;
};

template <class A>
constexpr auto with_each_lock() {
  if constexpr (A::info.lock_use == LockUse::none) {
    return TypeList<A>{};
  } else if constexpr (A::info.lock_use == LockUse::handed_on) {
    return typename LockOf<A>::HandedOn{};
  } else {
    return typename LockOf<A>::ByTaker{};
  }
}
/// The algorithm A with each lock that it may have, in the order of LockKind; A alone where it takes none.
template <class A>
using WithEachLock = decltype(with_each_lock<A>());

/// "mutex", or "mutex:mcs" where the lock is not the default.
template <class A>
std::string name_with_lock() {
  constexpr LockKind kLock = LockOf<A>::kKind;
  std::string name(A::info.name);
  return kLock == LogBufferOptions{}.lock ? name : name.append(":").append(to_string(kLock));
}

[[noreturn]] void throw_unfit_lock(const AlgorithmInfo& info, LockKind lock);

/// Calls `f(std::type_identity<B>{})` for B, the algorithm A with that lock, if it takes one. Throws
/// std::invalid_argument for a lock that A may not have.
template <class A, class F>
void with_lock(LockKind lock, F&& f) {
  if (!may_have(A::info, lock)) throw_unfit_lock(A::info, lock);
  for_each_type(WithEachLock<A>{}, [&](auto type) {
    using B = typename decltype(type)::type;
    if (A::info.lock_use == LockUse::none || LockOf<B>::kKind == lock) f(type);
  });
}

}  // namespace muster
