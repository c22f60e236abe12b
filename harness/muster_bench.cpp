// The Google Benchmarks: what one append and one advance cost, and how fresh a boundary is (benchmarks.h).
//
// Rates of append are by the wall clock and over all threads, while a drainer finds the boundary and throws the
// bytes away. A figure is best read as a share of `bound` in the same run, interleaved, or against `null`:
// scripts/append_benchmarks.py and scripts/advance_benchmarks.py do that.
#include <benchmark/benchmark.h>

#include <string>

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
  add({{"placement", kBenchmarkPlacement}});
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  muster::register_append_benchmarks();
  muster::register_advance_benchmarks();
  muster::register_lag_benchmarks();
  muster::describe();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
