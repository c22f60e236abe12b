#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <thread>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "workloads/random.h"
#include "workloads/ticks.h"
#include "workloads/workload.h"

namespace muster {

enum class Arrivals : std::uint8_t {
  constant,  ///< equally far apart, those of all workers together
  poisson,   ///< each worker's at random, independently of all others
};

/// An open loop: transactions are due at a rate, whatever becomes of those before (Schroeder, Wierman, Harchol-Balter,
/// "Open versus closed: a cautionary tale", NSDI'06).
struct LoadOptions {
  double rate =
      0;  ///< transactions a second over all workers; 0: closed, each begins when the one before is done
  Arrivals arrivals = Arrivals::constant;

  bool is_open() const { return rate > 0; }
};

/// When one worker's transactions are due, in seconds after the begin. Each worker has its own schedule at an equal
/// share of the rate; constant ones are set apart from each other.
class Schedule {
 public:
  Schedule(const LoadOptions& load, std::uint32_t worker, std::uint32_t workers, std::uint64_t seed)
      : load_(load), interval_s_(workers / load.rate), random_(seed, worker), due_s_(worker / load.rate) {
    if (load_.arrivals == Arrivals::poisson) due_s_ = drawn();
  }

  double due_s() const { return due_s_; }
  void advance() {
    ++number_;
    // Constant ones by multiplication: a sum of a million intervals would be off by their rounding.
    due_s_ = load_.arrivals == Arrivals::poisson ? due_s_ + drawn()
                                                 : first_s_ + static_cast<double>(number_) * interval_s_;
  }

 private:
  double drawn() { return -std::log1p(-random_.uniform()) * interval_s_; }

  const LoadOptions load_;
  const double interval_s_;
  Random random_;
  double due_s_;
  const double first_s_ = due_s_;
  std::uint64_t number_ = 0;
};

/// Makes one worker begin its transactions when they are due. A worker that is late begins the next one at once: none is
/// left out, and its latency counts from when it was due.
class Pacer {
 public:
  struct Start {
    std::uint64_t due = 0;    ///< in Ticks
    std::uint64_t begun = 0;  ///< in Ticks
    std::uint64_t delay = 0;  ///< Ticks that waiting has added: from when it was due and the worker free
  };

  /// `crowded`: there are no more units than threads, so that a worker which polls would keep another from working.
  Pacer(const Schedule& schedule, std::uint64_t begin, double ns_per_tick, bool crowded)
      : schedule_(schedule), begin_(begin), ns_per_tick_(ns_per_tick), crowded_(crowded) {}

  /// Waits until the next one is due or the run stops, which the caller has to look at.
  Start next(const RunControl& control) {
    const std::uint64_t free = Ticks::now();
    const auto due = begin_ + static_cast<std::uint64_t>(schedule_.due_s() * 1e9 / ns_per_tick_);
    schedule_.advance();
    std::uint64_t now = free;
    while (now < due && !control.stopped()) {
      wait(static_cast<double>(due - now) * ns_per_tick_);
      now = Ticks::now();
    }
    return {due, now, now - std::min(now, std::max(due, free))};
  }

 private:
  /// A sleeper wakes late, by some 60 us here: it sleeps until so long before, and polls then.
  static constexpr double kPolled_ns = 150e3;
  static constexpr double kSlice_ns = 5e6;  // until it looks again whether the run has stopped

  void wait(double left_ns) const {
    if (left_ns > kPolled_ns) {
      const auto sleep =
          std::chrono::nanoseconds(static_cast<std::int64_t>(std::min(left_ns - kPolled_ns, kSlice_ns)));
      std::this_thread::sleep_for(sleep);
    } else if (crowded_) {
      std::this_thread::yield();
    } else {
      Backoff::relax();
    }
  }

  Schedule schedule_;
  const std::uint64_t begin_;
  const double ns_per_tick_;
  const bool crowded_;
};

/// What the workers of an open loop share in one repetition.
class OpenLoop {
 public:
  /// `clock` is old enough to say how long a tick is.
  OpenLoop(const LoadOptions& load, const Ticks& clock)
      : load_(load), ns_per_tick_(clock.ns_per_tick()), begin_(Ticks::now()) {}

  /// One worker's, of so many.
  Pacer pacer(std::uint32_t worker, std::uint32_t workers, std::uint64_t seed) const {
    const bool crowded = workers >= std::thread::hardware_concurrency();
    return {Schedule(load_, worker, workers, seed), begin_, ns_per_tick_, crowded};
  }

  /// At each window's edge, with all transactions that are done.
  void sample(std::uint64_t done) {
    const double seconds = static_cast<double>(Ticks::now() - begin_) * ns_per_tick_ / 1e9;
    edges_.push_back(
        {seconds, done, static_cast<std::int64_t>(load_.rate * seconds) - static_cast<std::int64_t>(done)});
  }

  LoadReport report() const {
    const Edge& first = edges_.front();
    const Edge& last = edges_.back();
    const double seconds = last.seconds - first.seconds;
    const double due = load_.rate * seconds;
    const bool grows = std::ranges::is_sorted(edges_, {}, &Edge::backlog);
    return {.offered = load_.rate,
            .achieved = seconds > 0 ? static_cast<double>(last.done - first.done) / seconds : 0,
            .backlog = std::max<std::int64_t>(0, last.backlog),
            .saturated = grows && static_cast<double>(last.backlog - first.backlog) > due / 100};
  }

 private:
  struct Edge {
    double seconds = 0;
    std::uint64_t done = 0;
    std::int64_t backlog = 0;
  };

  const LoadOptions load_;
  const double ns_per_tick_;
  const std::uint64_t begin_;  // Ticks
  std::vector<Edge> edges_;
};

}  // namespace muster
