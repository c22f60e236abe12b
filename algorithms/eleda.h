#pragma once

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/spsc_list.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Eleda: the boundary hops over whole ranges when it is far behind and crawls from record to record when
/// near.
///
/// Protocol    reserve  see to it that the lists have a place; begin = tail.fetch_add(size); wait for room
///             publish  append (begin, end) to the worker's own crawling list; where it is the worker's first in
///                      its range of 2^H bytes, append the place in that list to its hopping list; add the
///                      record's bytes to the counter of its range (of each, where it crosses a range's edge)
///             advance  hop: while the counter of the boundary's range is full, go to the range's end. What
///                      the crawling lists hold below is dropped by the run, as the hopping lists tell.
///                      crawl: a min-heap over the heads of the crawling lists; while the least one begins at
///                      or below the boundary, go to its end.
/// Progress    reserve (while the ring has room, with the processor's fetch-add as counter) wait-free but for the growth of
///             a list, publish wait-free. advance wait-free: it stops at the tail that it read first; its work is
///             O(records x log workers) when it crawls, O(bytes / 2^H) when it hops.
/// Invariants  A counter adds up the published bytes of the ranges that share it, one in every two laps, and
///             runs on from lap to lap. A range is whole when its counter has reached what all of them up to it
///             amount to: bytes of the next one cannot be among them, since it cannot be filled before this one
///             is recycled; and one that is still missing from an earlier one makes the counter late, no more.
///             A hop may land inside a record. That record has been published, so that its worker's list has it
///             and the crawl that follows goes to its end: a boundary is always a record's end.
///             Within one crawling list LSNs rise, and a hopping list's entry is its worker's first to begin in
///             a range: what stands before the record before it ends below that range.
/// Ordering    [count] added with release, read with acquire: a full counter has synchronised with every copy
///                     in its range, and with the lists that hold its records (additions continue one
///                     another's release sequence).
///             the lists' own order carries the copies when crawling (spsc_list.h).
///             [tail]  relaxed: it hands out disjoint ranges and publishes nothing.
/// Source      Eleda, PVLDB 11(2) 135-148 (2017), section 4.
/// Differs     Counters are not reset, so that a crawl may overtake a worker that has not added to them yet.
///             Lists are chunked, and grow before the space is taken: were there no memory behind that, the boundary
///             would never pass it. A hop is tried at every advance, near or far. H, of which the paper says nothing,
///             is what made an advance cheapest here: 14, less in a small ring.
template <class Platform = NativePlatform, template <class> class Counter = HardwareCounter>
class Eleda;

namespace eleda {

struct Record {
  Lsn begin = 0;
  Lsn end = 0;
};

/// The first record of a worker in one range: where it stands in the crawling list.
struct Landing {
  Lsn begin = 0;
  std::uint64_t place = 0;
};

template <class Platform>
struct Worker {
  SpscList<Platform, Record> crawling;
  SpscList<Platform, Landing> hopping;
  Lsn next_range = 0;  // the first LSN that would open a range that is new to this worker
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace eleda

template <class Platform, template <class> class Counter>
class Eleda : public LogBufferBase<Platform, eleda::Worker<Platform>> {
  using Worker = eleda::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "eleda",
                                      .title = "Eleda",
                                      .source = "PVLDB 11(2) 135-148 (2017)",
                                      .reserve = Counter<Platform>::kFetchAdd,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .takes_counter = true};

  explicit Eleda(const LogBufferOptions& options)
      : Base(options),
        hop_bits_(checked_hop_bits(options)),
        lap_bits_(static_cast<std::uint32_t>(std::countr_zero(options.capacity)) + 1),
        counters_(std::size_t{1} << (lap_bits_ - hop_bits_)),
        on_heap_(options.max_workers, false),
        tail_(options) {
    heap_.reserve(options.max_workers);
    for (WorkerId w = 0; w < workers_.max(); ++w) {
      workers_[w].crawling.describe("crawling", w);
      workers_[w].hopping.describe("hopping", w);
    }
    // As if all below the start had been published: the range that each counter was last full for, and the start's.
    for (std::uint32_t i = 0; i < counters_.size(); ++i) {
      const Lsn range = (options.start >> lap_bits_ << lap_bits_) + (Lsn{i} << hop_bits_);
      const std::uint64_t bytes =
          options.start < range ? 0 : std::min(options.start - range, Lsn{1} << hop_bits_);
      counters_[i].bytes.describe("count", i);
      counters_[i].bytes.store(full(range) - (Lsn{1} << hop_bits_) + bytes,
                               std::memory_order_relaxed);  // not shared yet
    }
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    self.crawling.prepare();
    self.hopping.prepare();
    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, self.room);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    Worker& self = workers_[worker];
    const Lsn end = reservation.end();
    const std::uint64_t place = self.crawling.push({reservation.begin, end});
    if (reservation.begin >= self.next_range) {
      self.hopping.push({reservation.begin, place});
      self.next_range = end_of_range(reservation.begin);
    }
    for (Lsn from = reservation.begin; from < end;) {
      const Lsn upto = std::min(end, end_of_range(from));
      counter_of(from).fetch_add(upto - from, std::memory_order_release);  // [count]
      from = upto;
    }
  }

