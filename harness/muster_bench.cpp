// The Google Benchmarks: what one append and one advance cost, and how fresh a boundary is (benchmarks.h).
//
// Rates of append are by the wall clock and over all threads, while a drainer finds the boundary and throws the
// bytes away. A figure is best read as a share of `bound` in the same run, interleaved, or against `null`:
// scripts/append_benchmarks.py and scripts/advance_benchmarks.py do that.
#include <benchmark/benchmark.h>

#include <cstdio>
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
  add({{"placement", benchmark_placement()}, {"threads", kBenchmarkThreads}});
}

void print_help() {
  std::printf(
      "muster_bench [--placement=compact|scatter|none|[UNIT,...]]  the workers' units, then the drainer's "
      "(compact)\n"
      "\nAnd the options of Google Benchmark:\n\n");
  benchmark::PrintDefaultHelp();
}

/// Takes --placement out of the arguments, which the library would not know. Throws ConfigError.
void take_placement(int& argc, char** argv) {
  constexpr std::string_view kOption = "--placement";
  int left = 0;
  for (int i = 0; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(kOption) && argument.substr(kOption.size()).starts_with('=')) {
      place_benchmarks(std::string(argument.substr(kOption.size() + 1)));
    } else if (argument == kOption) {
      if (++i == argc)
        throw ConfigError("--placement", "nothing", "want compact, scatter, none or [UNIT,...]");
      place_benchmarks(argv[i]);
    } else {
      argv[left++] = argv[i];
    }
  }
  argc = left;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) try {
  muster::take_placement(argc, argv);
  muster::register_append_benchmarks();
  muster::register_advance_benchmarks();
  muster::register_lag_benchmarks();
  muster::register_workload_benchmarks();
  muster::describe();
  benchmark::Initialize(&argc, argv, muster::print_help);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
} catch (const muster::ConfigError& error) {
  std::fprintf(stderr, "muster_bench: %s\n", error.what());
  return 2;
}
