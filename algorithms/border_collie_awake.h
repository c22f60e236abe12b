#pragma once

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <utility>
#include <vector>

#include "algorithms/parts/collie_flag.h"
#include "algorithms/parts/hardware_counter.h"
#include "algorithms/parts/workers.h"

namespace muster {

/// Border-Collie, with a collie that leaves sleeping workers alone: an advance costs what the active workers cost.
///
/// Protocol    The drainer is the collie. Every worker has a flag, a mark called `asleep`, and an awake bit. A word holds the awake
///             bits of 64 workers. An advance reads the flags of awake workers only.
///             reserve  flag = BLACK, the end of the worker's last record
///                      light half of an asymmetric barrier
///                      asleep: take the mark, and if it was still there, add the awake bit
///                      begin = tail.fetch_add(size)
///                      no room: flag = BLACK, begin, and wait
///             publish  flag = WHITE, the end of the record
///             advance  cutoff = tail, read before the first awake bit
///                      boundary = the smallest LSN among the cutoff and the black flags of awake workers
///                      once a round, that is every so many advances:
///                        candidates: awake workers that are white, with the flag that they had a round ago
///                        mark every candidate asleep
///                        one heavy half of the barrier, for all of them
///                        second look at each candidate:
///                          the same flag: subtract its awake bit
///                          another flag: take the mark back; if the worker was faster and has taken it, the worker adds
///                                        a bit that is set already: subtract one
/// Progress    reserve (while the ring has room, with the processor's fetch-add as counter) and publish wait-free; advance wait-free:
///             a read of each awake worker's flag, and of one word in 64 workers. The heavy half is one system call a round at most, and waits for no
///             thread of the program.
/// Why it is right
///             The claim: if a worker has an open reservation below the cutoff, the collie finds that worker's awake bit
///             set. The rest is Border-Collie's proof (border_collie.h) without the white flags, which could only raise
///             the boundary above the cutoff.
///             1. Each mark that the collie sets ends in one of two ways. Either the collie subtracts the worker's bit
///                from the word, and the worker takes the mark and adds its bit, before its next fetch-add. Or the collie
///                takes the mark back, and the word stays as it is. Additions and subtractions commute. So once the
///                second looks are over, the worker's bit is set, or it is not and the mark still stands, or the worker
///                has taken the mark and is about to add the bit. A bit that is added twice carries into its neighbour's
///                until the collie subtracts it. No thread sees the carry: the collie alone reads the word, and it reads the
///                word only after it has subtracted.
///             2. If the mark stands, the worker's next reserve finds it. Worker and collie each store one thing and load the
///                other's: black flag, then mark; mark, then flag. That is Dekker's race, and x86 lets both loads come before
///                both stores are seen, so that both find the old value. The barrier stands between store and load on either
///                side. Either the collie's second look finds the black flag, and no bit goes; or the worker finds the mark.
///             3. So the worker's bit is set before its fetch-add, and the collie does not take it while the flag is black.
///                The cutoff acquires the fetch-add, and with it the bit.
/// Why one heavy half serves all
///             The race is between the collie and each candidate alone; no candidate races with another one. All marks are
///             stored before the heavy half, and all second looks come after it. The heavy half makes every running thread
///             pass a fence, and a thread that does not run has passed one.
/// Why neither half may be left out
///             Without the light half the compiler may load the mark before it stores the flag; the fetch-add behind
///             both, a fence on x86, comes too late. Without the heavy half the store of the flag may still be in the
///             worker's store buffer when the collie looks a second time. The explorer finds a hole in either case
///             (border_collie_awake:no_light_half, :no_heavy_half).
/// Without membarrier
///             The worker exchanges its flag, the collie's second look is a compare-and-swap of the flag by itself, and
///             there is no barrier. Of two read-modify-writes one comes first. If it is the worker's, the collie's fails. If
///             it is the collie's, the worker's acquires it, and with it the mark. An append pays for a second locked
///             instruction. The log buffer chooses when it is made (LogBufferOptions::asymmetric_barrier).
/// Invariants  Every flag is at or below the begin of its worker's open reservation, if there is one; a worker that
///             waits for room has its flag at its own begin exactly (border_collie.h says why).
///             A worker's awake bit is set from the worker's fetch-add until it publishes.
///             At the begin and at the end of advance(), each word is the sum of the bits of 64 workers, each once at most.
///             A slot that has never had an owner is a worker that stands still. So is a detached one.
/// Ordering    [flag]   every store released, a scan's load acquired, as in border_collie.h. The exchange releases nothing:
///                      it continues the release sequence of the white flag. A sleeping worker's copies have come with
///                      the white flag that a scan found before the worker became a candidate.
///             [tail]   fetch-add released, the cutoff's load acquired: a drainer that sees the range sees the awake bit
///                      and the black flag.
///             [awake]  relaxed: the word is only a sum. A scan that needs a bit has it by [tail]. A round that sees the bit
///                      of a worker that wakes up, and the flag of before, marks in vain: the second look finds the black
///                      flag. The new mark comes behind the one that the worker has taken, since an exchange stands right
///                      behind what it has read.
///             [asleep] A worker that takes the mark releases, the collie that finds it gone acquires: the worker may have
///                      published since the collie looked, and the collie takes a bit and looks at that flag no more.
///                      Store and load are relaxed: the barrier orders them against the flag. Without membarrier the
///                      exchange of the flag acquires what the collie's compare-and-swap has released.
/// Limits      Any number of workers, in words of 64. The drainer keeps 8 bytes for each.
/// Source      ours. The barrier: Dice, Huang, Yang, Asymmetric Dekker Synchronization, 2001; membarrier(2). The flags and
///             the cutoff: Border-Collie, SIGMOD'19 (doi 10.1145/3299869.3300071), centralised mode.
/// Differs     from border_collie: the collie reads sleeping workers' flags once, not in every advance. It takes the cutoff
///             where all awake workers are white, and not records above the cutoff that were published during the scan.
/// When not    With few workers, or where all are always active: there border_collie does the same with less.
template <class Platform = NativePlatform, template <class> class Counter = HardwareCounter>
class BorderCollieAwake;

namespace border_collie_awake {

template <class Platform>
struct Worker {
  typename Platform::template Atomic<std::uint64_t> flag;       // [flag] this worker writes, the collie reads
  typename Platform::template Atomic<std::uint32_t> asleep{0};  // [asleep] the collie's mark: 1, or none
  Lsn last_end = 0;
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace border_collie_awake

template <class Platform, template <class> class Counter>
class BorderCollieAwake : public LogBufferBase<Platform, border_collie_awake::Worker<Platform>>, CollieFlag {
  using Worker = border_collie_awake::Worker<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{
      .name = "border_collie_awake",
      .title = "Border-Collie, awake bits",
      .source = "ours; Border-Collie, SIGMOD 2019, doi 10.1145/3299869.3300071",
      .reserve = Counter<Platform>::kFetchAdd,
      .publish = Progress::wait_free,
      .advance = Progress::wait_free,
      .takes_counter = true,
      .asymmetric_barrier = true};

