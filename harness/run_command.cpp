#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <span>

#include "engine/error.h"
#include "engine/io/file.h"
#include "harness/activity.h"
#include "harness/commands.h"
#include "harness/config.h"
#include "harness/fitness.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/machine_checks.h"
#include "harness/memory_report.h"
#include "harness/output.h"
#include "harness/placed_memory.h"
#include "harness/result.h"
#include "harness/run_directory.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

constexpr std::size_t kConfigurationBytesMax = 1 << 20;  // a device may have no end

std::string text_of(const std::string& path) {
  try {
    return File::open(path, O_RDONLY).read_to_end(kConfigurationBytesMax);
  } catch (const std::system_error& error) {
    throw std::invalid_argument(fmt::format("configuration: {}", error.what()));
  }
}

Configuration configuration_of(const RunRequest& request) {
  nlohmann::ordered_json document = nlohmann::ordered_json::object();
  if (!request.configuration.empty())
    document = parse_json(text_of(request.configuration), request.configuration);
  for (const std::string& assignment : request.overrides) override_key(document, assignment);
  return read_configuration(document);
}

/// A line on a terminal's stderr that says how far the run is.
class ProgressLine {
 public:
  explicit ProgressLine(const Configuration& c)
      : shown_(::isatty(STDERR_FILENO) == 1),
        what_(fmt::format("{}, {} threads", c.database.algorithm, c.threads)),
        repetitions_(c.repetitions),
        windows_(c.windows),
        warmup_s_(c.warmup_s),
        window_s_(c.window_s) {}
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }

  void say(const std::string& text) const {
    if (shown_) fmt::print(stderr, "\r\033[K{}: {}", what_, text);
  }
  void window(std::uint32_t repetition, std::uint32_t done) const {
    const double repetition_s = warmup_s_ + window_s_ * windows_;
    const double left_s = window_s_ * (windows_ - done) + repetition_s * (repetitions_ - repetition - 1);
    say(fmt::format("repetition {}/{}, window {}/{}, {:.1f} s left", repetition + 1, repetitions_, done + 1,
                    windows_, left_s));
  }

 private:
  bool shown_;
  std::string what_;
  std::uint32_t repetitions_;
  std::uint32_t windows_;
  double warmup_s_;
  double window_s_;
};

/// Where the engine's flusher thread ran, which is started inside.
class FlusherPlace {
 public:
  std::function<void()> pin(const Topology& topology, std::optional<unsigned> asked) {
    return [this, &topology, asked] {
      try {
        found_ = asked ? topology.pin_this_thread(*asked) : topology.where_this_thread_runs();
      } catch (...) {
        failure_ = std::current_exception();
      }
      done_.count_down();
    };
  }
  /// Once it has been started. Throws what pinning threw.
  unsigned found() {
    done_.wait();
    if (failure_) std::rethrow_exception(failure_);
    return found_;
  }

 private:
  unsigned found_ = 0;
  std::exception_ptr failure_;
  std::latch done_{1};
};

/// Everything that one run needs, in the order in which it has to go away.
struct Run {
  Run(const Configuration& c, const Topology& topology, const Placement& placement, bool keep)
      : memory(c, topology, placement) {
    DatabaseOptions database = c.database;
    database.log_buffer.memory = &memory.placement();
    if (c.workload->engine) {
      directory.emplace(c.database.directory, keep);
      database.directory = directory->database();
      database.log.on_flusher_start = flusher.pin(topology, placement.flusher);
    }
    workload = c.workload->make(c, database);
  }

  PlacedMemory memory;
  FlusherPlace flusher;
  std::optional<RunDirectory> directory;
  std::unique_ptr<Workload> workload;
};

