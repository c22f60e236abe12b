#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

namespace muster {

/// What keeps transactions from waiting for each other for ever.
/// Source: Rosenkrantz, Stearns, Lewis, TODS 3(2), 1978 (wait-die, wound-wait); Yu et al., VLDB'15, compares them on many cores.
enum class DeadlockPolicy : std::uint8_t {
  wait_for_graph,  ///< one that is about to wait looks for a cycle, and is the victim of one
  no_wait,         ///< nobody waits: a lock that is not free rolls back who asks for it
  wait_die,        ///< waits for younger ones only: it is rolled back where it would wait for an older one
  wound_wait,      ///< waits for older ones only: it rolls younger ones back that are in its way
  timeout,         ///< one that has waited for long is rolled back, whatever for
};
inline constexpr std::array<std::string_view, 5> kDeadlockPolicies{"wait_for_graph", "no_wait", "wait_die",
                                                                   "wound_wait", "timeout"};

struct DeadlockOptions {
  DeadlockPolicy policy = DeadlockPolicy::wait_for_graph;
  std::chrono::milliseconds timeout{100};  ///< of DeadlockPolicy::timeout
};

}  // namespace muster