  explicit BorderCollieAwake(const LogBufferOptions& options)
      : Base(options),
        has_barrier_(takes_membarrier<Platform>(options)),
        awake_(options.memory, MemoryRegion::workers, (workers_.max() + kBits - 1) / kBits),
        tail_(options),
        collie_(workers_.max(), awake_.size(), white(options.start)) {
    for (std::uint32_t i = 0; i < awake_.size(); ++i) awake_[i].describe("awake", i);
    // All relaxed: no other thread is there yet. All are awake, the first round sees to that.
    for (WorkerId w = 0; w < workers_.max(); ++w) {
      workers_[w].flag.describe("flag", w);
      workers_[w].asleep.describe("asleep", w);
      workers_[w].flag.store(white(options.start), std::memory_order_relaxed);
      workers_[w].last_end = options.start;
      awake_[w / kBits].fetch_add(bit(w), std::memory_order_relaxed);
    }
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    plant(self, black(self.last_end));
    if (self.asleep.load(std::memory_order_relaxed) != 0) [[unlikely]]  // [asleep]
      wake_up(worker);
    // Behind the awake bit:
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
    self.flag.store(white(self.last_end), std::memory_order_release);  // [flag] the collie sees the copy
  }

  Lsn advance() {
    const Lsn cutoff = tail_.load(std::memory_order_acquire);  // [tail] before the awake bits
    Lsn boundary = cutoff;
    for (std::uint32_t i = 0; i < awake_.size(); ++i) {
      for_each_worker(i, awake_[i].load(std::memory_order_relaxed), [&](WorkerId w) {  // [awake]
        const std::uint64_t flag = workers_[w].flag.load(std::memory_order_acquire);   // [flag]
        if (is_black(flag)) boundary = std::min(boundary, lsn(flag));
      });
    }
    if (++collie_.advances % Platform::kAdvancesARound == 0) [[unlikely]]
      put_to_sleep();
    return this->found(std::max(boundary, this->last_found()));
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  using Word = typename Platform::template Atomic<std::uint64_t>;
  static constexpr std::uint32_t kBits = 64;  // awake bits in a word

  /// What the drainer alone uses; it fills its cache line.
  struct alignas(kCacheLine) Collie {
    Collie(std::uint32_t workers, std::size_t words, std::uint64_t flag)
        : a_round_ago(workers, flag), candidates(words) {}
    std::vector<std::uint64_t> a_round_ago;  // each worker's flag, if it was awake then
    std::vector<std::uint64_t> candidates;   // as awake_; within a round
    std::uint32_t advances = 0;
  };

  static constexpr std::uint64_t bit(WorkerId worker) { return std::uint64_t{1} << worker % kBits; }

  /// Calls `f(worker)` for every bit that is set in `bits`. `bits` is a value of word `i`.
  template <class F>
  static void for_each_worker(std::uint32_t i, std::uint64_t bits, F&& f) {
    for (; bits != 0; bits &= bits - 1) f(i * kBits + static_cast<WorkerId>(std::countr_zero(bits)));
  }

  /// The worker's flag becomes `flag`, and no later load of the worker comes before that.
  void plant(Worker& self, std::uint64_t flag) {
    if (has_barrier_) [[likely]] {
      self.flag.store(flag, std::memory_order_release);  // [flag]
      Platform::light_barrier();                         // pairs with the heavy one in put_to_sleep()
    } else {
      // [flag] acquire: if the collie's second look came first, its mark is visible
      self.flag.exchange(flag, std::memory_order_acquire);
    }
  }

  [[gnu::noinline, gnu::cold]] void wake_up(WorkerId worker) {
    // [asleep] 0: the collie has taken its mark back
    if (workers_[worker].asleep.exchange(0, std::memory_order_release) == 0) return;
    awake_[worker / kBits].fetch_add(bit(worker), std::memory_order_relaxed);  // [awake]
  }

  /// Takes the awake bits of the workers that have stood still for a round.
  [[gnu::noinline, gnu::cold]] void put_to_sleep() {
    if (!mark_candidates()) return;
    if (has_barrier_) Platform::heavy_barrier();  // pairs with each candidate's light one
    for (std::uint32_t i = 0; i < awake_.size(); ++i) {
      std::uint64_t bits = 0;
      for_each_worker(i, collie_.candidates[i], [&](WorkerId w) {
        // One that has planted a flag meanwhile and taken the mark adds the bit that it has: twice is once too often.
        if (stands_still(workers_[w], collie_.a_round_ago[w]) ||
            workers_[w].asleep.exchange(0, std::memory_order_acquire) == 0)  // [asleep]
          bits |= bit(w);
      });
      if (bits != 0) awake_[i].fetch_sub(bits, std::memory_order_relaxed);  // [awake]
    }
  }

  /// False: there are none.
  bool mark_candidates() {
    bool any = false;
    for (std::uint32_t i = 0; i < awake_.size(); ++i) {
      collie_.candidates[i] = 0;
      for_each_worker(i, awake_[i].load(std::memory_order_relaxed), [&](WorkerId w) {  // [awake]
        // [flag] relaxed: if it is the flag of a round ago, a scan has acquired it since
        const std::uint64_t flag = workers_[w].flag.load(std::memory_order_relaxed);
        if (std::exchange(collie_.a_round_ago[w], flag) != flag || is_black(flag)) return;
        workers_[w].asleep.store(1, std::memory_order_relaxed);  // [asleep]
        collie_.candidates[i] |= bit(w);
        any = true;
      });
    }
    return any;
  }

  /// The second look. A white flag never comes back, so the same one says that the worker has not reserved.
  bool stands_still(Worker& candidate, std::uint64_t flag) {
    if (has_barrier_) return candidate.flag.load(std::memory_order_relaxed) == flag;  // behind the heavy half
    // [flag] release: the worker's next exchange brings the mark
    return candidate.flag.compare_exchange(flag, flag, std::memory_order_release, std::memory_order_relaxed);
  }

  const bool has_barrier_;
  PlacedArray<Word> awake_;                     // [awake] workers add, the collie subtracts and reads
  alignas(kCacheLine) Counter<Platform> tail_;  // [tail] every worker writes
  Collie collie_;
};
static_assert(LogBufferAlgorithm<BorderCollieAwake<>>);

}  // namespace muster
