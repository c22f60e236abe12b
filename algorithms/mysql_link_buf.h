#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "algorithms/parts/workers.h"

namespace muster {

/// MySQL 8's link buffer. A worker that publishes in turn advances the end of what is published. A worker that is
/// early leaves a link from its record's begin to its record's end. One thread at a time follows the links.
///
/// Protocol    reserve  begin = tail.fetch_add(size); wait for room
///             publish  followed == begin: followed = end of the record, and that is all
///                      else wait until begin < followed + window; link[begin mod window] = end of the record;
///                      then follow links, as far as the own one
///             advance  follow links as far as they lead
///             follow   replace the link at `followed` by none, with a compare_exchange. The thread that succeeds walks
///                      on alone and stores where it arrives; one that fails tries once more, then leaves it
/// Progress    reserve wait-free while the ring has room. publish blocking: a record that begins a window or
///             more above `followed` waits for the owner of the range that begins there, or for a follower. Where
///             the window is as large as the ring it never does; what is declared holds for every window. advance
///             wait-free, in O(records): it ends at what was recycled plus the capacity, since only the drainer
///             moves that.
///             A worker that publishes in turn follows nothing, and a walker may miss a link that is left behind it.
///             The next early worker finds such a link, or a worker that waits for the window, or the drainer. A
///             thread that is descheduled while it walks holds all others back.
/// Invariants  `followed` is the start or a record's end, and one thread at a time moves it: the owner of the range
///             that begins there, which then left no link, or the thread that took the owner's link. No two
///             links have the same end, and none ends at 0, which a taken link leaves: a compare_exchange takes exactly
///             the link that was read. (Were the begin left instead, a later record's might equal that link's end.)
///             Links are not cleared in passing. A worker writes over another's link only once its position lies below
///             the value of `followed` that the worker has seen. So an old link ends at or below `followed`, however
///             long its record was, and is known by that. Sizes are at least 1. A link that ends a window or more ahead
///             may belong to the next lap: the thread that finds it has an old position, and `followed` has moved.
/// Ordering    [link] released by the record's worker, acquired by the follower: the copy is visible to every thread
///                    past it. One link orders one record, so each is acquired. The exchange that takes a link is
///                    relaxed: the link has been acquired, and what follows is between this thread and `followed`.
///             [followed] released by the thread that moves it. Acquired by the next that moves it (a plain store
///                    continues no other thread's release), by the drainer, and by a worker that writes a link because
///                    it has seen it: the look at the old link comes first, and brings the old link with it. Without
///                    that, C++ lets the new link be the older of the two, and all wait for ever at the other.
///             [tail] relaxed: it hands out disjoint ranges and publishes nothing.
/// Source      MySQL 8.4, InnoDB's redo log: Link_buf (storage/innobase/include/ut0link_buf.h) as
///             recent_written, whose default of 1 Mi links (innodb_log_recent_written_size) is kept. In the first
///             releases of 8.0 the log writer alone followed links.
/// Differs     A worker that waits for the window follows links whenever `followed` has moved, MySQL's every 20 us. So
///             here a missed link may leave it waiting for a drainer; `reach` says how far workers come alone.
///             A link of the next lap counts as an attempt, so following is bounded. A thread that took a link does
///             not check again whether `followed` has moved: it cannot have (Invariants). The walk acquires each
///             link, which MySQL's loads relaxed, and takes the first by a relaxed exchange, MySQL's by an acq_rel
///             one. A window larger than the ring is cut to it: no record begins farther ahead.
template <class Platform = NativePlatform>
class MysqlLinkBuf;

namespace mysql_link_buf {

inline constexpr std::uint64_t kMaxWindow = std::uint64_t{1} << 30;

/// Links that there are.
inline std::uint64_t window(const LogBufferOptions& options) {
  if (!std::has_single_bit(options.link_window) || options.link_window > kMaxWindow) {
    reject("link_window", options.link_window, "a power of two, " + std::to_string(kMaxWindow) + " at most");
  }
  return std::min<std::uint64_t>(options.link_window, options.capacity);
}

}  // namespace mysql_link_buf

template <class Platform>
class MysqlLinkBuf : public LogBufferBase<Platform, typename Ring<Platform>::KnownRoom> {
  using Base = LogBufferBase<Platform, typename Ring<Platform>::KnownRoom>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "mysql_link_buf",
                                      .title = "MySQL link buffer",
                                      .source = "MySQL 8.4, InnoDB, ut0link_buf.h",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free,
                                      .reach = &mysql_link_buf::window};

