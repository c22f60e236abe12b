#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/not_measured.h"

namespace muster {

/// What perf_event_open(2) is asked to count.
struct PerfEvent {
  std::string name;
  std::uint32_t type = 0;
  std::uint64_t config = 0;
};

/// Cycles, instructions, cache misses.
const std::vector<PerfEvent>& hardware_events();

/// The kernel lends a counter for `running_ns` of the `enabled_ns` that the threads ran: it takes turns where there
/// are more events than counters.
struct PerfReading {
  std::uint64_t value = 0;
  std::uint64_t enabled_ns = 0;
  std::uint64_t running_ns = 0;
};

/// What was counted between two readings.
struct CountedEvent {
  std::uint64_t value = 0;   ///< for the whole time: what was counted, divided by the share
  double counted_share = 0;  ///< of the threads' time, above 0
  bool kernel = true;        ///< also what the kernel did for the threads
};
/// Nothing where the event had no counter in between.
std::optional<CountedEvent> between(const PerfReading& begin, const PerfReading& end, bool kernel);

/// Opens the event for the calling thread and all threads that it will start; returns a descriptor or -errno.
using OpenPerfEvent = std::function<int(const PerfEvent&, bool kernel)>;
int open_perf_event(const PerfEvent& event, bool kernel);

/// Why the system said `error` to perf_event_open, as far as it shows. `root` is where /proc is.
NotMeasured perf_refusal(const std::string& event, int error, const std::filesystem::path& root = "/");

/// Counts for the thread that makes it and the threads that are started from then on, in total. Whoever measures
/// reads it before and after: nothing is read in between, and no thread that works takes part.
class PerfCounters {
 public:
  /// An event that is refused is counted for user space alone; where that is refused, too, it is not_measured().
  explicit PerfCounters(const std::vector<PerfEvent>& events, const OpenPerfEvent& open = open_perf_event,
                        const std::filesystem::path& root = "/");
  ~PerfCounters();
  PerfCounters(const PerfCounters&) = delete;
  PerfCounters& operator=(const PerfCounters&) = delete;

  /// In the order of the events that could be opened.
  std::vector<PerfReading> read() const;
  std::map<std::string, CountedEvent> between(const std::vector<PerfReading>& begin,
                                              const std::vector<PerfReading>& end) const;
  const std::vector<NotMeasured>& not_measured() const { return not_measured_; }

 private:
  struct Opened {
    std::string name;
    int descriptor;
    bool kernel;
  };
  std::vector<Opened> opened_;
  std::vector<NotMeasured> not_measured_;
};

}  // namespace muster
