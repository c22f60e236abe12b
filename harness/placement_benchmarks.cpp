#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "harness/memory.h"
#include "harness/page_nodes.h"
#include "harness/phases.h"
#include "workloads/workload.h"

// What placing threads and looking for memory cost around a run. None of it is in a measured window.

namespace muster {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20;

/// One iteration asks for the node of every page of so much memory, all of it touched.
void verify_pages(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0) * kMebibyte);
  if (available_memory().value_or(bytes) <= bytes) {
    state.SkipWithError("this machine has less memory available");
    return;
  }
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) {
    state.SkipWithError("no memory");
    return;
  }
  std::uint64_t pages = 0;
  for ([[maybe_unused]] auto _ : state)
    pages += find_pages({static_cast<std::byte*>(at), bytes}, UINT64_MAX).looked_at;
  state.SetItemsProcessed(static_cast<std::int64_t>(pages));
  ::munmap(at, bytes);
}

/// Threads that have nothing to do.
class NoWork final : public Workload {
 public:
  std::string_view operations() const override { return "nothings"; }
  void prepare() override {}
  void work(std::uint32_t, const RunControl&, WorkerProgress&) override {}
  RepetitionReport finish() override { return {}; }
  std::vector<Check> close() override { return {}; }
};

/// One iteration starts so many workers, pins them, reads back where they are, lets them start together and joins them.
void start_threads(benchmark::State& state) {
  const Placement placement = benchmark_placement(static_cast<std::uint32_t>(state.range(0)));
  const PhasePlan plan{.warmup = std::chrono::seconds(0), .window = std::chrono::seconds(0), .windows = 0};
  const PhaseHooks hooks{.interrupted = [] { return false; }, .progress = [](std::uint32_t) {}};
  NoWork workload;
  for ([[maybe_unused]] auto _ : state) run_phases(workload, benchmark_machine(), placement, plan, hooks);
}

}  // namespace

void register_placement_benchmarks() {
  benchmark::RegisterBenchmark("verify_pages", verify_pages)
      ->ArgName("mebibytes")
      ->Arg(256)
      ->Arg(4096)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("start_threads", start_threads)
      ->ArgName("threads")
      ->Arg(256)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace muster
