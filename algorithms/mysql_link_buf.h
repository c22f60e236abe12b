#pragma once

#include <algorithm>
#include <bit>
#include <vector>

#include "algorithms/workers.h"

namespace muster {

/// MySQL 8's link buffer: every record leaves a link from its begin to its end, and the drainer follows them.
///
/// Protocol    reserve  begin = tail.fetch_add(size); wait for room
///             publish  wait until begin < boundary + window; link[begin mod window] = end of the record
///             advance  while the link at the boundary leads on, go to where it leads
/// Progress    reserve wait-free while the ring has room. publish blocking: a record that begins a window or
///             more above the boundary waits for whoever holds the boundary. Where the window is as large as
///             the ring it never does, since a record that has room begins below recycled + capacity; what is
///             declared holds for every window. advance wait-free, in O(records): it ends at what was
///             recycled plus the capacity, since nobody else moves that.
/// Invariants  Links are never cleared. A link is written over only once its position lies below the boundary
///             that its writer has seen, and the boundary got past it by following it: so an old link ends at
///             or below the boundary, however long its record was, and is known by that. Sizes are at least 1.
///             A boundary is where a link ends: a record's end.
/// Ordering    [link] released by the record's worker, acquired by the drainer that follows it: the copy is
///                    visible to who is past it. One link orders one record, so that each is acquired.
///             [boundary] released by the drainer, acquired by who writes a link because he has seen it: the
///                    drainer's look at the old link comes first, and with it the old link. Without that C++ lets
///                    the new link be the older of the two, and the boundary wait for ever at the one that stays.
///             [tail] relaxed: it hands out disjoint ranges and publishes nothing.
/// Source      MySQL 8.0, InnoDB's redo log: Link_buf (storage/innobase/include/ut0link_buf.h) as
///             recent_written, whose default of 1 Mi links (innodb_log_recent_written_size) is kept.
/// Differs     The drainer alone follows links, at every advance. In MySQL 8.0's later releases workers do, too,
///             when they have written one, so that there the window waits for nobody but the slowest of
///             them; here it also waits for a drainer that takes its time. A window larger than the ring is
///             cut to it: no record begins farther ahead.
///             A worker remembers how far it has seen the window reach, and does not look at the boundary
///             for every record.
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

template <class Platform>
struct Worker {
  typename Ring<Platform>::KnownRoom room;
  Lsn window_end = 0;  // what begins below it may be linked, as far as this worker has seen
};

}  // namespace mysql_link_buf

template <class Platform>
class MysqlLinkBuf : public LogBufferBase<Platform, mysql_link_buf::Worker<Platform>> {
  using Worker = mysql_link_buf::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "mysql_link_buf",
                                      .title = "MySQL link buffer",
                                      .source = "MySQL 8.0, InnoDB, ut0link_buf.h",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free,
                                      .reach = &mysql_link_buf::window};

  explicit MysqlLinkBuf(const LogBufferOptions& options)
      : Base(options), window_(mysql_link_buf::window(options)), links_(window_), tail_(options.start) {
    tail_.describe("tail");
    for (std::uint32_t i = 0; i < window_; ++i) links_[i].describe("link", i);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    const Lsn begin = tail_.fetch_add(size, std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, workers_[worker].room);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    if (window_ < ring_.capacity()) wait_for_window(reservation.begin, workers_[worker]);
    link_at(reservation.begin).store(reservation.end(), std::memory_order_release);  // [link]
  }

  Lsn advance() {
    Lsn boundary = this->last_found();
    for (Lsn end; (end = link_at(boundary).load(std::memory_order_acquire)) > boundary;) {  // [link]
      boundary = end;
    }
    return this->found(boundary, std::memory_order_release);  // [boundary]
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  auto& link_at(Lsn lsn) { return links_[lsn & (window_ - 1)]; }

  void wait_for_window(Lsn begin, Worker& self) {
    if (begin < self.window_end) [[likely]]
      return;
    self.window_end = this->found_location().load(std::memory_order_acquire) + window_;  // [boundary]
    if (begin < self.window_end) return;
    const auto in_window = [&](Lsn boundary) { return begin < boundary + window_; };
    Platform::await(this->found_location(), in_window, std::memory_order_acquire,
                    WaitFor::predecessor);  // [boundary]
  }

  const std::uint64_t window_;  // of links, a power of two
  // Not padded: sixteen of them to a cache line, which are the links of sixteen bytes of log.
  std::vector<typename Platform::template Atomic<Lsn>> links_;        // [link]
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;  // [tail] every worker writes
};
static_assert(LogBufferAlgorithm<MysqlLinkBuf<>>);

}  // namespace muster
