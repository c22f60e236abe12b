#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "algorithms/border_collie.h"
#include "algorithms/border_collie_awake.h"
#include "algorithms/border_collie_naive.h"
#include "algorithms/bound.h"
#include "algorithms/consolidation.h"
#include "algorithms/consolidation_decoupled.h"
#include "algorithms/consolidation_delegated.h"
#include "algorithms/copy_counted.h"
#include "algorithms/copy_interleaved.h"
#include "algorithms/copy_rotating.h"
#include "algorithms/decoupled.h"
#include "algorithms/eleda.h"
#include "algorithms/ermia.h"
#include "algorithms/ermia_released.h"
#include "algorithms/fasterlog_epoch.h"
#include "algorithms/latch_flush_latch.h"
#include "algorithms/length_word.h"
#include "algorithms/mutex.h"
#include "algorithms/mysql_link_buf.h"
#include "algorithms/null.h"
#include "algorithms/parts/policies.h"
#include "algorithms/parts/type_list.h"
#include "algorithms/postgres_insert_locks.h"
#include "algorithms/postgres_lock_free.h"
#include "algorithms/rocksdb_write_group.h"
#include "algorithms/wiredtiger_slots.h"

namespace muster {

/// The one list. Registry, command line, tests, benchmarks and the README's table follow it, in its order.
template <class P>
using AllAlgorithms =
    TypeList<Null<P>, CopyRotating<P>, CopyCounted<P>, CopyInterleaved<P>, Bound<P>, Mutex<P>,
             LatchFlushLatch<P>, Decoupled<P>, Consolidation<P>, ConsolidationDecoupled<P>,
             ConsolidationDelegated<P>, WiredTigerSlots<P>, PostgresInsertLocks<P>, PostgresLockFree<P>,
             RocksdbWriteGroup<P>, MysqlLinkBuf<P>, LengthWord<P>, Eleda<P>, BorderCollieNaive<P>,
             BorderCollie<P>, BorderCollieAwake<P>, ErmiaReleased<P>, Ermia<P>, FasterlogEpoch<P>>;

[[noreturn]] void throw_unknown_algorithm(std::string_view name);

/// Calls `f(std::type_identity<A>{})` for the native algorithm of that name with the lock or counter of the options, if it
/// has one, so that what `f` does with it is compiled for it alone. Throws std::invalid_argument for an unknown name, and lists the known
/// ones, and for a lock or counter that the algorithm may not have.
template <class F>
void with_algorithm(std::string_view name, const LogBufferOptions& options, F&& f) {
  bool found = false;
  for_each_type(AllAlgorithms<NativePlatform>{}, [&](auto type) {
    using A = typename decltype(type)::type;
    if (A::info.name != name) return;
    found = true;
    with_policy<A>(options, f);
  });
  if (!found) throw_unknown_algorithm(name);
}

}  // namespace muster
