#pragma once

#include <functional>
#include <thread>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "workloads/workload.h"

namespace muster::testing {

/// What a workload says after its last repetition.
struct Ran {
  RepetitionReport report;
  std::vector<Check> checks;
};

/// One repetition of a workload without pinning or windows: until `operations` are done, the first `warm_up` of them
/// before measuring begins, or until it has stopped itself. Throws what a worker threw. Returns how many operations
/// the workers counted.
inline std::uint64_t drive(Workload& workload, std::uint32_t threads, std::uint64_t operations,
                           std::uint64_t warm_up = 0) {
  workload.prepare();
  RunControl control;
  std::vector<WorkerProgress> progress(threads);
  std::vector<std::exception_ptr> failures(threads);
  const auto counted = [&] {
    Progressed sum;
    for (const WorkerProgress& p : progress) {
      sum.operations += p.operations.load();
      sum.bytes += p.bytes.load();
    }
    return sum;
  };
  const auto measure = [&] {
    control.measure();
    workload.window_edge(workload.sample(counted()));
  };
  if (warm_up == 0) measure();
  std::thread drainer;
  if (workload.drains()) drainer = std::thread([&] { workload.drain(control); });
  std::vector<std::thread> workers;
  for (std::uint32_t worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker] {
      try {
        workload.work(worker, control, progress[worker]);
      } catch (...) {
        failures[worker] = std::current_exception();
        control.stop();
      }
    });
  }
  const auto wait_for = [&](std::uint64_t wanted) {
    for (Backoff backoff; counted().operations < wanted && !control.stopped(); backoff.pause()) {}
  };
  wait_for(warm_up);
  if (warm_up != 0) measure();
  wait_for(operations);
  workload.window_edge(workload.sample(counted()));
  control.stop();
  for (std::thread& worker : workers) worker.join();
  control.workers_left();
  if (drainer.joinable()) drainer.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return counted().operations;
}

}  // namespace muster::testing
