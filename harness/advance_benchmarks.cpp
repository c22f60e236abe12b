#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/all.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"

namespace muster {
namespace {

constexpr std::uint32_t kRecord = 48;            // bytes
constexpr std::uint32_t kWorkers = 4;            // that share the outstanding records
constexpr std::int64_t kRegisteredMax = 1024;    // workers
constexpr std::int64_t kOutstandingMax = 16384;  // records
constexpr std::uint32_t kHopStretch = 1 << 20;   // bytes
constexpr std::size_t kEvictingBytes = 8 << 20;  // bytes: more than a core's own caches have

struct WouldWait : std::runtime_error {
  WouldWait() : std::runtime_error("so many records cannot be outstanding: it would wait") {}
};

/// The native platform for a thread that is alone: where it would wait for ever it says so.
struct AlonePlatform : NativePlatform {
  class Mutex {
   public:
    void lock() {
      if (!try_lock()) throw WouldWait{};
    }
    bool try_lock() { return !std::exchange(held_, true); }
    void unlock() { held_ = false; }

   private:
    bool held_ = false;
  };

  template <class T, class Predicate>
  static void await(const Atomic<T>& atomic, Predicate predicate, std::memory_order order, WaitFor) {
    if (!predicate(atomic.load(order))) throw WouldWait{};
  }
};

template <class A>
void append(A& log, WorkerId worker, std::uint32_t bytes = kRecord) {
  log.publish(worker, log.reserve(worker, bytes));  // its bytes do not matter
}

/// Calls f(). If that would wait, skips the benchmark and says why.
template <class F>
void skip_if_it_waits(benchmark::State& state, F f) {
  try {
    f();
  } catch (const WouldWait& wait) {
    state.SkipWithError(wait.what());
  }
}

/// One advance an iteration, after `prepare` has published something to find. What it costs to look at the clock
/// is in it; that is all that the figure of `null` is.
template <class A, class Prepare>
void advance(benchmark::State& state, A& log, Prepare prepare) {
  skip_if_it_waits(state, [&] {
    for ([[maybe_unused]] auto _ : state) {
      prepare();
      const auto start = std::chrono::steady_clock::now();
      const Lsn boundary = log.advance();
      const auto end = std::chrono::steady_clock::now();
      state.SetIterationTime(std::chrono::duration<double>(end - start).count());
      log.recycle(boundary);
    }
  });
}

/// Fills a core's caches with other bytes, as a drainer finds them that has done something else meanwhile.
class Evictor {
 public:
  void evict() {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < bytes_.size(); i += kLineBytes) sum += bytes_[i]++;
    benchmark::DoNotOptimize(sum);
  }

 private:
  static constexpr std::size_t kLineBytes = 64;  // the smallest line of the processors that this runs on
  std::vector<unsigned char> bytes_ = std::vector<unsigned char>(kEvictingBytes);
};

/// Against the workers that are attached, of which two, the first and the last, have published a record each since the
/// last advance. The others have stood still for long. `before` is called between publishing and advancing.
template <class A, class Before>
void registered(benchmark::State& state, Before before) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const auto log =
      std::make_unique<A>(LogBufferOptions{.capacity = kBenchmarkCapacity, .max_workers = count});
  const auto append_two = [&] {
    append(*log, 0);
    if (count > 1) append(*log, count - 1);
  };
  skip_if_it_waits(state, [&] {
    for (std::uint32_t i = 0; i < count; ++i) append(*log, log->attach());  // all have been busy once
    // A drainer that has run for a while knows which workers stand still.
    for (std::uint32_t i = 0; i < 3 * NativePlatform::kAdvancesARound; ++i) {
      append_two();
      log->recycle(log->advance());
    }
  });
  advance(state, *log, [&] {
    append_two();
    before();
  });
}

template <class A>
void registered_warm(benchmark::State& state) {
  registered<A>(state, [] {});
}

template <class A>
void registered_cold(benchmark::State& state) {
  Evictor evictor;
  registered<A>(state, [&] { evictor.evict(); });
}

/// Against the records that a few workers have published since the last advance behind one that is published last:
/// until then nobody could get past it, so they pile up. Were they published in turn, the drainer of mysql_link_buf would
/// find nothing to do, since its workers follow links.
template <class A>
void outstanding(benchmark::State& state) {
  const auto count = static_cast<std::uint32_t>(state.range(0));
  const auto log =
      std::make_unique<A>(LogBufferOptions{.capacity = kBenchmarkCapacity, .max_workers = kWorkers});
  for (std::uint32_t i = 0; i < kWorkers; ++i) log->attach();
  advance(state, *log, [&] {
    const Reservation first = log->reserve(0, kRecord);
    for (std::uint32_t i = 1; i < count; ++i) append(*log, 1 + i % (kWorkers - 1));
    log->publish(0, first);
  });
}

/// As outstanding(), a mebibyte of records of one size, against how much of it a hop of Eleda's skips.
template <class A>
void hop(benchmark::State& state) {
  const auto bits = static_cast<std::uint32_t>(state.range(0));
  const auto bytes = static_cast<std::uint32_t>(state.range(1));
  const auto log = std::make_unique<A>(
      LogBufferOptions{.capacity = kBenchmarkCapacity, .max_workers = kWorkers, .hop_bits = bits});
  for (std::uint32_t i = 0; i < kWorkers; ++i) log->attach();
  advance(state, *log, [&] {
    const Reservation first = log->reserve(0, bytes);
    for (std::uint32_t i = 1; i < kHopStretch / bytes; ++i) append(*log, 1 + i % (kWorkers - 1), bytes);
    log->publish(0, first);
  });
}

/// A fixed number of iterations: what stands around the timed part may be thousands of times longer.
void add(const std::string& name, void (*measure)(benchmark::State&), const char* argument,
         std::int64_t value, std::int64_t iterations) {
  benchmark::RegisterBenchmark(name.c_str(), measure)
      ->ArgName(argument)
      ->Arg(value)
      ->Iterations(iterations)
      ->UseManualTime();
}

}  // namespace

void register_advance_benchmarks() {
  for_each_type(AllAlgorithms<AlonePlatform>{}, [&](auto type) {
    using A = typename decltype(type)::type;
    const std::string name = "advance/" + std::string(A::info.name);
    // One that stalls on idle workers never gets anywhere here.
    for (std::int64_t n = 1; n <= kRegisteredMax && !A::info.stalls_on_idle; n *= 2) {
      add(name, registered_warm<A>, "registered", n, 20'000);
    }
    for (std::int64_t n = 1; n <= kRegisteredMax && !A::info.stalls_on_idle; n *= 4) {
      add(name, registered_cold<A>, "registered_cold", n, 64);
    }
    for (std::int64_t n = 1; n <= kOutstandingMax; n *= 4) {
      if (A::info.stalls_on_idle && n < kWorkers) continue;
      add(name, outstanding<A>, "outstanding", n, std::clamp<std::int64_t>((1 << 20) / n, 64, 20'000));
    }
  });
  benchmark::RegisterBenchmark("hop/eleda", hop<Eleda<AlonePlatform>>)
      ->ArgNames({"bits", "bytes"})
      ->ArgsProduct(
          {{6, 8, 10, 12, 14, 16, 18, 20, 24}, {48, 120, 1024, 4096}})  // 24: the ring, it only crawls
      ->Iterations(200)
      ->UseManualTime();
}

}  // namespace muster
