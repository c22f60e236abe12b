// muster_model: explores executions of the log buffers' own sources. `muster_model --help` says how;
// tests/model/README.md says what it means.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "algorithms/registry.h"
#include "tests/model/programs.h"
#include "tests/model/search.h"
#include "tests/model/trace.h"

namespace muster::model {
namespace {

using Json = nlohmann::ordered_json;

enum Exit : int { kNothingFound = 0, kViolation = 1, kRequest = 2, kMachine = 3, kNotExhausted = 4 };

const std::map<std::string, std::uint32_t LogBufferOptions::*> kOptions{
    {"consolidation_slots", &LogBufferOptions::consolidation_slots},
    {"delegation_chain", &LogBufferOptions::delegation_chain},
    {"slot_pool", &LogBufferOptions::slot_pool},
    {"hop_bits", &LogBufferOptions::hop_bits},
    {"funnel_slots", &LogBufferOptions::funnel_slots},
    {"insert_locks", &LogBufferOptions::insert_locks},
    {"link_window", &LogBufferOptions::link_window},
    {"lock_free_insert_locks", &LogBufferOptions::lock_free_insert_locks},
};

struct CommandLine {
  std::string subject;
  Shape shape;
  std::vector<std::string> options;
  std::string search = "reduced";
  bool sequential = false;
  std::uint32_t preemptions = 2;
  std::uint32_t changes = 3;
  std::uint64_t seed = 1;
  Limits limits{.seconds = 60};
  double shorten_seconds = 5;
  std::string weaken;
  std::string schedule;
  std::string trace_file;
  bool json = false;
};

/// "ring.h:47:12 acquire" is spelt FILE:LINE:COLUMN[:failure][=ORDER].
Weakening parse_weakening(const std::string& text) {
  const auto refuse = [&] {
    throw std::invalid_argument(
        "--weaken = " + text +
        ": want FILE:LINE:COLUMN[:failure][=relaxed|acquire|release], as `sites` lists them");
  };
  Weakening weakening;
  std::string place = text;
  if (const auto equals = text.find('='); equals != std::string::npos) {
    const std::string order = text.substr(equals + 1);
    place = text.substr(0, equals);
    if (order == "acquire") {
      weakening.order = std::memory_order_acquire;
    } else if (order == "release") {
      weakening.order = std::memory_order_release;
    } else if (order != "relaxed") {
      refuse();
    }
  }
  std::vector<std::string> parts;
  std::istringstream stream(place);
  for (std::string part; std::getline(stream, part, ':');) parts.push_back(part);
  if (parts.size() == 4 && parts[3] == "failure") {
    weakening.failure = true;
    parts.pop_back();
  }
  if (parts.size() != 3) refuse();
  weakening.file = parts[0];
  try {
    weakening.line = static_cast<std::uint32_t>(std::stoul(parts[1]));
    weakening.column = static_cast<std::uint32_t>(std::stoul(parts[2]));
  } catch (const std::exception&) {
    refuse();
  }
  return weakening;
}

std::vector<Subject> all_subjects() {
  std::vector<Subject> all = subjects();
  std::ranges::move(scripted_subjects(), std::back_inserter(all));
  return all;
}

const Subject& find_subject(const std::vector<Subject>& all, const std::string& name) {
  for (const Subject& subject : all) {
    if (subject.name == name) return subject;
  }
  throw std::invalid_argument("SUBJECT = " + name + ": want one that `muster_model list` lists");
}

/// Whether `option` is NAME=VALUE with this name; `into` is then the enumerator that the value names.
template <class E, std::size_t N>
bool take_name(std::string_view option, std::string_view name, const std::array<std::string_view, N>& names,
               E& into) {
  if (!option.starts_with(name) || !option.substr(name.size()).starts_with('=')) return false;
  const auto* const found = std::find(names.begin(), names.end(), option.substr(name.size() + 1));
  if (found == names.end())
    throw std::invalid_argument(fmt::format("--option = {}: want one of {}", option, fmt::join(names, ", ")));
  into = static_cast<E>(found - names.begin());
  return true;
}

void take_options(CommandLine& request) {
  for (const std::string& option : request.options) {
    const auto equals = option.find('=');
    const auto known = kOptions.find(option.substr(0, equals));
    LogBufferOptions& options = request.shape.options;
    if (take_name(option, "lock", kLockNames, options.lock) ||
        take_name(option, "counter", kCounterNames, options.counter) ||
        take_name(option, "asymmetric_barrier", kAsymmetricBarrierNames, options.asymmetric_barrier))
      continue;
    if (equals == std::string::npos || known == kOptions.end()) {
      std::string names = "lock, counter, asymmetric_barrier";
      for (const auto& [name, member] : kOptions) names += ", " + name;
      throw std::invalid_argument("--option = " + option + ": want NAME=VALUE, NAME one of " + names);
    }
    const std::string_view value = std::string_view(option).substr(equals + 1);
    std::uint32_t& into = request.shape.options.*known->second;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), into);
    if (error != std::errc{} || end != value.data() + value.size()) {
      throw std::invalid_argument("--option = " + option + ": want an integer from 0 to 4294967295");
    }
  }
  for (const std::uint32_t size : request.shape.sizes) {
    if (size == 0 || size > request.shape.options.capacity) {
      throw std::invalid_argument(
          fmt::format("--sizes: {}: want 1 to {}, the capacity", size, request.shape.options.capacity));
    }
  }
}

