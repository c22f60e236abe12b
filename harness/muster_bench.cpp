// The Google Benchmarks: append/<algorithm>/bytes:<n>/real_time/threads:<t>.
//
// One iteration is one append: reserve, copy the record, publish. A drainer finds the boundary and throws the bytes
// away. Rates are by the wall clock and over all threads; a figure is best read as a share of `bound` in the same
// run, interleaved: scripts/append_benchmarks.py does that.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/all.h"
#include "harness/machine.h"

namespace muster {
namespace {

constexpr std::size_t kCapacity = std::size_t{16} << 20;  // bytes
constexpr std::array<std::int64_t, 6> kRecordBytes = {48, 120, 264, 1024, 4096, 12288};

/// The log buffer under test and the thread that drains it, for one run of one benchmark.
template <class A>
class Drained {
 public:
  explicit Drained(std::uint32_t workers)
      : log({.capacity = kCapacity, .max_workers = workers}),
        drainer_([this](std::stop_token stop) { drain(stop); }) {}

  A log;

 private:
  void drain(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      log.recycle(log.advance());
      // As a flusher's I/O would: a drainer that never looks away measures its own fight for the workers' lines.
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  std::jthread drainer_;
};

template <class A>
std::unique_ptr<Drained<A>>& current() {
  static std::unique_ptr<Drained<A>> drained;
  return drained;
}

template <class A>
void append(benchmark::State& state) {
  A& log = current<A>()->log;
  const auto size = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::byte> record(size, std::byte{0x5a});
  const WorkerId worker = log.attach();
  auto left = state.max_iterations;
  for ([[maybe_unused]] auto _ : state) {
    const Reservation r = log.reserve(worker, size);
    std::memcpy(r.bytes.data(), record.data(), size);
    log.publish(worker, r);
    // Before the barrier at the loop's end: attached and idle there, it would stall the naive algorithms' others.
    if (--left == 0) log.detach(worker);
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void register_all() {
  const int units = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  for_each_type(AllAlgorithms<NativePlatform>{}, [&](auto type) {
    using A = typename decltype(type)::type;
    auto* const bench =
        benchmark::RegisterBenchmark(("append/" + std::string(A::info.name)).c_str(), append<A>);
    bench->UseRealTime()->ArgName("bytes");
    for (const std::int64_t bytes : kRecordBytes) bench->Arg(bytes);
    for (int threads = 1; threads <= units; threads *= 2) bench->Threads(threads);
    bench->Setup([](const benchmark::State& state) {
      current<A>() = std::make_unique<Drained<A>>(static_cast<std::uint32_t>(state.threads()));
    });
    bench->Teardown([](const benchmark::State&) { current<A>().reset(); });
  });
}

/// A result says what it was measured with and on.
void describe() {
  const auto add = [](const nlohmann::ordered_json& description) {
    for (const auto& [key, value] : description.items()) {
      benchmark::AddCustomContext(key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  };
  add(describe_build());
  add(describe_machine(Topology::this_machine(), ""));
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  muster::register_all();
  muster::describe();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
