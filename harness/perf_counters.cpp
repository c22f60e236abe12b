#include "harness/perf_counters.h"

#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <system_error>

#include "harness/host_files.h"

namespace muster {
namespace {

constexpr std::uint64_t kUsersMayCount = 2;  // kernel.perf_event_paranoid: their own threads, in user space

NotMeasured no_such_hardware(const std::string& event, const std::filesystem::path& root) {
  if (is_guest(root).value_or(false)) {
    return {event, "this virtual machine has no hardware counters",
            "have its host pass them on (QEMU: -cpu host,pmu=on), or measure on a machine of your own"};
  }
  return {event, "this processor, or its driver, has no such counter",
          "measure it on a processor that has one"};
}

NotMeasured no_permission(const std::string& event, const std::filesystem::path& root) {
  const auto paranoid = number_in(root / "proc/sys/kernel/perf_event_paranoid");
  if (paranoid && *paranoid > kUsersMayCount) {
    return {event, fmt::format("kernel.perf_event_paranoid = {} forbids it", *paranoid),
            fmt::format("sysctl kernel.perf_event_paranoid={}, as root", kUsersMayCount)};
  }
  return {event, "a seccomp filter or security module forbids perf_event_open",
          "allow it to the container (docker run --cap-add PERFMON)"};
}

}  // namespace

const std::vector<PerfEvent>& hardware_events() {
  static const std::vector<PerfEvent> events{
      {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
      {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
      {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES}};
  return events;
}

std::optional<CountedEvent> between(const PerfReading& begin, const PerfReading& end, bool kernel) {
  const std::uint64_t running_ns = end.running_ns - begin.running_ns;
  const std::uint64_t enabled_ns = end.enabled_ns - begin.enabled_ns;
  if (running_ns == 0) return std::nullopt;
  // The two clocks are read one after the other while the threads run: a share above 1 is such a difference.
  const double share = std::min(1.0, static_cast<double>(running_ns) / static_cast<double>(enabled_ns));
  const double counted = static_cast<double>(end.value - begin.value);
  return CountedEvent{static_cast<std::uint64_t>(std::llround(counted / share)), share, kernel};
}

int open_perf_event(const PerfEvent& event, bool kernel) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.inherit = 1;
  attributes.exclude_kernel = kernel ? 0 : 1;
  attributes.exclude_hv = 1;
  attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  constexpr int kThisThread = 0;
  constexpr int kAnyUnit = -1;
  constexpr int kNoGroup = -1;
  const long descriptor =
      ::syscall(SYS_perf_event_open, &attributes, kThisThread, kAnyUnit, kNoGroup, PERF_FLAG_FD_CLOEXEC);
  return descriptor < 0 ? -errno : static_cast<int>(descriptor);
}

NotMeasured perf_refusal(const std::string& event, int error, const std::filesystem::path& root) {
  switch (error) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      return no_such_hardware(event, root);
    case EACCES:
    case EPERM:
      return no_permission(event, root);
    case ENOSYS:
      return {event, "the kernel, or a seccomp filter, has no perf_event_open",
              "use a kernel with CONFIG_PERF_EVENTS, or allow the call to the container"};
    case EMFILE:
      return {event, "this process has no file descriptor left", "ulimit -n: more"};
    default:
      return {event, "perf_event_open: " + std::generic_category().message(error),
              "find out with perf stat what it lacks"};
  }
}

PerfCounters::PerfCounters(const std::vector<PerfEvent>& events, const OpenPerfEvent& open,
                           const std::filesystem::path& root) {
  for (const PerfEvent& event : events) {
    bool kernel = true;
    int descriptor = open(event, kernel);
    if (descriptor == -EACCES || descriptor == -EPERM) descriptor = open(event, kernel = false);
    if (descriptor < 0) {
      not_measured_.push_back(perf_refusal(event.name, -descriptor, root));
    } else {
      opened_.push_back({event.name, descriptor, kernel});
    }
  }
}

PerfCounters::~PerfCounters() {
  for (const Opened& event : opened_) ::close(event.descriptor);
}

std::vector<PerfReading> PerfCounters::read() const {
  std::vector<PerfReading> readings(opened_.size());
  for (std::size_t i = 0; i < opened_.size(); ++i) {
    PerfReading& into = readings[i];
    static_assert(sizeof into == 3 * sizeof(std::uint64_t));  // as read_format orders them
    if (::read(opened_[i].descriptor, &into, sizeof into) != sizeof into) into = {};  // counts as nothing
  }
  return readings;
}

std::map<std::string, CountedEvent> PerfCounters::between(const std::vector<PerfReading>& begin,
                                                          const std::vector<PerfReading>& end) const {
  std::map<std::string, CountedEvent> counted;
  for (std::size_t i = 0; i < opened_.size(); ++i) {
    if (const auto event = muster::between(begin[i], end[i], opened_[i].kernel))
      counted[opened_[i].name] = *event;
  }
  return counted;
}

}  // namespace muster
