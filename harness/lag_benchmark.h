#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "harness/benchmark_threads.h"
#include "workloads/append_drainer.h"
#include "workloads/append_record.h"

namespace muster {

inline constexpr std::uint32_t kLagRecord = 120;  // bytes

/// How far a boundary lies behind what has been reserved when the advance that found it returns: of one worker that
/// appends without a pause, beside `idle` others that are attached and never do. Bytes: median and 99th percentile of
/// the advances, and what one has found on average.
template <class A>
void measure_lag(benchmark::State& state) {
  const auto idle = static_cast<std::uint32_t>(state.range(0));
  const LogBufferOptions options{.capacity = kBenchmarkCapacity, .max_workers = 1 + idle};
  A log(options);
  AppendDrainer<A> drainer(log, options, kLagRecord);
  const Placement placement = benchmark_placement(1);
  // What the worker has come to: signs, which order nothing. It is joined before anything of its is looked at.
  std::atomic<bool> warm = false;
  std::atomic<bool> gone = false;
  std::jthread worker([&](const std::stop_token& stop) {
    const Pinned pinned(placement.workers[0]);
    const AppendPayload payload(kLagRecord, 1);
    const WorkerId self = log.attach();
    std::uint64_t sequence = 0;
    const auto append = [&] { append_record(log, self, payload, {kLagRecord, 0, sequence++}); };
    for (std::size_t i = kBenchmarkCapacity / kLagRecord; i > 0; --i) append();  // page faults
    warm.store(true, std::memory_order_relaxed);
    while (!stop.stop_requested()) append();
    log.detach(self);
    gone.store(true, std::memory_order_relaxed);
  });
  const Pinned pinned(placement.flusher);
  const auto drain_until = [&](const std::atomic<bool>& sign) {
    for (Backoff backoff; !sign.load(std::memory_order_relaxed); backoff.pause()) {
      drainer.look();
      drainer.recycle(drainer.boundary());
    }
  };
  drain_until(warm);
  std::vector<WorkerId> others;
  for (std::uint32_t i = 0; i < idle; ++i) others.push_back(log.attach());
  const Lsn start = log.boundary();
  std::vector<Lsn> lags;
  Lsn moved = 0;
  lags.reserve(static_cast<std::size_t>(state.max_iterations));
  for ([[maybe_unused]] auto _ : state) {
    drainer.pause(moved);
    moved = drainer.look();
    lags.push_back(log.reserved() - drainer.boundary());
    drainer.recycle_batches();
  }
  const Lsn found = log.boundary() - start;
  worker.request_stop();
  for (const WorkerId other : others) log.detach(other);  // the worker may wait for what they hold back
  drain_until(gone);
  std::sort(lags.begin(), lags.end());
  const auto at = [&](double share) {
    return static_cast<double>(lags[static_cast<std::size_t>(share * static_cast<double>(lags.size() - 1))]);
  };
  state.counters["lag_p50"] = at(0.5);
  state.counters["lag_p99"] = at(0.99);
  state.counters["found"] = static_cast<double>(found) / static_cast<double>(lags.size());
}

/// Registers lag/<name>/idle:<n>. Returns true, so that a static object can do it.
template <class A>
bool add_lag_benchmarks(const std::string& name) {
  constexpr std::int64_t kIdle = 64;  // workers
  constexpr std::int64_t kAdvances = 4'000;
  for (const std::int64_t idle : {std::int64_t{0}, kIdle}) {
    benchmark::RegisterBenchmark(("lag/" + name).c_str(), measure_lag<A>)
        ->ArgName("idle")
        ->Arg(idle)
        ->Iterations(kAdvances)
        ->UseRealTime();
  }
  return true;
}

}  // namespace muster