Json shape_json(const Shape& shape) {
  if (!shape.scripts.empty()) return {{"threads", shape.scripts}};
  Json json{{"workers", shape.workers},   {"records", shape.records},
            {"advances", shape.advances}, {"capacity", shape.options.capacity},
            {"sizes", shape.sizes},       {"start", shape.options.start},
            {"idle", shape.idle},         {"churn", shape.churn},
            {"lag", shape.lag},           {"observe", shape.observe}};
  for (const auto& [name, member] : kOptions) json[name] = shape.options.*member;
  json["lock"] = to_string(shape.options.lock);
  json["counter"] = to_string(shape.options.counter);
  json["asymmetric_barrier"] = to_string(shape.options.asymmetric_barrier);
  return json;
}

/// The arguments that make the same shape again.
std::string shape_arguments(const Shape& shape) {
  if (!shape.scripts.empty()) return fmt::format("--threads {}", fmt::join(shape.scripts, ","));
  std::string sizes;
  for (const std::uint32_t size : shape.sizes) sizes += fmt::format("{}{}", sizes.empty() ? "" : ",", size);
  std::string text = fmt::format("--workers {} --records {} --advances {} --capacity {} --sizes {}",
                                 shape.workers, shape.records, shape.advances, shape.options.capacity, sizes);
  if (shape.options.start != 0) text += fmt::format(" --start {}", shape.options.start);
  if (shape.idle != 0) text += fmt::format(" --idle {}", shape.idle);
  if (shape.churn) text += " --churn";
  if (shape.lag) text += " --lag";
  if (shape.observe) text += " --observe";
  const Shape defaults;
  for (const auto& [name, member] : kOptions) {
    if (shape.options.*member != defaults.options.*member) {
      text += fmt::format(" --option {}={}", name, shape.options.*member);
    }
  }
  if (shape.options.lock != defaults.options.lock) {
    text += fmt::format(" --option lock={}", to_string(shape.options.lock));
  }
  if (shape.options.counter != defaults.options.counter) {
    text += fmt::format(" --option counter={}", to_string(shape.options.counter));
  }
  if (shape.options.asymmetric_barrier != defaults.options.asymmetric_barrier) {
    text += fmt::format(" --option asymmetric_barrier={}", to_string(shape.options.asymmetric_barrier));
  }
  return text;
}

Report search(Execution& execution, Program& program, const CommandLine& request) {
  if (!request.schedule.empty()) return replay(execution, program, parse_schedule(request.schedule));
  if (request.search == "random") {
    return search_random(execution, program, request.seed, request.changes, request.limits);
  }
  if (request.search == "bounded") {
    return search_bounded(execution, program, request.preemptions, request.limits);
  }
  return search_reduced(execution, program, request.limits);
}

struct Shortest {
  Report report;
  std::uint32_t preemptions;
  bool sequential;  // found by interleavings alone, and replays so
};