  explicit MysqlLinkBuf(const LogBufferOptions& options)
      : Base(options),
        window_(mysql_link_buf::window(options)),
        links_(window_),
        tail_(options.start),
        followed_(options.start) {
    tail_.describe("tail");
    followed_.describe("followed");
    for (std::uint32_t i = 0; i < window_; ++i) links_[i].describe("link", i);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    const Lsn begin = tail_.fetch_add(size, std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, workers_[worker]);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId, const Reservation& reservation) {
    const Lsn followed = followed_.load(std::memory_order_acquire);  // [followed]
    if (followed == reservation.begin) {
      followed_.store(reservation.end(), std::memory_order_release);  // [followed]
      return;
    }
    if (reservation.begin >= followed + window_) wait_for_window(reservation.begin);
    link_at(reservation.begin).store(reservation.end(), std::memory_order_release);  // [link]
    follow(reservation.begin);
  }

  Lsn advance() {
    follow(kAsFarAsTheyLead);
    return this->found(followed_.load(std::memory_order_acquire));  // [followed]
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  static constexpr Lsn kNone = 0;  // where no record ends
  static constexpr Lsn kAsFarAsTheyLead = ~Lsn{0};
  static constexpr int kAttempts = 2;

  auto& link_at(Lsn lsn) { return links_[lsn & (window_ - 1)]; }

  void wait_for_window(Lsn begin) {
    Lsn followed;
    const auto has_moved = [&](Lsn now) { return now != followed; };
    while (begin >= (followed = followed_.load(std::memory_order_acquire)) + window_) {  // [followed]
      follow(kAsFarAsTheyLead);  // then wait relaxed: the look after that acquires
      Platform::await(followed_, has_moved, std::memory_order_relaxed, WaitFor::predecessor);
    }
  }

  /// Follows links that begin at `last` or below, unless others are quicker.
  void follow(Lsn last) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const Lsn begin = followed_.load(std::memory_order_acquire);  // [followed]
      auto& link = link_at(begin);
      Lsn end = link.load(std::memory_order_acquire);  // [link]
      if (end <= begin || begin > last) return;
      // The next lap's? Its writer had seen `followed` move, so that after it this look sees that, too.
      if (end >= begin + window_ && followed_.load(std::memory_order_relaxed) != begin) continue;
      if (!link.compare_exchange(end, kNone, std::memory_order_relaxed, std::memory_order_relaxed)) continue;
      followed_.store(end_of_links(end, last), std::memory_order_release);  // [followed]
      return;
    }
  }

  /// Where the links lead that begin at `lsn`, up to that which begins at `last`.
  Lsn end_of_links(Lsn lsn, Lsn last) {
    while (lsn <= last) {
      const Lsn end = link_at(lsn).load(std::memory_order_acquire);  // [link]
      if (end <= lsn) break;
      lsn = end;
    }
    return lsn;
  }

  const std::uint64_t window_;  // of links, a power of two
  // Not padded: sixteen of them to a cache line, which are the links of sixteen bytes of log.
  std::vector<typename Platform::template Atomic<Lsn>> links_;            // [link]
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;      // [tail] every worker writes
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> followed_;  // [followed] every worker writes
};
static_assert(LogBufferAlgorithm<MysqlLinkBuf<>>);

}  // namespace muster
