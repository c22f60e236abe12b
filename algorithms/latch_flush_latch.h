#pragma once

#include "algorithms/parts/ttas_lock.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Two latches: one for the moment in which the position moves, one that copiers share and the flusher takes alone.
///
/// Protocol    reserve  position latch: wait for room; share the flush latch; begin = position, position += size
///             publish  let the flush latch go
///             advance  keep new copiers out; once those inside have left, everything below the position is copied.
///                      If they do not leave within a few microseconds, let new ones in; the boundary stays
/// Progress    reserve blocking; publish wait-free; advance wait-free: it lingers for a bounded number of looks.
/// Why no worker waits for ever
///             A worker that waits for room holds the position latch, which advance() does not take, and does not
///             share the flush latch yet. So the copiers inside wait for nothing: they leave, and no worker enters while
///             the ring is full. Then an advance finds the latch free, and everything below the position is recycled.
///             An advance that finds a copier inside lets new copiers in before it returns, since no further advance may
///             come. An advance with nothing new to find keeps no copier out, since a drainer that calls advance() in a
///             loop would starve the copiers.
/// Invariants  The position moves only while its mover holds both latches. The flusher that has the flush latch alone
///             therefore finds no range that is taken and not copied.
/// Ordering    [flush]  released by a copier that leaves, acquired by the flusher that sees no copier: all copies are
///                      visible, and so is the position. Released by the flusher, acquired by the next copier: the
///                      position has been read before it moves on.
///             position_ is plain: the latches order all that happens to it.
///             tail_     the same number for reserved(), which takes no latch; relaxed, as it promises nothing of bytes:
///                       an advance that reads it too early returns the boundary of before.
/// Source      Final report of a course, Database System (ITE2038, 2020-2), In-depth Analysis, further problems.
/// Differs     The report fills an array and empties it at each flush, which holds the flush latch over the write. Here
///             the array is a ring and the flusher lets copiers in before it writes: what lies below the boundary stays
///             until it is recycled. The report's flusher waits for its latch; here advance() gives up, since a worker
///             may be descheduled inside. The report says nothing of the order of the latches: the flush latch has to
///             be taken inside the position latch, after the wait for room (tests/model/mutants.py shows what else
///             happens). Any lock will do for the position latch; theirs is a std::mutex.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class LatchFlushLatch;

namespace latch_flush_latch {

/// How many copiers are inside, and whether the flusher keeps new ones out.
template <class Platform>
class FlushLatch {
 public:
  FlushLatch() { word_.describe("flush latch"); }

  void share() {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    while (is_kept_out(seen) || !try_share(seen)) {
      const auto may_enter = [](std::uint32_t word) { return !is_kept_out(word); };
      Platform::await(word_, may_enter, std::memory_order_relaxed, WaitFor::lock);
      seen = word_.load(std::memory_order_relaxed);
    }
  }
  void leave() { word_.fetch_sub(kCopier, std::memory_order_release); }  // [flush]

  /// Flusher: keeps new copiers out; whether those inside have left. In both cases let_in() has to follow.
  bool keep_out() {
    word_.fetch_add(kFlusher, std::memory_order_relaxed);
    const auto is_alone = [](std::uint32_t word) { return word == kFlusher; };
    return is_alone(Platform::linger(word_, is_alone, std::memory_order_acquire));  // [flush]
  }
  void let_in() { word_.fetch_sub(kFlusher, std::memory_order_release); }  // [flush]

 private:
  static constexpr std::uint32_t kCopier = 1;
  static constexpr std::uint32_t kFlusher = std::uint32_t{1} << 31;
  static constexpr bool is_kept_out(std::uint32_t word) { return (word & kFlusher) != 0; }

  bool try_share(std::uint32_t& seen) {
    return word_.compare_exchange(seen, seen + kCopier, std::memory_order_acquire,
                                  std::memory_order_relaxed);  // [flush]
  }

  typename Platform::template Atomic<std::uint32_t> word_{0};
};

}  // namespace latch_flush_latch

template <class Platform, template <class> class Lock>
class LatchFlushLatch : public LogBufferBase<Platform, typename Ring<Platform>::KnownRoom> {
  using Base = LogBufferBase<Platform, typename Ring<Platform>::KnownRoom>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "latch_flush_latch",
                                      .title = "Latch and flush latch",
                                      .source = "Course report (ITE2038, 2020), In-depth Analysis",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::by_taker};

  explicit LatchFlushLatch(const LogBufferOptions& options) : Base(options), tail_(options.start) {
    tail_.describe("tail");
    position_.write(options.start);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    position_latch_.lock();
    const Lsn begin = position_.read();
    ring_.wait_for_room(begin + size, workers_[worker]);
    flush_latch_.share();  // not before there is room, which the flusher makes
    position_.write(begin + size);
    tail_.store(begin + size, std::memory_order_relaxed);
    position_latch_.unlock();
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId, const Reservation&) { flush_latch_.leave(); }

  Lsn advance() {
    if (reserved() == this->last_found()) return this->last_found();  // no copier is kept out for nothing
    const Lsn boundary = flush_latch_.keep_out() ? position_.read() : this->last_found();
    flush_latch_.let_in();
    return this->found(boundary);
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

 private:
  // One line for all that a holder of the position latch writes.
  alignas(kCacheLine) Lock<Platform> position_latch_;
  typename Platform::template Cell<Lsn> position_;  // written with both latches, read with either
  typename Platform::template Atomic<Lsn> tail_;
  alignas(kCacheLine) latch_flush_latch::FlushLatch<Platform> flush_latch_;  // every copier writes it twice
};
static_assert(LogBufferAlgorithm<LatchFlushLatch<>>);

}  // namespace muster
