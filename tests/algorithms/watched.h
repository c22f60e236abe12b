#pragma once

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "algorithms/log_buffer.h"

namespace muster::test {

/// A log buffer under a watchdog. If a call does not return for a long time, and meanwhile no other call begins and the
/// boundary and the recycled space stay where they are, the watchdog prints one line that says where each thread is,
/// and aborts.
///
/// Ordering  relaxed throughout: the watchdog must not order what the log buffer is there to order, or the race detector
///           would see nothing.
template <class Log>
class Watched {
 public:
  using Patience = std::chrono::milliseconds;
  static constexpr Patience kPatience{60'000};

  explicit Watched(const LogBufferOptions& options, Patience patience = kPatience)
      : Watched(Log::info.name, std::make_unique<Log>(options), options.start, patience) {}
  Watched(std::string_view name, std::unique_ptr<Log> log, Lsn start, Patience patience = kPatience)
      : name_(name), patience_(patience), log_(std::move(log)), recycled_(start) {}
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched() {
    const std::lock_guard lock(mutex_);
    done_ = true;
    ended_.notify_one();
  }

  WorkerId attach() { return log_->attach(); }
  void detach(WorkerId worker) { log_->detach(worker); }
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    const During during(worker_at(worker), Call::reserve, size);
    return log_->reserve(worker, size);
  }
  void publish(WorkerId worker, const Reservation& reservation) {
    const During during(worker_at(worker), Call::publish, reservation.begin);
    log_->publish(worker, reservation);
  }
  Lsn advance() {
    const During during(drainer_, Call::advance, 0);
    return log_->advance();
  }
  void recycle(Lsn upto) {
    log_->recycle(upto);
    recycled_.store(upto, kRelaxed);
  }
  Lsn boundary() const { return log_->boundary(); }
  Lsn reserved() const { return log_->reserved(); }
  std::span<const std::byte> bytes(Lsn begin, Lsn end) const { return log_->bytes(begin, end); }

 private:
  static constexpr auto kRelaxed = std::memory_order_relaxed;
  static constexpr WorkerId kWorkers = 64;

  enum class Call : std::uint8_t { none, reserve, publish, advance };

  /// Where one thread is; it alone writes.
  struct Place {
    std::atomic<Call> call{Call::none};
    std::atomic<std::uint64_t> of{0};     // reserve: how many bytes; publish: where the record begins
    std::atomic<std::uint64_t> count{0};  // calls that have begun
  };
  struct During {
    During(Place& at, Call call, std::uint64_t of) : place_(at) {
      at.of.store(of, kRelaxed);
      at.count.fetch_add(1, kRelaxed);
      at.call.store(call, kRelaxed);
    }
    ~During() { place_.call.store(Call::none, kRelaxed); }
    Place& place_;
  };

  /// What changes for as long as a worker or the boundary gets anywhere; the drainer may look in vain for ever.
  struct Seen {
    std::array<std::uint64_t, kWorkers> calls{};
    Lsn boundary = 0;
    Lsn recycled = 0;
    bool operator==(const Seen&) const = default;
  };

  Place& worker_at(WorkerId worker) {
    assert(worker < kWorkers);
    return workers_[worker];
  }

  Seen look() const {
    Seen seen{.boundary = log_->boundary(), .recycled = recycled_.load(kRelaxed)};
    for (WorkerId w = 0; w < kWorkers; ++w) seen.calls[w] = workers_[w].count.load(kRelaxed);
    return seen;
  }

  bool is_called() const {
    bool is = drainer_.call.load(kRelaxed) != Call::none;
    for (const Place& place : workers_) is = is || place.call.load(kRelaxed) != Call::none;
    return is;
  }

  void watch() {
    using Clock = std::chrono::steady_clock;
    Seen seen = look();
    Clock::time_point since = Clock::now();
    for (std::unique_lock lock(mutex_); !ended_.wait_for(lock, patience_ / 8, [&] { return done_; });) {
      const Seen now = look();
      if (now != seen || !is_called()) {
        seen = now;
        since = Clock::now();
      } else if (Clock::now() - since > patience_) {
        report();
        std::abort();
      }
    }
  }

  void report() const {
    std::string places;
    for (WorkerId w = 0; w < kWorkers; ++w) {
      const std::uint64_t of = workers_[w].of.load(kRelaxed);
      const Call call = workers_[w].call.load(kRelaxed);
      if (call == Call::reserve) places += fmt::format("; worker {} reserves {} bytes", w, of);
      if (call == Call::publish) places += fmt::format("; worker {} publishes {}", w, of);
    }
    if (drainer_.call.load(kRelaxed) != Call::none) places += "; the drainer advances";
    fmt::print(stderr, "watchdog: {}: no call returns: reserved {}, boundary {}, recycled {}{}\n", name_,
               log_->reserved(), log_->boundary(), recycled_.load(kRelaxed), places);
  }

  const std::string name_;
  const Patience patience_;
  const std::unique_ptr<Log> log_;
  std::array<Place, kWorkers> workers_;
  Place drainer_;
  std::atomic<Lsn> recycled_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  std::jthread watchdog_{[this] { watch(); }};  // last: it uses all of these
};

}  // namespace muster::test
