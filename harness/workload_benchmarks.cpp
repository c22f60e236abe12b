#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/registry.h"
#include "engine/error.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "harness/phases.h"
#include "harness/run_directory.h"
#include "workloads/append.h"
#include "workloads/random.h"
#include "workloads/ycsb.h"
#include "workloads/ycsb_value.h"

// What a run costs around that which it measures: the workloads as `muster run` drives them, for one window, beside
// the same operations in a bare loop. Of append the bare loops are the benchmarks append/ (append_benchmarks.cpp).

namespace muster {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr PhasePlan kPlan{
    .warmup = std::chrono::duration<double>(0.1), .window = std::chrono::duration<double>(0.1), .windows = 1};
constexpr std::uint64_t kYcsbRecords = 1'000'000;
constexpr std::uint64_t kBareTransactions = 100'000;

/// One repetition of a loaded workload.
void run_window(benchmark::State& state, Workload& workload, std::uint32_t workers) {
  const PhaseHooks hooks{.interrupted = [] { return false; }, .progress = [](std::uint32_t) {}};
  workload.prepare();
  const Measured measured =
      run_phases(workload, benchmark_machine(), benchmark_placement(workers), kPlan, hooks);
  workload.finish();
  state.SetIterationTime(measured.windows[0].seconds);
  state.SetItemsProcessed(static_cast<std::int64_t>(measured.windows[0].operations));
  state.SetBytesProcessed(static_cast<std::int64_t>(measured.windows[0].bytes));
}

void append_workload(benchmark::State& state, std::string_view algorithm) {
  const auto workers = static_cast<std::uint32_t>(state.range(1));
  const AppendOptions options{.bytes = {static_cast<std::uint32_t>(state.range(0))}};
  for ([[maybe_unused]] auto _ : state) {
    const auto workload = make_append(algorithm, {.capacity = kBenchmarkCapacity}, options, workers, kSeed);
    run_window(state, *workload, workers);
    workload->close();
  }
}

/// YCSB A as a run with these keys: uniform, a million records, one worker, log.device memory, policy pipelined.
struct Ycsb {
  Ycsb() {
    DatabaseOptions database_options;
    database_options.directory = directory.database();
    database_options.log.device = "memory";
    database_options.log.on_flusher_start = [] {
      if (const auto unit = benchmark_placement(1).flusher) benchmark_machine().pin_this_thread(*unit);
    };
    const auto open = [this](const DatabaseOptions& o) {
      auto opened = Database::open(o);
      database = opened.get();
      return opened;
    };
    workload =
        make_ycsb({.records = kYcsbRecords},
                  {.database = database_options, .policy = CommitPolicy::pipelined, .seed = kSeed}, open);
    workload->load([] { return false; });
  }

  RunDirectory directory{"", false};  // goes last
  Database* database = nullptr;       // the workload's
  std::unique_ptr<Workload> workload;
};

void ycsb_workload(benchmark::State& state) {
  static const Ycsb ycsb;
  for ([[maybe_unused]] auto _ : state) run_window(state, *ycsb.workload, 1);
}

/// The same transactions over the same kind of session: nothing is drawn but keys, and nothing verified or timed.
void ycsb_bare(benchmark::State& state) {
  static const Ycsb ycsb;
  const Pinned pinned(benchmark_placement(1).workers[0]);
  const auto session = ycsb.database->attach(CommitPolicy::pipelined);
  const TableId table = *ycsb.database->find_table("usertable");
  const std::vector<std::byte> written(YcsbOptions{}.value_bytes, std::byte{0x5a});
  std::vector<std::byte> read;
  static Random random(kSeed);
  for ([[maybe_unused]] auto _ : state) {
    const std::uint64_t drawn = random.next();
    const YcsbKey key = ycsb_key((drawn >> 1) % kYcsbRecords);
    session->begin();
    const Status status =
        (drawn & 1) != 0 ? session->read(table, key, read) : session->update(table, key, written);
    if (status != Status::ok) state.SkipWithError("a key is not there");
    session->commit(nullptr, nullptr);
  }
  session->wait_for_acknowledgements();
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

void register_workload_benchmarks() {
  for (const AlgorithmInfo& info : algorithms()) {
    const std::string name(info.name);
    auto* const bench =
        benchmark::RegisterBenchmark(("workload/append/" + name).c_str(),
                                     [name](benchmark::State& state) { append_workload(state, name); });
    bench->ArgNames({"bytes", "workers"})->Iterations(1)->UseManualTime();
    for (const std::int64_t bytes : {120, 1024}) {
      for (const int workers : append_thread_counts()) bench->Args({bytes, workers});
    }
  }
  benchmark::RegisterBenchmark("workload/ycsb", ycsb_workload)->Iterations(1)->UseManualTime();
  benchmark::RegisterBenchmark("bare/ycsb", ycsb_bare)->Iterations(kBareTransactions)->UseRealTime();
}

}  // namespace muster
