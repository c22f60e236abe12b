#include "harness/activity.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace muster {
namespace {

using Json = nlohmann::ordered_json;
using Count = std::optional<std::uint64_t>;

Count grown(const Count& begin, const Count& end) {
  if (!begin || !end) return std::nullopt;
  return *end - std::min(*begin, *end);
}

ThreadCounts grown(const ThreadCounts& begin, const ThreadCounts& end) {
  return {.ran_ns = grown(begin.ran_ns, end.ran_ns),
          .waited_ns = grown(begin.waited_ns, end.waited_ns),
          .voluntary = grown(begin.voluntary, end.voluntary),
          .involuntary = grown(begin.involuntary, end.involuntary),
          .page_faults = grown(begin.page_faults, end.page_faults),
          .migrations = grown(begin.migrations, end.migrations)};
}

constexpr ThreadCounts kNoneYet{0, 0, 0, 0, 0, 0};

void add(Count& sum, const Count& one) {
  sum = sum && one ? Count(*sum + *one) : std::nullopt;
}

/// Of the threads that are there at the end; one that has started in between counts from nothing.
std::map<pid_t, ThreadCounts> grown(const ActivitySample& begin, const ActivitySample& end) {
  std::map<pid_t, ThreadCounts> all;
  for (const auto& [thread, counts] : end.threads) {
    const auto before = begin.threads.find(thread);
    all[thread] = grown(before == begin.threads.end() ? kNoneYet : before->second, counts);
  }
  return all;
}

ThreadCounts sum_of(const std::map<pid_t, ThreadCounts>& threads) {
  if (threads.empty()) return {};
  ThreadCounts sum = kNoneYet;
  for (const auto& [thread, counts] : threads) {
    add(sum.ran_ns, counts.ran_ns);
    add(sum.waited_ns, counts.waited_ns);
    add(sum.voluntary, counts.voluntary);
    add(sum.involuntary, counts.involuntary);
    add(sum.page_faults, counts.page_faults);
    add(sum.migrations, counts.migrations);
  }
  return sum;
}

/// The kernel may bring its totals up to date only every two seconds: of a short time a share is rough, and may come
/// to more than all of it.
std::optional<double> pressure_share(const Count& begin, const Count& end, double seconds) {
  const Count us = grown(begin, end);
  if (!us) return std::nullopt;
  return std::min(1.0, static_cast<double>(*us) * 1e-6 / seconds);
}

/// Nothing where the kernel does not count them for every unit.
Count stolen_ticks(const ActivitySample& begin, const ActivitySample& end,
                   const std::vector<unsigned>& units) {
  std::uint64_t sum = 0;
  for (const unsigned unit : units) {
    const auto before = begin.units.find(unit);
    const auto after = end.units.find(unit);
    if (before == begin.units.end() || after == end.units.end()) return std::nullopt;
    sum += *grown(before->second.stolen, after->second.stolen);
  }
  return sum;
}

std::string percent(double share) {
  return fmt::format("{:.3g} %", 100 * share);
}

/// Says what disturbed a repetition, rule by rule.
class Judge {
 public:
  Judge(const DisturbanceLimits& limits, std::vector<std::string>& disturbed)
      : limits_(limits), disturbed_(disturbed) {}

  void steal(std::optional<double> share, Count ticks) {
    if (!share || *share <= limits_.steal_share || *ticks < limits_.steal_ticks) return;
    disturbed_.push_back(fmt::format("steal: other guests had {} of the units' time; limit {}",
                                     percent(*share), percent(limits_.steal_share)));
  }

  /// The longest; the others are in its shadow.
  void waiting(const std::vector<WatchedWorker>& workers, const std::map<pid_t, ThreadCounts>& threads,
               double seconds) {
    double longest = 0;
    std::size_t of = 0;
    for (std::size_t worker = 0; worker < workers.size(); ++worker) {
      const Count waited_ns = counted(threads, workers[worker].thread).waited_ns;
      const double share = static_cast<double>(waited_ns.value_or(0)) * 1e-9 / seconds;
      if (!workers[worker].alone || share <= longest) continue;
      longest = share;
      of = worker;
    }
    if (longest <= limits_.waited_share) return;
    disturbed_.push_back(
        fmt::format("waiting: worker {}, alone of this run on its unit, waited for it {} of the time; "
                    "limit {}",
                    of, percent(longest), percent(limits_.waited_share)));
  }