/// A counterexample for a reader, if there is one with up to three preemptions: a hole rather than a race of data, an
/// interleaving rather than a stale read, then as few preemptions and as few steps as possible.
std::optional<Shortest> shorten(Execution& execution, Program& program, const CommandLine& request) {
  const auto start = std::chrono::steady_clock::now();
  const auto left = [&] {
    return request.shorten_seconds -
           std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::optional<Shortest> best;
  for (const bool sequential : {true, false}) {
    if (best || (request.sequential && !sequential)) break;
    execution.make_sequential(sequential);
    for (std::uint32_t bound = 0; left() > 0 && bound < 4; ++bound) {
      Report shorter = search_bounded(execution, program, bound,
                                      {.seconds = std::min(left(), request.shorten_seconds / 2)});
      if (shorter.violation.empty()) continue;
      const bool hole = !is_of_orders(shorter.violation);
      if (!best || hole) best = Shortest{std::move(shorter), bound, sequential};
      if (hole) break;
    }
  }
  return best;
}

void write_atomically(const std::string& file, const Json& json) {
  const std::string partial = file + ".new";
  std::ofstream out(partial);
  out << json.dump(1) << '\n';
  out.close();
  if (!out || std::rename(partial.c_str(), file.c_str()) != 0) {
    std::remove(partial.c_str());
    throw std::system_error(errno, std::generic_category(), "--trace = " + file);
  }
}

void refuse_foreign_shape(const Subject& subject, const CommandLine& request) {
  if (subject.scripted != request.shape.scripts.empty()) return;
  throw std::invalid_argument(subject.scripted
                                  ? "--threads: none; want what each thread of a part of the engine does"
                                  : "--threads: want none, a log buffer takes --workers and --records");
}

/// "5 min": of a rough estimate.
std::string rough_time(double seconds) {
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  if (seconds < 100 * 60) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 100 * 3600) return fmt::format("{:.0f} h", seconds / 3600);
  return fmt::format("{:.0f} days", seconds / 86400);
}

int explore(CommandLine request) {
  take_options(request);
  const std::vector<Subject> all = all_subjects();
  const Subject& subject = find_subject(all, request.subject);
  refuse_foreign_shape(subject, request);
  Execution execution;
  if (!request.weaken.empty()) execution.weaken(parse_weakening(request.weaken));
  execution.make_sequential(request.sequential);
  const std::unique_ptr<Program> program = subject.make(request.shape);
  Report report = search(execution, *program, request);

  Json json{{"subject", subject.name},
            {"shape", shape_json(request.shape)},
            {"search", request.search},
            {"sequential", request.sequential},
            {"seed", request.seed},
            {"weaken", request.weaken},
            {"executions", report.executions},
            {"abandoned", report.abandoned},
            {"steps", report.steps},
            {"seconds", report.seconds},
            {"full", report.full},
            {"exhausted", report.exhausted},
            {"explored", report.explored},
            {"violation", report.violation}};
  if (!request.weaken.empty()) {
    json["weakening_met"] = execution.weakening_met();
    if (!execution.weakening_met() && !request.json) {
      throw std::invalid_argument(
          "--weaken = " + request.weaken +
          ": no execution of this shape comes there; want a place that `sites` lists");
    }
  }
  if (request.search == "bounded") json["preemptions"] = request.preemptions;
  if (!report.violation.empty()) {
    const std::optional<Shortest> shortest =
        request.schedule.empty() ? shorten(execution, *program, request) : std::nullopt;
    if (shortest) {
      report.violation = shortest->report.violation;
      report.schedule = shortest->report.schedule;
      request.sequential = shortest->sequential;
    }
    execution.make_sequential(request.sequential);
    const int preemptions = shortest ? static_cast<int>(shortest->preemptions) : -1;
    const std::string arguments = fmt::format("{} {}{}{}", subject.name, shape_arguments(request.shape),
                                              request.sequential ? " --sequential" : "",
                                              request.weaken.empty() ? "" : " --weaken " + request.weaken);
    const std::string command =
        fmt::format("muster_model explore {} --schedule \"{}\"", arguments, format_schedule(report.schedule));
    Trace trace(*program);
    execution.record(&trace);
    replay(execution, *program, report.schedule);
    execution.record(nullptr);
    trace.violation(report.violation);
    json["shortest"] = {{"violation", report.violation},
                        {"steps", report.schedule.size()},
                        {"preemptions", preemptions},
                        {"command", command}};
    if (!request.trace_file.empty()) {
      const auto colon = subject.name.find(':');
      Json document{{"schema", 1},
                    {"algorithm", subject.name.substr(0, colon)},
                    {"mutant", colon == std::string::npos ? "" : subject.name.substr(colon + 1)},
                    {"weaken", request.weaken},
                    {"violation", report.violation},
                    {"configuration", shape_json(request.shape)},
                    {"search", request.search},
                    {"sequential", request.sequential},
                    {"seed", request.seed},
                    {"command", command}};
      if (preemptions >= 0) document["preemptions"] = preemptions;
      document.update(trace.to_json());
      write_atomically(request.trace_file, document);
    }
    if (!request.json) {
      fmt::print("{}\n{}\nfound by: {} search, seed {}, after {} executions\nreplay: {}\n\n{}",
                 report.violation, arguments, request.search, request.seed,
                 report.executions + report.abandoned, command, trace.table());
    }
  }
  if (request.json) fmt::print("{}\n", json.dump());
  if (!report.violation.empty()) return kViolation;
  const bool complete = report.exhausted || request.search == "random" || !request.schedule.empty();
  if (!request.json) {
    fmt::print("{}: {} executions ({} abandoned) in {:.2f} s, nothing found{}\n", subject.name,
               report.executions, report.abandoned, report.seconds, report.exhausted ? ", exhausted" : "");
  }
  if (!complete && request.search == "bounded") {
    fmt::print(stderr,
               "muster_model: not all executions of at most {} preemptions{}: fewer --preemptions, or more "
               "--seconds\n",
               request.preemptions, report.full ? ", and no room to remember more places" : "");
    return kNotExhausted;
  }
  if (!complete) {
    fmt::print(
        stderr,
        "muster_model: not exhausted: about {:.2g} of the space in {:.1f} s, so {} in all, a rough estimate: "
        "more --seconds, or --search bounded --preemptions 2, or --search random\n",
        report.explored, report.seconds, rough_time(report.seconds / std::max(report.explored, 1e-12)));
    return kNotExhausted;
  }
  return kNothingFound;
}

