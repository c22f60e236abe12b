#include <benchmark/benchmark.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/lsm/memtable.h"
#include "harness/benchmarks.h"

namespace muster {
namespace {

using lsm::Memtable;

constexpr std::uint64_t kEntries = 1'000'000;
constexpr std::size_t kValueBytes = 100;

using Key = std::array<std::byte, sizeof(std::uint64_t)>;

/// The key of the entry with this number; different ones for different numbers.
Key key_of(bool random, std::uint64_t number) {
  if (random) {  // SplitMix64's output function
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
    number = (number ^ number >> 27) * 0x94d049bb133111eb;
    number ^= number >> 31;
  }
  Key key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(number >> (56 - 8 * i));
  return key;
}

void add(Memtable& memtable, bool random, std::uint64_t number) {
  static constexpr std::array<std::byte, kValueBytes> kValue{};
  const Key key = key_of(random, number);
  memtable.add({key, number, false, kValue});
}

/// Made anew for each benchmark, before its threads start.
std::unique_ptr<Memtable>& shared_memtable() {
  static std::unique_ptr<Memtable> memtable;
  return memtable;
}

void empty_memtable(const benchmark::State&) {
  shared_memtable() = std::make_unique<Memtable>();
}
void full_memtable(const benchmark::State& state) {
  empty_memtable(state);
  for (std::uint64_t number = 1; number <= kEntries; ++number)
    add(*shared_memtable(), state.range(0) != 0, number);
}
void no_memtable(const benchmark::State&) {
  shared_memtable().reset();
}

/// The threads take turns in the numbers, so that rising keys rise for all of them together.
void measure_adds(benchmark::State& state) {
  Memtable& memtable = *shared_memtable();
  auto number = static_cast<std::uint64_t>(state.thread_index()) + 1;
  for (auto _ : state) {
    add(memtable, state.range(0) != 0, number);
    number += static_cast<std::uint64_t>(state.threads());
  }
  state.SetItemsProcessed(state.iterations());
}

void measure_finds(benchmark::State& state) {
  const Memtable& memtable = *shared_memtable();
  std::uint64_t seed = static_cast<std::uint64_t>(state.thread_index()) << 32;
  std::uint64_t missed = 0;
  for (auto _ : state) {
    const std::uint64_t number = 1 + std::bit_cast<std::uint64_t>(key_of(true, ++seed)) % kEntries;
    missed += memtable.find(key_of(state.range(0) != 0, number)) ? 0 : 1;
  }
  if (missed > 0) state.SkipWithError("the memtable lost entries");
  state.SetItemsProcessed(state.iterations());
}

}  // namespace

void register_memtable_benchmarks() {
  const auto add_one = [](const char* name, void (*measure)(benchmark::State&),
                          void (*memtable)(const benchmark::State&), int threads) {
    auto* const one = benchmark::RegisterBenchmark(name, measure)->ArgName("random")->Arg(0)->Arg(1);
    one->Setup(memtable)->Teardown(no_memtable)->UseRealTime();
    one->Threads(threads)->Iterations(static_cast<std::int64_t>(kEntries) / threads);
  };
  for (const int threads : {1, 2}) {
    add_one("memtable/add", measure_adds, empty_memtable, threads);
    add_one("memtable/find", measure_finds, full_memtable, threads);
  }
}

}  // namespace muster