  void migrations(const std::vector<WatchedWorker>& workers, const std::map<pid_t, ThreadCounts>& threads) {
    std::uint64_t sum = 0;
    for (const WatchedWorker& worker : workers) {
      if (worker.pinned) sum += counted(threads, worker.thread).migrations.value_or(0);
    }
    if (sum == 0) return;
    disturbed_.push_back(
        fmt::format("migrations: pinned workers were moved to other units, {} times; limit 0", sum));
  }

  void frequency(const std::vector<unsigned>& units, const std::vector<double>& before_mhz,
                 const std::vector<double>& after_mhz) {
    for (std::size_t i = 0; i < std::min(before_mhz.size(), after_mhz.size()); ++i) {
      const double fall = 1 - after_mhz[i] / before_mhz[i];
      if (fall <= limits_.frequency_fall) continue;
      disturbed_.push_back(fmt::format("frequency: unit {} fell by {}, from {:.0f} to {:.0f} MHz; limit {}",
                                       units[i], percent(fall), before_mhz[i], after_mhz[i],
                                       percent(limits_.frequency_fall)));
      return;
    }
  }

 private:
  static ThreadCounts counted(const std::map<pid_t, ThreadCounts>& threads, pid_t thread) {
    const auto found = threads.find(thread);
    return found == threads.end() ? ThreadCounts{} : found->second;
  }

