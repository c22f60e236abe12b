#include "harness/phases.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <latch>
#include <mutex>
#include <thread>

namespace muster {
namespace {

using Clock = std::chrono::steady_clock;

/// The threads of one repetition.
class Crew {
 public:
  Crew(Workload& workload, const Topology& topology, const Placement& placement)
      : workload_(workload),
        topology_(topology),
        placement_(placement),
        start_(static_cast<std::ptrdiff_t>(placement.workers.size()) + (workload.drains() ? 2 : 1)),
        progress_(placement.workers.size()) {
    found_.workers.resize(placement.workers.size());
    worker_threads_.resize(placement.workers.size());
    try {
      start_threads();
    } catch (...) {  // the machine has no thread left: the threads that have begun leave (enter())
      begun_.count_down();
      stop_and_join();
      throw;
    }
    start_.arrive_and_wait();
  }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  ~Crew() { stop_and_join(); }

  RunControl& control() { return control_; }
  const Found& found() const { return found_; }
  const std::vector<pid_t>& worker_threads() const { return worker_threads_; }

  Progressed sample() {
    Progressed total;
    for (const WorkerProgress& worker : progress_) {
      total.operations += worker.operations.load(std::memory_order_relaxed);
      total.bytes += worker.bytes.load(std::memory_order_relaxed);
    }
    return workload_.sample(total);
  }

  void stop_and_join() {
    control_.stop();
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    control_.workers_left();
    if (drainer_.joinable()) drainer_.join();
  }

  /// After stop_and_join().
  void rethrow_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void start_threads() {
    if (workload_.drains()) {
      found_.drainer = 0;
      drainer_ = std::thread([this] {
        if (enter(placement_.flusher, *found_.drainer)) guarded([this] { workload_.drain(control_); });
      });
    }
    for (std::uint32_t worker = 0; worker < placement_.workers.size(); ++worker) {
      workers_.emplace_back([this, worker] {
        worker_threads_[worker] = ::gettid();
        if (!enter(placement_.workers[worker], found_.workers[worker])) return;
        guarded([&] { workload_.work(worker, control_, progress_[worker]); });
      });
    }
    all_begun_ = true;
    begun_.count_down();
  }

  /// False where not all threads could be started. Then none allocates anything: where the last one's stack finds no room,
  /// an allocator may find none either, and jemalloc crashes.
  bool enter(std::optional<unsigned> asked, unsigned& found) {
    begun_.wait();
    if (!all_begun_) return false;
    guarded([&] { found = asked ? topology_.pin_this_thread(*asked) : topology_.where_this_thread_runs(); });
    start_.arrive_and_wait();
    return true;
  }

  /// Keeps the first thing that any thread throws, and stops all.
  template <class F>
  void guarded(F&& f) {
    try {
      f();
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
      control_.stop();
    }
  }

  Workload& workload_;
  const Topology& topology_;
  const Placement& placement_;
  RunControl control_;
  std::latch begun_{1};
  bool all_begun_ = false;  // written before begun_ is counted down, read after the wait for it
  std::latch start_;
  std::vector<WorkerProgress> progress_;
  Found found_;
  std::vector<pid_t> worker_threads_;  // written by each before the start, read after it
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::vector<std::thread> workers_;
  std::thread drainer_;
};

/// False where the run ended before the time did.
bool wait_until(Clock::time_point time, const RunControl& control, const PhaseHooks& hooks) {
  constexpr std::chrono::milliseconds kGlance{20};
  while (Clock::now() < time) {
    if (control.stopped() || hooks.interrupted()) return false;
    std::this_thread::sleep_until(std::min(time, Clock::now() + kGlance));
  }
  return !control.stopped();
}

/// Reads what the crew does, one stretch of time after the other.
class Reader {
 public:
  explicit Reader(Crew& crew) : crew_(crew), from_(Clock::now()), before_(crew.sample()) {}

  Clock::time_point from() const { return from_; }
  const Progressed& done() const { return before_; }

  /// From the end of the last one until now.
  Window next() {
    const Clock::time_point now = Clock::now();
    const Progressed after = crew_.sample();
    const Window read{.seconds = std::chrono::duration<double>(now - from_).count(),
                      .operations = after.operations - before_.operations,
                      .bytes = after.bytes - before_.bytes};
    from_ = now;
    before_ = after;
    return read;
  }

 private:
  Crew& crew_;
  Clock::time_point from_;
  Progressed before_;
};

Window& operator+=(Window& whole, const Window& part) {
  whole.seconds += part.seconds;
  whole.operations += part.operations;
  whole.bytes += part.bytes;
  return whole;
}

std::uint32_t intervals_in(std::chrono::duration<double> window) {
  constexpr std::chrono::duration<double> kInterval{0.1};
  return std::max(1u, static_cast<std::uint32_t>(std::lround(window / kInterval)));
}

}  // namespace

Measured run_phases(Workload& workload, const Topology& topology, const Placement& placement,
                    const PhasePlan& plan, const PhaseHooks& hooks) {
  Measured measured;
  Crew crew(workload, topology, placement);
  const auto ticks = [](std::chrono::duration<double> d) {
    return std::chrono::duration_cast<Clock::duration>(d);
  };

  bool running = wait_until(Clock::now() + ticks(plan.warmup), crew.control(), hooks);
  if (hooks.windows_begin) hooks.windows_begin(crew.worker_threads());
  crew.control().measure();
  Reader reader(crew);
  workload.window_edge(reader.done());
  const std::uint32_t intervals = intervals_in(plan.window);
  measured.interval_s = plan.window.count() / intervals;
  for (std::uint32_t window = 0; running && window < plan.windows; ++window) {
    hooks.progress(window);
    const Clock::time_point begin = reader.from();
    Window whole;
    for (std::uint32_t ended = 1; running && ended <= intervals; ++ended) {
      running = wait_until(begin + ticks(plan.window * ended / intervals), crew.control(), hooks);
      measured.intervals.push_back(reader.next());
      whole += measured.intervals.back();
    }
    workload.window_edge(reader.done());
    measured.windows.push_back(whole);
  }
  if (hooks.windows_end) hooks.windows_end();
  crew.stop_and_join();
  crew.rethrow_failure();
  if (hooks.interrupted()) throw Interrupted();
  measured.found = crew.found();
  return measured;
}

}  // namespace muster
