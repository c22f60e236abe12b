// Records runs of a database, loses power at every operation of them, opens what that leaves and asks whether
// it is what it must be (explorer.h, history.h).
//
//   power_loss [--algorithm NAME]... [--policy NAME]... [--tables btree|lsm|mixed] [--seed N] [--images N] [--budget-s S]
//   power_loss --trace FILE --image NUMBER    one image of a run that had a violation
//
// Prints a JSON document a run. Exit code: 0 all is well, 1 an image is not (with a planted fault: none was
// found), 2 the command line, 3 the machine.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>

#include "algorithms/registry.h"
#include "engine/error.h"
#include "tests/engine/power/explorer.h"

namespace muster::power {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;

const std::map<std::string, CommitPolicy> kPolicies{{"durable", CommitPolicy::durable},
                                                    {"group", CommitPolicy::group},
                                                    {"pipelined", CommitPolicy::pipelined},
                                                    {"queued_group", CommitPolicy::queued_group}};

const std::map<std::string, BeginRecord> kBeginRecords{
    {"lazy", BeginRecord::lazy}, {"eager", BeginRecord::eager}, {"elided", BeginRecord::elided}};

struct Request {
  std::vector<std::string> algorithms{"mutex", "eleda", "border_collie", "consolidation"};
  std::vector<std::string> policies{"durable", "pipelined"};
  std::string begin_record = "lazy";
  std::string tables = "btree";
  std::uint64_t seed = 1;
  std::uint64_t images = 2000;
  double budget_s = 0;
  std::filesystem::path trace;
  std::string image;
  std::string fault;
  bool expect_violation = false;
  bool torn = false;
  std::filesystem::path directory = "power-loss";
};

std::vector<std::string> usable_algorithms() {
  std::vector<std::string> names;
  for (const AlgorithmInfo& info : algorithms()) {
    if (!info.unsafe && !info.stalls_on_idle) names.emplace_back(info.name);
  }
  return names;
}

std::vector<std::string> fault_names() {
  std::vector<std::string> names;
  for (const Fault& fault : faults()) names.emplace_back(fault.name);
  return names;
}

/// An engine that dies on an image says on which.
void report_death(int signal) {
  constexpr char kText[] = "power_loss: the engine died on image ";
  static_cast<void>(!::write(STDERR_FILENO, kText, sizeof kText - 1));
  static_cast<void>(!::write(STDERR_FILENO, image_at_work(), std::strlen(image_at_work())));
  static_cast<void>(!::write(STDERR_FILENO, "\n", 1));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

Json describe(const ExplorerOptions& options, const std::string& policy, const Findings& findings,
              double seconds) {
  Json images = Json::object();
  for (const Damage damage : kDamages)
    images[name_of(damage)] = findings.images[static_cast<std::size_t>(damage)];
  Json violations = Json::array();
  for (const Violation& violation : findings.violations) {
    violations.push_back({{"image", violation.image}, {"what", violation.what}});
  }
  return {{"algorithm", options.setting.algorithm},
          {"policy", policy},
          {"tables", name_of(options.setting.tables)},
          {"early_lock_release", options.setting.early_lock_release},
          {"direct", options.setting.direct},
          {"redo_workers", options.setting.redo_workers},
          {"isolation", name_of(options.setting.level)},
          {"seed", options.seed},
          {"fault", options.fault != nullptr ? Json(options.fault->name) : Json()},
          {"operations", findings.operations},
          {"cuts", findings.cuts},
          {"recoveries", findings.recoveries},
          {"images", images},
          {"violations", violations},
          {"seconds", seconds}};
}

ExplorerOptions options_of(const Request& request, std::uint64_t seed, const std::string& algorithm,
                           const std::string& policy) {
  const auto mix = std::ranges::find(kTableMixes, request.tables) - kTableMixes.begin();
  ExplorerOptions options;
  options.seed = seed;
  // With several redo workers a recovery writes its pages in another order each time, and so do its images.
  options.setting = {algorithm,
                     kPolicies.at(policy),
                     seed % 2 == 1,
                     seed % 4 >= 2,
                     static_cast<std::uint32_t>(1 + seed % 3),
                     kBeginRecords.at(request.begin_record),
                     seed % 3 == 0 ? Isolation::snapshot : Isolation::two_phase_locking,
                     static_cast<TableMix>(mix)};
  options.torn = request.torn;
  options.directory = request.directory;
  options.stop_at_violation = request.expect_violation;
  for (const Fault& fault : faults()) {
    if (fault.name == request.fault) options.fault = &fault;
  }
  if (options.fault != nullptr) {
    options.setting.level = Isolation::two_phase_locking;  // each has a seed that finds it
    options.setting.tables = options.fault->tables;
  }
  return options;
}

/// The run of a violation, for --trace.
void keep(const Scenario& scenario, std::uint64_t seed) {
  const std::string name = fmt::format("power-loss-{}.trace", seed);
  save(scenario, name);
  fmt::print(stderr, "power_loss: the run is in {}; --trace and --image open one image of it again\n", name);
}

int replay(const Request& request) {
  // Of the setting, a recovery's log device and lock release hang on the seed; the trace is there.
  const ExplorerOptions options =
      options_of(request, request.seed, request.algorithms.front(), request.policies.front());
  const std::string wrong = replay(load_scenario(request.trace), options, request.image);
  fmt::print("{}: {}\n", request.image, wrong.empty() ? "as it must be" : wrong);
  fmt::print("its files: {}\n", (request.directory / "image").string());
  return wrong.empty() ? 0 : 1;
}

/// A run that was wrong before any power was lost has a violation and no image.
Findings record_and_explore(const ExplorerOptions& options, bool keep_violations) {
  Findings findings;
  try {
    const Scenario scenario = record(options);
    findings = explore(scenario, options);
    if (!findings.violations.empty() && keep_violations) keep(scenario, options.seed);
  } catch (const WrongAnswer& error) {
    findings.violations.push_back({"none", error.what()});
  }
  return findings;
}

/// The runs of a request, one for each algorithm and policy.
int run(const Request& request) {
  const Clock::time_point begin = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  const std::uint64_t runs = request.algorithms.size() * request.policies.size();
  std::uint64_t left = runs, violations = 0;
  for (const std::string& algorithm : request.algorithms) {
    for (const std::string& policy : request.policies) {
      const Clock::time_point since = Clock::now();
      // Each run is another one; early lock release and the direct device take their turns.
      ExplorerOptions options = options_of(request, request.seed + (runs - left), algorithm, policy);
      options.images = std::max<std::uint64_t>(1, request.images / runs);
      const double until = elapsed() + (request.budget_s - elapsed()) / static_cast<double>(left);
      if (request.budget_s > 0) options.is_enough = [&, until] { return elapsed() >= until; };
      const Findings findings = record_and_explore(options, !request.expect_violation);
      const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
      fmt::print("{}\n", describe(options, policy, findings, seconds).dump());
      std::fflush(stdout);
      violations += findings.violations.size();
      --left;
      if (request.expect_violation && violations > 0) return 0;
    }
  }
  return (violations > 0) == request.expect_violation ? 0 : 1;
}

int parse_and_run(int argc, char** argv) {
  CLI::App app(
      "Loses power at every operation of a database, and checks what recovery makes of what is left");
  Request request;
  app.add_option("--algorithm", request.algorithms, "mutex, eleda, border_collie and consolidation")
      ->check(CLI::IsMember(usable_algorithms()));
  app.add_option("--policy", request.policies, "durable and pipelined")->check(CLI::IsMember(kPolicies));
  app.add_option("--begin", request.begin_record, "lazy, or eager or elided (lazy)")
      ->check(CLI::IsMember(kBeginRecords));
  app.add_option("--tables", request.tables, "btree, lsm, or mixed: both kinds (btree)")
      ->check(CLI::IsMember(std::vector<std::string>(kTableMixes.begin(), kTableMixes.end())));
  app.add_option("--seed", request.seed, "of the first run; the next one has the next (1)");
  app.add_option("--images", request.images, "in all, shared by the algorithms and policies (2000)")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--budget-s", request.budget_s, "ends after this time, with fewer images")
      ->check(CLI::PositiveNumber);
  app.add_option("--fault", request.fault, "a planted fault")->check(CLI::IsMember(fault_names()));
  bool list_faults = false;
  app.add_flag("--faults", list_faults, "lists the faults that can be planted");
  app.add_flag("--expect-violation", request.expect_violation, "stops at the first, which must come");
  app.add_flag("--torn", request.torn, "tears pages of tables, too");
  app.add_option("--directory", request.directory, "for the databases (power-loss)");
  auto* const trace = app.add_option("--trace", request.trace, "of a run that had a violation; with --image");
  app.add_option("--image", request.image, "opens one image of the trace again")->needs(trace);
  trace->needs("--image")->check(CLI::ExistingFile);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (const Fault& fault : faults()) {
    if (list_faults) fmt::print("{}\t{}\n", fault.name, fault.what);
  }
  if (list_faults) return 0;
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS}) std::signal(signal, report_death);
  return request.image.empty() ? run(request) : replay(request);
}

}  // namespace
}  // namespace muster::power

int main(int argc, char** argv) {
  try {
    return muster::power::parse_and_run(argc, argv);
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "power_loss: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "power_loss: {}\n", error.what());
    return 3;
  }
}
