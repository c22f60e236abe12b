#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "algorithms/border_collie.h"
#include "algorithms/border_collie_naive.h"
#include "algorithms/bound.h"
#include "algorithms/consolidation.h"
#include "algorithms/consolidation_decoupled.h"
#include "algorithms/consolidation_delegated.h"
#include "algorithms/decoupled.h"
#include "algorithms/eleda.h"
#include "algorithms/ermia.h"
#include "algorithms/ermia_released.h"
#include "algorithms/fasterlog_epoch.h"
#include "algorithms/mutex.h"
#include "algorithms/mysql_link_buf.h"
#include "algorithms/null.h"
#include "algorithms/postgres_insert_locks.h"
#include "algorithms/wiredtiger_slots.h"

namespace muster {

template <class... Ts>
struct TypeList {};

/// The one list. Registry, command line, tests, benchmarks and the README's table follow it, in its order.
template <class P>
using AllAlgorithms =
    TypeList<Null<P>, Bound<P>, Mutex<P>, Decoupled<P>, Consolidation<P>, ConsolidationDecoupled<P>,
             ConsolidationDelegated<P>, WiredTigerSlots<P>, PostgresInsertLocks<P>, MysqlLinkBuf<P>, Eleda<P>,
             BorderCollieNaive<P>, BorderCollie<P>, ErmiaReleased<P>, Ermia<P>, FasterlogEpoch<P>>;

/// Calls `f(std::type_identity<T>{})` for every T of the list.
template <class... Ts, class F>
constexpr void for_each_type(TypeList<Ts...>, F&& f) {
  (f(std::type_identity<Ts>{}), ...);
}

[[noreturn]] void throw_unknown_algorithm(std::string_view name);

/// Calls `f(std::type_identity<A>{})` for the native algorithm of that name, so that what `f` does with it is
/// compiled for it alone. Throws std::invalid_argument for an unknown name and lists the known ones.
template <class F>
void with_algorithm(std::string_view name, F&& f) {
  bool found = false;
  for_each_type(AllAlgorithms<NativePlatform>{}, [&](auto type) {
    if (decltype(type)::type::info.name != name) return;
    found = true;
    f(type);
  });
  if (!found) throw_unknown_algorithm(name);
}

}  // namespace muster
