#include <benchmark/benchmark.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "algorithms/all.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "workloads/append_drainer.h"
#include "workloads/append_record.h"

namespace muster {
namespace {

constexpr std::array<std::int64_t, 6> kRecordBytes = {48, 120, 264, 1024, 4096, 12288};
constexpr std::uint64_t kSeed = 1;
constexpr int kOversubscribed = 8;  // threads; measured on every machine

/// The log buffer under test and the thread that drains it, for one run of one benchmark.
template <class A>
struct Drained {
  Drained(std::uint32_t workers, std::uint32_t record_bytes)
      : placement(benchmark_placement(workers)),
        options{.capacity = kBenchmarkCapacity, .max_workers = workers},
        payload(record_bytes, kSeed),
        working(workers),
        log(options),
        drainer([this, record_bytes](const std::stop_token& stop) {
          const Pinned pinned(placement.flusher);
          AppendDrainer<A> drain(log, options, record_bytes);
          while (!stop.stop_requested()) {
            const Lsn moved = drain.look();
            drain.recycle_batches();
            drain.pause(moved);
          }
        }) {}

  const Placement placement;
  const LogBufferOptions options;
  const AppendPayload payload;
  /// Those that have iterations left. Relaxed: a sign, which orders nothing.
  alignas(kCacheLine) std::atomic<std::uint32_t> working;
  A log;
  std::jthread drainer;
};

template <class A>
std::unique_ptr<Drained<A>>& current() {
  static std::unique_ptr<Drained<A>> drained;
  return drained;
}

template <class A>
void append(benchmark::State& state) {
  Drained<A>& drained = *current<A>();
  A& log = drained.log;
  const auto index = static_cast<std::uint32_t>(state.thread_index());
  const auto workers = static_cast<std::uint32_t>(state.threads());
  const auto bytes = static_cast<std::uint32_t>(state.range(0));
  const Pinned pinned(drained.placement.workers[index]);
  const WorkerId worker = log.attach();
  std::uint64_t sequence = 0;
  // The ring is new. Its first lap, a fault a page, is made before the clock starts, by all; none waits for room.
  for (std::size_t i = kBenchmarkCapacity / bytes / workers; i > 0; --i)
    append_record(log, worker, drained.payload, {bytes, index, sequence++});
  auto left = state.max_iterations;
  for ([[maybe_unused]] auto _ : state) {
    append_record(log, worker, drained.payload, {bytes, index, sequence++});
    if (--left == 0) {
      // Goes on until the last has done its share. Those that work beside fewer others are faster, and their clocks
      // stop earlier: with locks a rate came out up to twice as high as that of all.
      drained.working.fetch_sub(1, std::memory_order_relaxed);
      for (; drained.working.load(std::memory_order_relaxed) != 0; --left)
        append_record(log, worker, drained.payload, {bytes, index, sequence++});
      // Before the barrier at the loop's end: attached and idle there, it would stall the naive algorithms' others.
      log.detach(worker);
    }
  }
  const std::int64_t appended = static_cast<std::int64_t>(state.iterations()) - left;
  state.SetItemsProcessed(appended);
  state.SetBytesProcessed(appended * bytes);
}

template <class A>
void add() {
  auto* const bench = benchmark::RegisterBenchmark(("append/" + name_with_policy<A>()).c_str(), append<A>);
  bench->UseRealTime()->ArgName("bytes");
  for (const std::int64_t bytes : kRecordBytes) bench->Arg(bytes);
  for (const int threads : append_thread_counts()) bench->Threads(threads);
  bench->Setup([](const benchmark::State& state) {
    current<A>() = std::make_unique<Drained<A>>(static_cast<std::uint32_t>(state.threads()),
                                                static_cast<std::uint32_t>(state.range(0)));
  });
  bench->Teardown([](const benchmark::State&) { current<A>().reset(); });
}

}  // namespace

std::set<int> append_thread_counts() {
  std::set<int> counts = {kOversubscribed};
  for (int threads = 1; threads <= static_cast<int>(benchmark_machine().units().size()); threads *= 2)
    counts.insert(threads);
  return counts;
}

void register_append_benchmarks() {
  for_each_type(AllAlgorithms<NativePlatform>{}, [](auto type) {
    using A = typename decltype(type)::type;
    for_each_type(WithEachPolicy<A>{}, [](auto with) { add<typename decltype(with)::type>(); });
  });
}

}  // namespace muster
