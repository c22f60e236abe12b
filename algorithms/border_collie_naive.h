#pragma once

#include <algorithm>
#include <limits>

#include "algorithms/parts/workers.h"

namespace muster {

/// Border-Collie's first attempt: one flag a worker, one colour, no cutoff.
///
/// Protocol    reserve  begin = tail.fetch_add(size); no room: flag = begin, and wait
///             publish  flag = end of the record
///             advance  minimum over the flags
/// Progress    wait-free (reserve: while the ring has room).
/// Stalls      An attached worker that does nothing holds the boundary at its last record for ever, and with
///             it everybody once the ring is full. That is the point of having it here.
/// Invariants  The flag of an attached worker is at or below the begin of its open and of its next
///             reservation. The flag of a slot without owner says so and counts as the tail that was read
///             before the scan.
/// Ordering    [flag] released by its worker, acquired by the scan: the copies below it are visible.
///             [tail] fetch-add released, the load before the scan acquired: a thread that sees a newcomer's range
///                    sees the flag that it planted in attach().
/// Source      Border-Collie, SIGMOD'19, section on the naive approach.
/// Differs     attach, detach and the wait for room, on which the paper is silent: as in border_collie.h.
template <class Platform = NativePlatform>
class BorderCollieNaive;

namespace border_collie_naive {

template <class Platform>
struct Worker {
  typename Platform::template Atomic<Lsn> flag;  // [flag] this worker writes, the scan reads
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace border_collie_naive

template <class Platform>
class BorderCollieNaive : public LogBufferBase<Platform, border_collie_naive::Worker<Platform>> {
  using Worker = border_collie_naive::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "border_collie_naive",
                                      .title = "Border-Collie, naive",
                                      .source = "SIGMOD 2019, doi 10.1145/3299869.3300071",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .stalls_on_idle = true};

  explicit BorderCollieNaive(const LogBufferOptions& options) : Base(options), tail_(options.start) {
    tail_.describe("tail");
    for (WorkerId w = 0; w < workers_.max(); ++w) {
      workers_[w].flag.describe("flag", w);
      workers_[w].flag.store(kNoOwner, std::memory_order_relaxed);  // before any thread shares it
    }
  }

  WorkerId attach() {
    const WorkerId worker = Base::attach();
    workers_[worker].flag.store(reserved(), std::memory_order_release);  // [flag] what comes lies above
    return worker;
  }
  void detach(WorkerId worker) {
    workers_[worker].flag.store(kNoOwner, std::memory_order_release);  // [flag]
    Base::detach(worker);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    const Lsn begin = tail_.fetch_add(size, std::memory_order_release);  // [tail]
    if (!ring_.has_room(begin + size, self.room)) [[unlikely]] {
      self.flag.store(begin, std::memory_order_release);  // [flag]
      ring_.wait_for_room(begin + size, self.room);
    }
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    workers_[worker].flag.store(reservation.end(), std::memory_order_release);  // [flag]
  }

  Lsn advance() {
    const Lsn before_scan = tail_.load(std::memory_order_acquire);  // [tail]
    const std::uint32_t covered = workers_.ever_used();
    Lsn boundary = covered == workers_.max() ? std::numeric_limits<Lsn>::max() : before_scan;
    for (WorkerId w = 0; w < covered; ++w) {
      const Lsn flag = workers_[w].flag.load(std::memory_order_acquire);  // [flag]
      boundary = std::min(boundary, flag == kNoOwner ? before_scan : flag);
    }
    return this->found(std::max(boundary, this->last_found()));
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  static constexpr Lsn kNoOwner = std::numeric_limits<Lsn>::max();

  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;  // [tail] every worker writes
};
static_assert(LogBufferAlgorithm<BorderCollieNaive<>>);

}  // namespace muster
