#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

#include "harness/placement.h"
#include "harness/statistics.h"
#include "harness/topology.h"
#include "workloads/workload.h"

namespace muster {

/// SIGINT came: exit code 130 and no result.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

struct PhasePlan {
  std::chrono::duration<double> warmup{0.5};
  std::chrono::duration<double> window{0.5};
  std::uint32_t windows = 5;
};

/// Where each thread ran.
struct Found {
  std::vector<unsigned> workers;
  std::optional<unsigned> drainer;  ///< where the workload has one
};

struct Measured {
  std::vector<Window> windows;
  std::vector<Window> intervals;  ///< the same time in shorter parts
  double interval_s = 0;          ///< that was asked for; each one's seconds are what it became
  Found found;
};

struct PhaseHooks {
  std::function<bool()> interrupted;  ///< asked every few milliseconds
  std::function<void(std::uint32_t windows_done)> progress;
  /// Just before the first window, with the workers' threads, and just after the last one; may be empty.
  std::function<void(const std::vector<pid_t>& workers)> windows_begin{};
  std::function<void()> windows_end{};
};

/// One repetition between the workload's prepare() and finish(): starts a thread a worker and, if the
/// workload drains, one more, pins them, lets them start together, warms up, measures the windows back to
/// back by reading what the workers have counted, stops and joins. A window is read in equal intervals of 100 ms, or
/// as near to that as its length allows. Throws what a thread threw, or Interrupted; either way no thread is left.
Measured run_phases(Workload& workload, const Topology& topology, const Placement& placement,
                    const PhasePlan& plan, const PhaseHooks& hooks);

}  // namespace muster
