// The Google Benchmarks: what one append and one advance cost, and how fresh a boundary is (benchmarks.h).
//
// Rates of append are by the wall clock and over all threads, while a drainer finds the boundary and throws the
// bytes away. A figure is best read as a share of `bound` in the same run, interleaved, or against `null`:
// scripts/append_benchmarks.py and scripts/advance_benchmarks.py do that.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "engine/error.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "harness/machine.h"

namespace muster {
namespace {

/// A result says what it was measured with and on.
void describe() {
  const auto add = [](const nlohmann::ordered_json& description) {
    for (const auto& [key, value] : description.items()) {
      benchmark::AddCustomContext(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  };
  add(describe_build());
  add(describe_machine(Topology::this_machine(), ""));
  add({{"placement", benchmark_placement()},
       {"flusher_placement", benchmark_flusher_placement()},
       {"threads", kBenchmarkThreads}});
}

void print_help() {
  std::printf(
      "muster_bench [--placement=P] [--flusher.placement=P]  as the keys of a run, which muster keys "
      "explains: the "
      "workers' units (compact), the drainer's (next)\n"
      "             [--directory=DIR]  files of log_writes/, crash/ and restart/ (the system's temporary "
      "folder)\n"
      "\nAnd the options of Google Benchmark:\n\n");
  benchmark::PrintDefaultHelp();
}

constexpr std::string_view kDirectory = "directory";

/// The option of this argument, if it is one that the library does not know.
std::optional<std::string_view> option_of(std::string_view argument) {
  for (const std::string_view option :
       {std::string_view("placement"), std::string_view("flusher.placement"), kDirectory}) {
    const std::string_view name = argument.substr(0, argument.find('='));
    if (name.starts_with("--") && name.substr(2) == option) return option;
  }
  return std::nullopt;
}

void take(std::string_view option, const std::string& value) {
  if (option == kDirectory) return place_benchmark_files(value);
  place_benchmarks(std::string(option) + "=" + value);
}

/// Takes what places threads and files out of the arguments. Throws ConfigError.
void take_options(int& argc, char** argv) {
  int left = 0;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto option = option_of(argument);
    if (!option) {
      argv[left++] = argv[i];
    } else if (const std::size_t equals = argument.find('='); equals != std::string::npos) {
      take(*option, argument.substr(equals + 1));
    } else if (++i < argc) {
      take(*option, argv[i]);
    } else {
      throw ConfigError(argument, "nothing",
                        "want what the configuration's key takes, such as compact or node:0");
    }
  }
  argc = left;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) try {
  muster::take_options(argc, argv);
  muster::register_append_benchmarks();
  muster::register_advance_benchmarks();
  muster::register_lag_benchmarks();
  muster::register_workload_benchmarks();
  muster::register_log_write_benchmarks();
  muster::register_crash_benchmarks();
  muster::register_restart_benchmarks();
  muster::register_placement_benchmarks();
  muster::register_history_benchmarks();
  muster::register_memtable_benchmarks();
  muster::describe();
  benchmark::Initialize(&argc, argv, muster::print_help);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
} catch (const muster::ConfigError& error) {
  std::fprintf(stderr, "muster_bench: %s\n", error.what());
  return 2;
}
