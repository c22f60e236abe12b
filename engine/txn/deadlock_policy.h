#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace muster {

/// How the engine keeps transactions from waiting for each other for ever.
/// Source: Rosenkrantz, Stearns, Lewis, TODS 3(2), 1978 (wait-die, wound-wait); Yu et al., VLDB'15, compares them on many cores.
enum class DeadlockPolicy : std::uint8_t {
  wait_for_graph,  ///< a transaction that is about to wait looks for a cycle; the engine rolls it back if it closes one
  no_wait,  ///< no transaction waits: the engine rolls back a transaction whose lock is not free
  wait_die,  ///< a transaction waits for younger ones only: the engine rolls it back if it would wait for an older one
  wound_wait,  ///< a transaction waits for older ones only: younger ones in its way are rolled back
  timeout,     ///< the engine rolls back a transaction that has waited too long for a lock
};
inline constexpr std::array<std::string_view, 5> kDeadlockPolicies{"wait_for_graph", "no_wait", "wait_die",
                                                                   "wound_wait", "timeout"};

struct DeadlockOptions {
  DeadlockPolicy policy = DeadlockPolicy::wait_for_graph;
  /// Of DeadlockPolicy::timeout, and of Session::lock_table() under every policy.
  std::chrono::milliseconds timeout{100};
};

}  // namespace muster
