#include <atomic>
#include <barrier>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "algorithms/parts/asymmetric_barrier.h"
#include "algorithms/parts/backoff.h"
#include "harness/calibration.h"
#include "harness/calibration_threads.h"

namespace muster {
namespace {

constexpr int kOperations = 10'000;  // of a sample of one thread's costs
constexpr int kWakeUps = 20;         // round trips of a sample
constexpr int kBarriers = 100;       // of a sample

/// ns of one call of many.
template <class Operation>
Spread cost_ns(double seconds, Operation operation) {
  return spread(samples_for(seconds, [&] {
    const auto begin = CalibrationClock::now();
    for (int i = 0; i < kOperations; ++i) operation();
    return ns_since(begin) / kOperations;
  }));
}

/// Two threads that wake each other in turn.
class Turns {
 public:
  void give(int to) {
    {
      const std::lock_guard lock(mutex_);
      turn_ = to;
    }
    changed_.notify_one();
  }
  /// False: it is over.
  bool wait(int mine) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == mine || turn_ == kOver; });
    return turn_ == mine;
  }
  static constexpr int kOver = -1;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int turn_ = 0;
};

}  // namespace

void on_units(const Topology& topology, const std::vector<unsigned>& units,
              const std::function<void(std::size_t)>& body) {
  std::barrier pinned(static_cast<std::ptrdiff_t>(units.size()));
  std::atomic<bool> failed = false;
  std::vector<std::exception_ptr> thrown(units.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < units.size(); ++i) {
      threads.emplace_back([&, i] {
        try {
          topology.pin_this_thread(units[i]);
        } catch (...) {
          thrown[i] = std::current_exception();
          failed.store(true, std::memory_order_relaxed);  // the barrier orders it before the loads below
        }
        pinned.arrive_and_wait();
        if (failed.load(std::memory_order_relaxed)) return;
        try {
          body(i);
        } catch (...) {
          thrown[i] = std::current_exception();
        }
      });
    }
  }
  for (const std::exception_ptr& one : thrown) {
    if (one) std::rethrow_exception(one);
  }
}

Spread membarrier_ns(const Topology& topology, const std::vector<unsigned>& units, double seconds) {
  std::vector<double> found;
  std::atomic<bool> over = false;
  on_units(topology, units, [&](std::size_t thread) {
    if (thread != 0) {
      while (!over.load(std::memory_order_relaxed)) {}  // relaxed: it publishes nothing
      return;
    }
    found = samples_for(seconds, [] {
      const auto begin = CalibrationClock::now();
      for (int i = 0; i < kBarriers; ++i) AsymmetricBarrier::heavy();
      return ns_since(begin) / kBarriers;
    });
    over.store(true, std::memory_order_relaxed);
  });
  return spread(found);
}

Costs costs_ns(const Topology& topology, unsigned unit, double seconds) {
  Costs found;
  on_units(topology, {unit}, [&](std::size_t) {
    alignas(kCacheLine) std::atomic<std::uint64_t> line = 0;
    // relaxed, all: there is no other thread, and on most processors the order costs what the operation does.
    found.fetch_add = cost_ns(seconds / 4, [&] { line.fetch_add(1, std::memory_order_relaxed); });
    found.compare_exchange =
        cost_ns(seconds / 4, [&, expected = line.load(std::memory_order_relaxed)]() mutable {
          if (line.compare_exchange_strong(expected, expected + 1, std::memory_order_relaxed)) ++expected;
        });
    found.pause = cost_ns(seconds / 4, [] { Backoff::relax(); });
    auto last = CalibrationClock::now();
    found.clock = cost_ns(seconds / 4, [&] { last = CalibrationClock::now(); });
  });
  return found;
}

Spread wake_up_ns(const Topology& topology, unsigned one, unsigned other, double seconds) {
  Turns turns;
  std::vector<double> found;
  on_units(topology, {one, other}, [&](std::size_t thread) {
    if (thread == 1) {
      while (turns.wait(1)) turns.give(0);
      return;
    }
    found = samples_for(seconds, [&] {
      const auto begin = CalibrationClock::now();
      for (int i = 0; i < kWakeUps; ++i) {
        turns.give(1);
        turns.wait(0);
      }
      return ns_since(begin) / (2 * kWakeUps);
    });
    turns.give(Turns::kOver);
  });
  return spread(found);
}

}  // namespace muster