/// Every order that is not relaxed, where a bounded share of the executions meets it.
int sites(CommandLine request) {
  take_options(request);
  const std::vector<Subject> all = all_subjects();
  const std::unique_ptr<Program> program = find_subject(all, request.subject).make(request.shape);
  Execution execution;
  std::vector<Site> found;
  execution.collect_sites(&found);
  search_random(execution, *program, request.seed, request.changes, {.seconds = 30, .executions = 3000});
  Json json = Json::array();
  for (const Site& site : found) {
    json.push_back({{"site", fmt::format("{}:{}:{}{}", file_name(site.where), site.where.line(),
                                         site.where.column(), site.failure ? ":failure" : "")},
                    {"action", name_of(site.action)},
                    {"location", site.location},
                    {"order", name_of(site.order)}});
  }
  fmt::print("{}\n", json.dump(1));
  return 0;
}

/// The names of the locks that it may have; none where it takes none.
std::vector<std::string_view> locks(const AlgorithmInfo& info) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kLockNames.size() && info.lock_use != LockUse::none; ++i) {
    if (may_have(info, static_cast<LockKind>(i))) names.push_back(kLockNames[i]);
  }
  return names;
}

/// The names of the counters that it may have; none where no record adds to one.
std::vector<std::string_view> counters(const AlgorithmInfo& info) {
  if (!info.takes_counter) return {};
  return {kCounterNames.begin(), kCounterNames.end()};
}

int list() {
  Json json = Json::array();
  for (const Subject& subject : all_subjects()) {
    json.push_back({{"name", subject.name},
                    {"scripted", subject.scripted},
                    {"unsafe", subject.info.unsafe},
                    {"stalls_on_idle", subject.info.stalls_on_idle},
                    {"locks", locks(subject.info)},
                    {"counters", counters(subject.info)},
                    {"mutant", subject.mutant},
                    {"wrong", subject.wrong},
                    {"why", subject.why}});
  }
  fmt::print("{}\n", json.dump(1));
  return 0;
}