  const DisturbanceLimits& limits_;
  std::vector<std::string>& disturbed_;
};

/// The units that the placement names; all of them where a thread may be anywhere.
std::vector<unsigned> units_of(const Placement& placement, const Topology& topology) {
  std::vector<std::optional<unsigned>> asked = placement.workers;
  asked.push_back(placement.flusher);
  std::vector<unsigned> units;
  if (std::ranges::find(asked, std::optional<unsigned>{}) != asked.end()) {
    for (const ProcessingUnit& unit : topology.units()) units.push_back(unit.number);
    return units;
  }
  for (const auto& unit : asked) units.push_back(*unit);
  std::ranges::sort(units);
  units.erase(std::unique(units.begin(), units.end()), units.end());
  return units;
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace

std::vector<WatchedWorker> watched(const Placement& placement, const Topology& topology,
                                   const std::vector<pid_t>& threads) {
  const bool room_for_all = threads.size() + 1 <= topology.units().size();  // one more: the drainer
  std::vector<WatchedWorker> workers;
  for (std::size_t worker = 0; worker < threads.size(); ++worker) {
    const auto& unit = placement.workers[worker];
    const bool own_unit =
        std::ranges::count(placement.workers, unit) == 1 && (!placement.flusher || placement.flusher != unit);
    workers.push_back({threads[worker], unit.has_value(), unit ? own_unit : room_for_all});
  }
  return workers;
}

Activity between(const ActivitySample& begin, const ActivitySample& end, const std::vector<unsigned>& units,
                 const std::vector<WatchedWorker>& workers, const DisturbanceLimits& limits) {
  const double seconds = (end.time - begin.time).count();
  const std::map<pid_t, ThreadCounts> threads = grown(begin, end);
  const auto share = [&](const PressureTotals ActivitySample::*of, const Count PressureTotals::*total) {
    return pressure_share(begin.*of.*total, end.*of.*total, seconds);
  };
  Activity activity;
  activity.threads = sum_of(threads);
  activity.cpu_some_share = share(&ActivitySample::pressure, &PressureTotals::cpu_some_us);
  activity.io_some_share = share(&ActivitySample::pressure, &PressureTotals::io_some_us);
  activity.io_full_share = share(&ActivitySample::pressure, &PressureTotals::io_full_us);
  activity.group_cpu_some_share = share(&ActivitySample::group_pressure, &PressureTotals::cpu_some_us);
  activity.group_io_some_share = share(&ActivitySample::group_pressure, &PressureTotals::io_some_us);
  activity.group_io_full_share = share(&ActivitySample::group_pressure, &PressureTotals::io_full_us);
  const Count stolen = stolen_ticks(begin, end, units);
  if (stolen) {
    const double ticks = seconds * static_cast<double>(ticks_per_second() * units.size());
    activity.steal_share = static_cast<double>(*stolen) / ticks;
  }
  activity.units = units;
  activity.frequency_before_mhz = begin.frequencies_mhz;
  activity.frequency_after_mhz = end.frequencies_mhz;
  Judge judge(limits, activity.disturbed);
  judge.steal(activity.steal_share, stolen);
  judge.waiting(workers, threads, seconds);
  judge.migrations(workers, threads);
  judge.frequency(units, begin.frequencies_mhz, end.frequencies_mhz);
  return activity;
}

ActivityMeter::ActivityMeter(const Topology& topology, const Placement& placement,
                             const std::filesystem::path& root)
    : topology_(topology),
      placement_(placement),
      root_(root),
      units_(units_of(placement, topology)),
      counters_(hardware_events(), open_perf_event, root) {}

ActivitySample ActivityMeter::sample() const {
  return {.time = std::chrono::steady_clock::now().time_since_epoch(),
          .counters = counters_.read(),
          .threads = thread_counts(root_),
          .units = processor_times(root_),
          .pressure = machine_pressure(root_),
          .group_pressure = group_pressure(root_),
          .frequencies_mhz = frequencies_mhz(units_, root_)};
}

void ActivityMeter::begin(const std::vector<pid_t>& workers) {
  workers_ = watched(placement_, topology_, workers);
  begin_ = sample();
}

Activity ActivityMeter::end() {
  const ActivitySample end = sample();
  Activity activity = muster::between(begin_, end, units_, workers_);
  activity.counters = counters_.between(begin_.counters, end.counters);
  return activity;
}

std::vector<NotMeasured> ActivityMeter::not_measured() const {
  std::vector<NotMeasured> missing = counters_.not_measured();
  const ThreadCounts threads = sum_of(begin_.threads);
  const auto want = [&](bool found, const char* what, const char* reason, const char* remedy) {
    if (!found) missing.push_back({what, reason, remedy});
  };
  want(threads.ran_ns.has_value(), "CPU time and waiting of threads",
       "the kernel keeps no scheduler statistics", "use one with CONFIG_SCHED_INFO");
  want(threads.voluntary && threads.involuntary && threads.page_faults, "context switches and page faults",
       "/proc/self/task is not readable", "mount /proc in the container");
  want(threads.migrations.has_value(), "migrations", "/proc/self/task/*/sched is missing",
       "use a kernel with CONFIG_SCHED_DEBUG");
  want(!begin_.units.empty(), "steal", "/proc/stat is not readable", "mount /proc in the container");
  want(begin_.pressure.cpu_some_us.has_value(), "pressure", "/proc/pressure is missing",
       "boot a kernel with CONFIG_PSI with psi=1");
  want(!begin_.frequencies_mhz.empty(), "frequency", "neither cpufreq nor /proc/cpuinfo says it",
       "load the processor's cpufreq driver");
  return missing;
}

Json to_json(const Activity& activity) {
  Json counters = Json::object();
  for (const auto& [name, event] : activity.counters) {
    counters[name] = {
        {"value", event.value}, {"counted_share", event.counted_share}, {"kernel", event.kernel}};
  }
  const ThreadCounts& threads = activity.threads;
  return {
      {"counters", std::move(counters)},
      {"software",
       {{"task_clock_ns", or_null(threads.ran_ns)},
        {"waited_for_unit_ns", or_null(threads.waited_ns)},
        {"page_faults", or_null(threads.page_faults)}}},
      {"context_switches",
       {{"voluntary", or_null(threads.voluntary)}, {"involuntary", or_null(threads.involuntary)}}},
      {"migrations", or_null(threads.migrations)},
      {"pressure",
       {{"cpu_some_share", or_null(activity.cpu_some_share)},
        {"io_some_share", or_null(activity.io_some_share)},
        {"io_full_share", or_null(activity.io_full_share)},
        {"group_cpu_some_share", or_null(activity.group_cpu_some_share)},
        {"group_io_some_share", or_null(activity.group_io_some_share)},
        {"group_io_full_share", or_null(activity.group_io_full_share)}}},
      {"steal_share", or_null(activity.steal_share)},
      {"units", activity.units},
      {"frequency_mhz", {{"before", activity.frequency_before_mhz}, {"after", activity.frequency_after_mhz}}},
      {"disturbed", activity.disturbed}};
}

}  // namespace muster