/// The machine's settings that it does not show, and what the meter and looks for memory could not find out.
std::vector<NotMeasured> what_is_missing(const ActivityMeter& meter, const PlacedMemory& memory,
                                         const Topology& topology) {
  std::vector<NotMeasured> missing = meter.not_measured();
  if (memory.refused()) missing.push_back({"NUMA nodes of memory", *memory.refused(), kMemoryRemedy});
  for (const Point& point : settings(topology)) {
    if (point.verdict == Verdict::unknown) missing.push_back({point.name, point.found, point.remedy});
  }
  return merged(missing);
}

RunResult perform(const Configuration& c, const Topology& topology, bool keep) {
  RunResult result;
  result.configuration = c;
  result.placement = place_threads(topology, c);
  const ProgressLine progress(c);
  ActivityMeter meter(topology, result.placement);  // before the run's threads, which it counts
  Run run(c, topology, result.placement, keep);
  result.machine = describe_machine(topology, run.directory ? run.directory->database().parent_path() : "");
  result.operations = run.workload->operations();
  for (const ProcessingUnit& unit : topology.units()) result.node_of_unit[unit.number] = unit.node;
  progress.say("loading");
  run.workload->load(interrupted);
  std::vector<MemoryLook> looks{run.memory.look("the load")};
  const PhasePlan plan{.warmup = std::chrono::duration<double>(c.warmup_s),
                       .window = std::chrono::duration<double>(c.window_s),
                       .windows = c.windows};
  for (std::uint32_t repetition = 0; repetition < c.repetitions; ++repetition) {
    if (interrupted()) throw Interrupted();
    progress.say(fmt::format("repetition {}/{}, warming up", repetition + 1, c.repetitions));
    run.workload->prepare();
    Activity activity;
    const PhaseHooks hooks{.interrupted = interrupted,
                           .progress = [&](std::uint32_t done) { progress.window(repetition, done); },
                           .windows_begin = [&](const std::vector<pid_t>& workers) { meter.begin(workers); },
                           .windows_end = [&] { activity = meter.end(); }};
    Measured measured = run_phases(*run.workload, topology, result.placement, plan, hooks);
    if (!run.workload->drains()) measured.found.drainer = run.flusher.found();
    result.repetitions.push_back({std::move(measured), run.workload->finish(), std::move(activity)});
    looks.push_back(run.memory.look(fmt::format("repetition {}", repetition + 1)));
  }
  result.memory = describe_memory(c, topology, looks);
  result.not_measured = what_is_missing(meter, run.memory, topology);
  progress.say("verifying");
  result.checks = run.workload->close();
  return result;
}

/// With what the user may do about it, where something has run out that the system's message does not name.
template <class F>
auto with_advice(const Configuration& c, F&& f) {
  const auto fail = [&](const char* what, const char* advice) -> std::runtime_error {
    return std::runtime_error(fmt::format("threads = {}: {}: want fewer, or more of what limits them: {}",
                                          c.threads, what, advice));
  };
  try {
    return f();
  } catch (const std::bad_alloc&) {
    throw fail("no memory or address space left", "memory, ulimit -v, the control group's memory.max");
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again)
      throw fail(error.what(), "ulimit -u, ulimit -v, vm.max_map_count, the control group's pids.max");
    if (error.code() == std::errc::not_enough_memory)
      throw fail(error.what(), "memory, ulimit -v, vm.max_map_count, the control group's memory.max");
    throw;
  }
}

}  // namespace

void run_command(const RunRequest& request, std::FILE* out) {
  const Configuration configuration = configuration_of(request);
  Output output(request.out, out);
  catch_interrupts();
  if (request.parent != 0) end_with_parent(request.parent);
  const Topology topology = Topology::this_machine();
  RunResult result = with_advice(configuration, [&] {
    check_machine(configuration, topology);
    return perform(configuration, topology, request.keep);
  });
  if (request.host_name) result.machine["host_name"] = host_name();
  output.write(to_json(result).dump(2) + "\n");
  if (!result.not_measured.empty())  // a note that nobody can read is no failure
    std::fprintf(stderr, "muster: not measured: %s\n", in_one_line(result.not_measured).c_str());
}

}  // namespace muster
