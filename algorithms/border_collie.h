#pragma once

#include <algorithm>
#include <limits>

#include "algorithms/parts/collie_flag.h"
#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Each worker plants one flag; the collie looks at each flag once.
///
/// Protocol    reserve  flag = BLACK, the end of the worker's last record: what comes lies at or above it
///                      begin = tail.fetch_add(size)
///                      no room: flag = BLACK, begin, and wait
///             publish  flag = WHITE, the end of the record
///             advance  cutoff = tail, read before the first flag
///                      boundary = min over the flags of (black: its LSN; white: max(cutoff, its LSN))
/// Progress    reserve (while the ring has room, with the processor's fetch-add as counter) and publish wait-free; advance
///             wait-free, one read a flag.
/// Why it is right
///             A reservation below the cutoff was made by a fetch-add that the cutoff's load has seen, so the
///             scan sees the black flag before it, or a later flag of that worker. Black: the boundary stays
///             at or below. White: that worker has no open reservation below the cutoff, nor below its last
///             end.
/// Why the cutoff
///             Could the collie take the smallest black flag, and the tail where no flag is black? That depends on when
///             it reads the tail. After the scan, no: a worker that was white when the collie passed it may by then have
///             an open reservation below that tail. The explorer's shortest counterexample (tests/model,
///             border_collie:cutoff_after_scan), one worker and one idle one:
///               worker 0                       collie
///                                              load flag[0] -> white 0
///                                              load flag[1] -> white 0
///               store flag[0] <- black 0
///               fetch_add tail 0 -> 3
///                                              load tail -> 3
///                                              boundary = 3, and nobody has copied 0..3
///             Before the scan, yes: and a tail that is read before the scan is the cutoff. The minimum of that and of
///             the black flags is safe (border_collie:cutoff_and_blacks_only, explored). White flags add only records
///             above the cutoff that were published during the scan.
///             Without a cutoff, an idle worker's white flag would hold the boundary for ever (border_collie_naive).
/// Why the collie only reads
///             It could move an idle worker's flag up itself. A plain store would be wrong: the worker may have planted
///             its black flag since the collie looked, and the store would wipe that out
///             (border_collie:moves_idle_flags: a hole). A compare-and-swap is safe (border_collie:
///             exchanges_idle_flags), but writes to a cache line of each idle worker; the cutoff makes both needless.
/// Invariants  Every flag is at or below the begin of its worker's open reservation, if there is one. A
///             worker that waits for room has its flag at its own begin exactly: with a looser one the
///             boundary could not reach the space that everybody waits for. A detached worker's flag stays
///             white: it is an idle one. A slot that has never had an owner, or that the scan does not cover,
///             counts as the cutoff, or a newcomer could be passed unseen.
/// Ordering    [flag] every store released, every load acquired. White: the copies below it are visible to
///                    the thread that read it. Black: it follows a white one of the same worker, and what was
///                    synchronised by that one has to come with it, since a plain store does not continue a
///                    release sequence.
///             [tail] fetch-add released, the cutoff's load acquired: a drainer that sees the range sees
///                    the black flag.
/// Source      Border-Collie, SIGMOD'19 (doi 10.1145/3299869.3300071), centralised mode.
/// Differs     attach and detach, and the flag of a worker that waits for room, on which the paper is silent. Of the
///             lower bounds that would do for a black flag, the end of the worker's last record, where the paper
///             takes the tail as it is just before: this one reads no line that all write, and leaves the boundary
///             lower for as long as the record is open.
template <class Platform = NativePlatform, template <class> class Counter = HardwareCounter>
class BorderCollie;

namespace border_collie {

template <class Platform>
struct Worker {
  typename Platform::template Atomic<std::uint64_t> flag;  // [flag] this worker writes, the collie reads
  Lsn last_end = 0;
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace border_collie

template <class Platform, template <class> class Counter>
class BorderCollie : public LogBufferBase<Platform, border_collie::Worker<Platform>>, CollieFlag {
  using Worker = border_collie::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "border_collie",
                                      .title = "Border-Collie",
                                      .source = "SIGMOD 2019, doi 10.1145/3299869.3300071",
                                      .reserve = Counter<Platform>::kFetchAdd,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .takes_counter = true};

  explicit BorderCollie(const LogBufferOptions& options) : Base(options), tail_(options) {
    for (WorkerId w = 0; w < workers_.max(); ++w) {
      workers_[w].flag.describe("flag", w);
      workers_[w].flag.store(white(options.start), std::memory_order_relaxed);  // before any thread shares it
      workers_[w].last_end = options.start;
    }
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    self.flag.store(black(self.last_end), std::memory_order_release);            // [flag]
    const Lsn begin = tail_.fetch_add(worker, size, std::memory_order_release);  // [tail]
    if (!ring_.has_room(begin + size, self.room)) [[unlikely]] {
      self.flag.store(black(begin), std::memory_order_release);  // [flag]
      ring_.wait_for_room(begin + size, self.room);
    }
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    Worker& self = workers_[worker];
    self.last_end = reservation.end();
    self.flag.store(white(self.last_end), std::memory_order_release);  // [flag]
  }

  Lsn advance() {
    const Lsn cutoff =
        tail_.load(std::memory_order_acquire);  // [tail] before the slots are counted and scanned
    const std::uint32_t covered = workers_.ever_used();
    Lsn boundary = covered == workers_.max() ? std::numeric_limits<Lsn>::max() : cutoff;
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t flag = workers_[w].flag.load(std::memory_order_acquire);  // [flag]
      boundary = std::min(boundary, is_black(flag) ? lsn(flag) : std::max(cutoff, lsn(flag)));
    }
    return this->found(std::max(boundary, this->last_found()));
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  alignas(kCacheLine) Counter<Platform> tail_;  // [tail] every worker writes
};
static_assert(LogBufferAlgorithm<BorderCollie<>>);

}  // namespace muster
