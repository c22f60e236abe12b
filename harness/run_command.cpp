#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <span>

#include "engine/error.h"
#include "engine/io/file.h"
#include "harness/commands.h"
#include "harness/config.h"
#include "harness/interrupt.h"
#include "harness/machine.h"
#include "harness/result.h"
#include "workloads/append.h"

namespace muster {
namespace {

std::string text_of(const std::string& path) {
  try {
    const File file = File::open(path, O_RDONLY);
    std::string text(file.size(), '\0');
    text.resize(file.read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
  } catch (const std::system_error& error) {
    throw std::invalid_argument(fmt::format("configuration: {}", error.what()));
  }
}

Configuration configuration_of(const RunRequest& request) {
  nlohmann::ordered_json document = nlohmann::ordered_json::object();
  if (!request.configuration.empty()) document = parse_json(text_of(request.configuration), request.configuration);
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
    say(fmt::format("repetition {}/{}, window {}/{}, {:.1f} s left", repetition + 1, repetitions_, done + 1, windows_,
                    left_s));
  }

 private:
  bool shown_;
  std::string what_;
  std::uint32_t repetitions_;
  std::uint32_t windows_;
  double warmup_s_;
  double window_s_;
};

std::unique_ptr<Workload> make_workload(const Configuration& c) {
  return make_append(c.database.algorithm, c.database.log_buffer, c.append, c.threads, c.seed);
}

RunResult run(const Configuration& c, const Topology& topology) {
  RunResult result{.configuration = c, .placement = place_threads(topology, c)};
  result.machine = describe_machine(topology, c.workload == WorkloadKind::ycsb ? c.database.directory : "");
  const ProgressLine progress(c);
  const std::unique_ptr<Workload> workload = make_workload(c);
  result.operations = workload->operations();
  progress.say("loading");
  workload->load(interrupted);
  const PhasePlan plan{.warmup = std::chrono::duration<double>(c.warmup_s),
                       .window = std::chrono::duration<double>(c.window_s),
                       .windows = c.windows};
  for (std::uint32_t repetition = 0; repetition < c.repetitions; ++repetition) {
    if (interrupted()) throw Interrupted();
    progress.say(fmt::format("repetition {}/{}, warming up", repetition + 1, c.repetitions));
    workload->prepare();
    const PhaseHooks hooks{.interrupted = interrupted,
                           .progress = [&](std::uint32_t done) { progress.window(repetition, done); }};
    Measured measured = run_phases(*workload, topology, result.placement, plan, hooks);
    progress.say("verifying");
    result.repetitions.push_back({std::move(measured), workload->finish()});
  }
  result.checks = workload->close();
  return result;
}

}  // namespace

/// Throws now what replace_file() would throw after the run.
void check_writable(const std::string& path) {
  const std::string probe = path + ".probe";
  static_cast<void>(File::open(probe, O_WRONLY | O_CREAT | O_EXCL));
  std::filesystem::remove(probe);
}

void run_command(const RunRequest& request, std::FILE* out) {
  const Configuration configuration = configuration_of(request);
  if (!request.out.empty()) check_writable(request.out);
  catch_interrupts();
  const RunResult result = run(configuration, Topology::this_machine());
  const std::string text = to_json(result).dump(2) + "\n";
  if (request.out.empty()) {
    fmt::print(out, "{}", text);
  } else {
    replace_file(request.out, std::as_bytes(std::span(text)));
  }
}

}  // namespace muster
