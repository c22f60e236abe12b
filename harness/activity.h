#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/not_measured.h"
#include "harness/perf_counters.h"
#include "harness/placement.h"
#include "harness/pressure.h"
#include "harness/processor_times.h"
#include "harness/thread_counts.h"
#include "harness/topology.h"

namespace muster {

/// A worker, as what disturbs it is judged.
struct WatchedWorker {
  pid_t thread = 0;
  bool pinned = false;
  bool alone =
      false;  ///< no other thread of the run may be on its unit: if it waits for it, a stranger is there
};

/// The workers with their threads, in the placement's order.
std::vector<WatchedWorker> watched(const Placement& placement, const Topology& topology,
                                   const std::vector<pid_t>& threads);

/// Beyond these a repetition counts as disturbed. It is marked, and stays.
struct DisturbanceLimits {
  /// Of the time of the run's units, which the hypervisor gave to other guests: throughput falls by as much, and less
  /// is lost in the spread of quiet repetitions.
  double steal_share = 0.02;
  /// Steal is counted in ticks of 10 ms: a single one says little of a short repetition.
  std::uint64_t steal_ticks = 2;
  /// Of its time, in which a worker that is alone on its unit waited for it: another process, or a control group's
  /// quota. It contains what involuntary context switches and CPU pressure stand for, without what the run itself
  /// causes.
  double waited_share = 0.02;
  /// Of a unit's frequency, by which it is lower at the end: heat, or a turbo that ran out.
  double frequency_fall = 0.1;
  // A pinned worker that migrates at all: its affinity was changed from outside.
};

/// What the kernel says at one moment.
struct ActivitySample {
  std::chrono::duration<double> time{};  ///< of a steady clock
  std::vector<PerfReading> counters;
  std::map<pid_t, ThreadCounts> threads;
  std::map<unsigned, UnitTimes> units;
  PressureTotals pressure;
  PressureTotals group_pressure;
  std::vector<double> frequencies_mhz;
};

/// What the machine did during a repetition's windows. Absent is unknown.
struct Activity {
  std::map<std::string, CountedEvent> counters;
  ThreadCounts threads;  ///< sums over the run's threads
  std::optional<double> cpu_some_share;
  std::optional<double> io_some_share;
  std::optional<double> io_full_share;
  std::optional<double> group_cpu_some_share;
  std::optional<double> group_io_some_share;
  std::optional<double> group_io_full_share;
  std::optional<double> steal_share;  ///< of the time of `units`
  std::vector<unsigned> units;        ///< those that the run may be on
  std::vector<double> frequency_before_mhz;
  std::vector<double> frequency_after_mhz;
  std::vector<std::string> disturbed;  ///< a line each: what, how much, the limit
};

/// Without the counters. `units` are those that the run may be on.
Activity between(const ActivitySample& begin, const ActivitySample& end, const std::vector<unsigned>& units,
                 const std::vector<WatchedWorker>& workers, const DisturbanceLimits& limits = {});

/// Watches a run. Made before the run's threads are, which its counters count. It works only while begin() and end()
/// run, in the calling thread.
class ActivityMeter {
 public:
  ActivityMeter(const Topology& topology, const Placement& placement,
                const std::filesystem::path& root = "/");
  /// Just before a repetition's first window; the threads of the workers are in the placement's order.
  void begin(const std::vector<pid_t>& workers);
  /// Just after its last window, with the threads still there.
  Activity end();
  /// What this machine does not say.
  std::vector<NotMeasured> not_measured() const;

 private:
  ActivitySample sample() const;

  const Topology& topology_;
  const Placement& placement_;
  std::filesystem::path root_;
  std::vector<unsigned> units_;
  PerfCounters counters_;
  std::vector<WatchedWorker> workers_;
  ActivitySample begin_;
};

/// As results/schema.json has it.
nlohmann::ordered_json to_json(const Activity& activity);

}  // namespace muster