void add_shape(CLI::App& command, CommandLine& request) {
  Shape& shape = request.shape;
  command.add_option("SUBJECT", request.subject, "an algorithm or a part of the engine, or such:mutant")
      ->required();
  command
      .add_option("--threads", shape.scripts,
                  "of a part of the engine: what each does, a letter an operation (tests/model/*_program.h)")
      ->delimiter(',');
  command.add_option("--workers", shape.workers)->check(CLI::Range(1, 6))->capture_default_str();
  command.add_option("--records", shape.records, "of each worker")
      ->check(CLI::Range(0, 20))
      ->capture_default_str();
  command.add_option("--advances", shape.advances, "of the drainer, among the workers' steps")
      ->check(CLI::Range(0, 20))
      ->capture_default_str();
  command.add_option("--capacity", shape.options.capacity, "of the ring, bytes")
      ->check(CLI::Range(4, 4096))
      ->capture_default_str();
  command.add_option("--sizes", shape.sizes, "of the records, bytes, in turn")
      ->delimiter(',')
      ->capture_default_str();
  command.add_option("--start", shape.options.start, "the first LSN")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1} << 62))
      ->capture_default_str();
  command.add_option("--idle", shape.idle, "workers that are attached and do nothing")
      ->check(CLI::Range(0, 8));
  command.add_flag("--churn", shape.churn, "workers attach and detach among the steps");
  command.add_flag("--lag", shape.lag, "the drainer recycles up to the boundary before the last");
  command.add_flag("--observe", shape.observe, "workers ask for reserved() when they have published");
  command.add_option("--option", request.options, "NAME=VALUE of the log buffer");
  command.add_option("--seed", request.seed)->capture_default_str();
  command.add_option("--changes", request.changes, "of priorities, by a random search")
      ->capture_default_str();
}

/// What only one kind of search takes is not passed over in silence by another.
void refuse_unused(const CLI::App& command, const CommandLine& request) {
  const std::string search = request.schedule.empty() ? request.search : "replay";
  const std::pair<const char*, const char*> takers[] = {
      {"--preemptions", "bounded"}, {"--changes", "random"}, {"--seed", "random"}};
  for (const auto& [option, taker] : takers) {
    if (command.count(option) != 0 && search != taker) {
      throw std::invalid_argument(
          fmt::format("{}: a {} search takes none; want --search {}", option, search, taker));
    }
  }
}

int run(int argc, char** argv) {
  CLI::App app{
      "Explores executions of the log buffers' own sources, and of parts of the engine.\nExit codes: 0 "
      "nothing found, 1 a violation, "
      "2 mend the request, 3 mend the machine, 4 nothing found but not all looked at."};
  app.require_subcommand(1);
  CommandLine request;
  CLI::App* const list_command = app.add_subcommand("list", "the algorithms and their mutants, as JSON");
  CLI::App* const sites_command =
      app.add_subcommand("sites", "the memory orders that an algorithm uses, as JSON");
  add_shape(*sites_command, request);
  CLI::App* const explore_command = app.add_subcommand("explore", "looks for a violation of the contract");
  add_shape(*explore_command, request);
  explore_command
      ->add_option("--search", request.search, "reduced: all, by partial-order reduction; bounded; random")
      ->check(CLI::IsMember({"reduced", "bounded", "random"}))
      ->capture_default_str();
  explore_command->add_flag("--sequential", request.sequential, "no stale reads: interleavings alone");
  explore_command->add_option("--preemptions", request.preemptions, "of a bounded search, at most")
      ->check(CLI::Range(std::uint32_t{0}, kPreemptionsMax))
      ->capture_default_str();
  explore_command->add_option("--seconds", request.limits.seconds, "give up after these")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  explore_command->add_option("--executions", request.limits.executions, "give up after these");
  explore_command
      ->add_option("--shorten", request.shorten_seconds, "seconds to look for a shorter counterexample")
      ->check(CLI::Range(0.0, 1e9))
      ->capture_default_str();
  explore_command->add_option("--weaken", request.weaken,
                              "one order made weaker: FILE:LINE:COLUMN[:failure][=ORDER]");
  explore_command->add_option("--schedule", request.schedule, "replay this execution");
  explore_command->add_option("--trace", request.trace_file,
                              "write the counterexample there, for plots/interleaving.py");
  explore_command->add_flag("--json", request.json, "one line of JSON in place of words");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    fmt::print(stderr, "muster_model: {}\n", error.what());
    return kRequest;
  }
  if (list_command->parsed()) return list();
  if (explore_command->parsed()) refuse_unused(*explore_command, request);
  return sites_command->parsed() ? sites(request) : explore(request);
}

}  // namespace
}  // namespace muster::model

int main(int argc, char** argv) {
  using namespace muster::model;
  try {
    return run(argc, argv);
  } catch (const LimitReached& error) {
    std::cerr << "muster_model: " << error.what() << '\n';
    return 2;
  } catch (const std::invalid_argument& error) {
    std::cerr << "muster_model: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "muster_model: " << error.what() << '\n';
    return 3;
  }
}