  Lsn advance() {
    const Lsn limit = reserved();
    Lsn boundary = hop(this->last_found(), limit);
    boundary = crawl(boundary, limit);
    return this->found(boundary);
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

  /// Ranges hopped over and records looked at one by one so far. The drainer's.
  std::uint64_t hops() const { return hops_; }
  std::uint64_t crawled() const { return crawled_; }

 private:
  struct alignas(kCacheLine) Count {
    typename Platform::template Atomic<std::uint64_t> bytes;  // [count] workers add, the drainer reads
  };
  struct Head {
    Lsn begin;
    Lsn end;
    WorkerId worker;
    bool operator<(const Head& other) const {
      return begin > other.begin;
    }  // std's heaps have the largest on top
  };

  static constexpr std::uint32_t kHopBits = 14;  // unless told otherwise
  // log2 of a ring's ranges, at most; each has two padded counters.
  static constexpr std::uint32_t kRangesBits = 20;

  static std::uint32_t checked_hop_bits(const LogBufferOptions& options) {
    const auto ring_bits = static_cast<std::uint32_t>(std::countr_zero(options.capacity));
    const std::uint32_t least = ring_bits > kRangesBits ? ring_bits - kRangesBits : 1;
    if (options.hop_bits == 0) {
      const std::uint32_t of_ring = ring_bits > 12 ? ring_bits - 6 : ring_bits / 2;
      return std::max(least, std::min(kHopBits, of_ring));
    }
    if (options.hop_bits > ring_bits || options.hop_bits < least) {
      reject(
          "hop_bits", options.hop_bits,
          "0, or " + std::to_string(least) + " to " + std::to_string(ring_bits) + ", log2 of the capacity");
    }
    return options.hop_bits;
  }

  auto& counter_of(Lsn lsn) { return counters_[(lsn >> hop_bits_) & (counters_.size() - 1)].bytes; }
  /// What the counter of the range of `lsn` comes to when that range is whole.
  std::uint64_t full(Lsn lsn) const { return ((lsn >> lap_bits_) + 1) << hop_bits_; }
  Lsn end_of_range(Lsn lsn) const { return ((lsn >> hop_bits_) + 1) << hop_bits_; }

  Lsn hop(Lsn boundary, Lsn limit) {
    const Lsn before = boundary;
    while (end_of_range(boundary) <= limit &&
           counter_of(boundary).load(std::memory_order_acquire) == full(boundary)) {  // [count]
      boundary = end_of_range(boundary);
      ++hops_;
    }
    if (boundary != before) drop_below(boundary);
    return boundary;
  }

  /// After a hop, which ends at a range's edge: forgets the heads, and of every crawling list all that stands
  /// before the last record to begin below the edge.
  void drop_below(Lsn edge) {
    heap_.clear();
    std::fill(on_heap_.begin(), on_heap_.end(), false);
    for (WorkerId w = 0; w < workers_.ever_used(); ++w) {
      Worker& worker = workers_[w];
      for (const eleda::Landing* landing;
           (landing = worker.hopping.front()) != nullptr && landing->begin < end_of_range(edge);
           worker.hopping.pop()) {
        if (landing->place > 0) worker.crawling.drop_until(landing->place - 1);
      }
    }
  }

  Lsn crawl(Lsn boundary, Lsn limit) {
    for (WorkerId w = 0; w < workers_.ever_used(); ++w) {
      if (!on_heap_[w]) push_head(w, boundary);
    }
    while (boundary < limit && !heap_.empty() && heap_.front().begin <= boundary) {
      std::pop_heap(heap_.begin(), heap_.end());
      const Head head = heap_.back();
      heap_.pop_back();
      boundary = std::max(boundary, head.end);
      push_head(head.worker, boundary);
    }
    return boundary;
  }

  /// Puts the oldest record of `worker` that ends above the boundary on the heap, if there is one.
  void push_head(WorkerId worker, Lsn boundary) {
    auto& list = workers_[worker].crawling;
    const eleda::Record* record = list.front();
    for (; record != nullptr && record->end <= boundary; record = list.front()) {
      list.pop();
      ++crawled_;
    }
    on_heap_[worker] = record != nullptr;
    if (record == nullptr) return;
    heap_.push_back({record->begin, record->end, worker});
    std::push_heap(heap_.begin(), heap_.end());
  }

  const std::uint32_t hop_bits_;
  const std::uint32_t lap_bits_;  // of two laps of the ring: ranges so far apart share a counter
  std::vector<Count> counters_;
  // The drainer's.
  alignas(kCacheLine) std::vector<Head> heap_;
  // Whether a worker's oldest record is on the heap; it stays in its list meanwhile.
  std::vector<char> on_heap_;
  std::uint64_t hops_ = 0;
  std::uint64_t crawled_ = 0;
  alignas(kCacheLine) Counter<Platform> tail_;  // [tail] every worker writes
};
static_assert(LogBufferAlgorithm<Eleda<>>);

}  // namespace muster
