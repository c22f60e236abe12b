#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "algorithms/log_buffer.h"
#include "algorithms/parts/backoff.h"
#include "algorithms/parts/placed_array.h"
#include "engine/io/log_device.h"
#include "engine/log/cohort_clock.h"
#include "engine/log/gathering.h"
#include "engine/log/log_statistics.h"

namespace muster {

/// A pipelined commit that waits for the log. Intrusive, so that a commit allocates nothing.
struct PendingCommit {
  Lsn end = 0;  ///< of the commit record
  /// Called exactly once, by the flusher's thread, which holds nothing. It may use the log and the database, but must
  /// not wait for a lock or an acknowledgement that a later commit's acknowledgement gives.
  /// `durable` is false when the log has failed.
  void (*acknowledge)(PendingCommit& commit, bool durable) noexcept = nullptr;
};

struct FlusherOptions {
  std::uint32_t max_workers = 64;
  const MemoryPlacement* memory = nullptr;  ///< told of what is kept of each worker; outlives the flusher
  std::uint64_t reach = 0;  ///< bytes above the boundary that workers come before they wait for a drainer
  std::uint32_t group_commits = 8;
  std::chrono::nanoseconds group_timeout{0};
  bool write_each = false;         ///< one write to the device a record
  std::function<void()> on_start;  ///< runs first in the flusher's thread, to place it
  /// The drainer calls it, where there is one, with what it is about to write: these bytes of the buffer are its alone.
  std::function<void(Lsn begin, Lsn end)> before_write{};
};

/// Moves the log from its buffer to its device and tells the threads that wait for that.
///
/// Protocol    One thread at a time drains: advance, write, sync, durable_, recycle, then wake.
///             It owns draining_. That is the flusher's thread, or a committer that found nobody draining and
///             works for all (so that one client pays for no hand-over).
///             Pipelined commits are acknowledged by the flusher's thread alone, and behind its drain: a
///             drainer may be evicting a page, whose latch it holds, and what a commit calls may need that page.
///             A worker that wants something makes that visible in its slot and then kicks the flusher if it
///             sleeps. The flusher says that it sleeps and then looks through the slots once more. One of the
///             two sees the other. Where a committer is draining, the flusher leaves a note (blocked_) and
///             sleeps; the drainer lets go and then looks for the note. Where no worker asks (async commits,
///             dirty data), the flusher flushes every kIdleFlush, and when workers have come half as far as they can.
///             After a sync, durable commits wait for the clients that it released (gathering.h), if CohortClock says
///             so: in all for a sync's duration at most, and the kernel's timer slack. The last to come drains.
/// Invariants  recycled_ <= boundary; durable_ == recycled_ until the log fails, and stays from then on.
///             What is acknowledged as durable ends at or below durable_.
///             A drainer waits for nothing that a worker holds.
/// Ordering    [durable]  stored by the drainer, loaded by threads that wait: the device has synced what lies
///                        below. seq_cst, because of [park].
///             [park]     worker: store parked, load durable_ and failed_. Drainer: store these, load parked.
///                        All seq_cst: at least one sees the other's store (Dekker).
///             [sleep]    worker: store parked or tail, load sleep_. Flusher: store sleep_, load these.
///                        Likewise.
///             [note]     flusher: store blocked_, exchange draining_. Drainer: store draining_, load
///                        blocked_. Likewise flush_waiters_: a thread in flush() adds to it, then tries
///                        draining_; the drainer stores draining_, then looks for it.
///             [gather]   worker: store parked, load gathering_ (open, and a client keeps its time: that client will
///                        drain). Drainer: close gathering_, then load parked. Likewise; it kicks the flusher for
///                        those that it finds and did not cover.
///             [lock]     draining_: acquired by exchange, released by store; guards what only a drainer
///                        touches.
///             [queue]    tail released by the worker, head by the flusher; each acquires the other's.
/// Failure     After an error of the device nothing is written any more. The drainer goes on finding the
///             boundary and recycling, so that no worker waits for room for ever; a committer that waits gets the error.
class Flusher {
 public:
  Flusher(LogBuffer& buffer, LogDevice& device, FlusherOptions options);
  /// Flushes what is left and stops. No worker may be attached any more.
  ~Flusher();

  void attach(WorkerId worker);

  /// Blocks until [0, end) is durable. Any thread, no slot needed.
  void flush(Lsn end);
  /// Blocks until the commit is durable; `grouped` lets the flush wait for others.
  void wait_for_commit(WorkerId worker, Lsn end, bool grouped);
  void acknowledge_later(WorkerId worker, PendingCommit& commit);
  void wait_for_acknowledgements(WorkerId worker);
  /// Fails without an error of the device.
  void abandon();

  /// After each append: nobody is to wait for a drainer that knows nothing of it.
  void appended(Lsn end) {
    if (end > recycled_.load(std::memory_order_relaxed) + reach_ / 2) kick();
  }

  Lsn durable() const { return durable_.load(std::memory_order_seq_cst); }  // [durable]
  bool failed() const { return failed_.load(std::memory_order_seq_cst); }   // [park]
  void throw_if_failed() const {
    if (failed()) throw_failure();
  }
  LogStatistics statistics() const;

 private:
  using Clock = std::chrono::steady_clock;

  /// Pipelined commits that a worker may have on the way; the next one blocks.
  static constexpr std::size_t kPendingMax = 1024;
  static constexpr Lsn kWhateverMoves = 0;  // target: wake at each drain

  // sleep_: a flusher that naps will look soon by itself, so that a pipelined commit need not wake it.
  static constexpr std::uint32_t kAwake = 0, kNapping = 1, kAsleep = 2;

  /// One worker's. Written by the worker but for parked (it and the drainer) and head (the flusher's thread).
  struct alignas(kCacheLine) Slot {
    std::atomic<std::uint32_t> parked{0};        // 1: sleeps, or is about to
    std::atomic<Lsn> target{0};                  // what it waits for; stored before parked
    std::atomic<std::int64_t> grouped_since{0};  // steady-clock ns; 0: does not wait for a group
    std::atomic<Lsn> commit_end{0};              // of its last durable commit
    std::atomic<std::int64_t> asked_at{
        0};  // steady-clock ns, when that began to wait; stored before commit_end
    std::atomic<std::uint32_t> ticket{0};  // of the gathering that waits for it; the drainer gives it
    std::atomic<std::size_t> tail{0};
    Lsn last_pending = 0;
    Counter commits;
    std::unique_ptr<PendingCommit*[]> pending;
    alignas(kCacheLine) std::atomic<std::size_t> head{0};
  };

  // The flusher's thread.
  void run();
  Clock::time_point flush_due() const;
  bool asked_soon() const;
  void sleep_until(Clock::time_point time);
  void wait_for_drainer();
  void acknowledge();

  // Draining: between try_take() and release().
  bool try_take();
  void release();
  bool drain() noexcept;
  void write(Lsn begin, Lsn end);
  void put_on_device(Lsn begin, Lsn end);
  void settle();
  void gather();
  void wake(Slot& slot, Lsn durable_end, bool has_failed);
  void lead(Lsn end);
  void fail(const std::error_code& code, const std::string& what);

  void kick();
  void wait_for_group(Slot& slot, Lsn end);
  void wait_for_sync(Slot& slot, Lsn end);
  /// Sleeps until done(). A drainer wakes it when `target` is durable.
  template <class Done, class NeedsFlusher>
  void park(Slot& slot, Lsn target, Done done, NeedsFlusher needs_flusher);
  /// Sleeps until done(), or until the gathering is over, which it ends when its time is up.
  template <class Done>
  void keep_time(Slot& slot, const Gathering::Member& member, Lsn target, Done done);
  [[noreturn]] void throw_failure() const;

  LogBuffer& buffer_;
  LogDevice& device_;
  const FlusherOptions options_;
  const std::uint64_t reach_;
  const std::uint32_t units_;  // processing units that this process may use
  PlacedArray<Slot> slots_;

  // Written once a flush, read by every append.
  alignas(kCacheLine) std::atomic<Lsn> durable_;
  std::atomic<Lsn> recycled_;
  std::atomic<bool> failed_{false};
  std::error_code failure_code_;  // written before failed_
  std::string failure_;
  std::atomic<std::uint32_t> slots_used_{0};  // slots that were ever attached lie below

  alignas(kCacheLine) std::atomic<bool> draining_{false};
  std::atomic<std::uint32_t> blocked_{0};        // 1: the flusher sleeps until draining_ is free
  std::atomic<std::uint32_t> flush_waiters_{0};  // threads in flush() that did not get draining_
  std::atomic<std::uint32_t> drains_{0};         // what these sleep on

  alignas(kCacheLine) std::atomic<std::uint32_t> sleep_{
      kAwake};                             // how deep the flusher sleeps, or is about to
  std::atomic<std::int64_t> awake_at_{0};  // when it will look again by itself
  std::atomic<std::uint32_t> grouped_{0};  // workers in wait_for_commit(grouped)
  std::atomic<bool> stop_{false};
  Clock::time_point drained_at_;  // by the flusher's thread, which alone uses it

  alignas(kCacheLine) Gathering gathering_;
  std::atomic<std::int64_t> gathered_at_{0};  // steady-clock ns: when it waits no longer
  std::atomic<std::uint32_t> clients_{0};     // durable commits that the last drain covered or left
  CohortClock cohort_;                        // [lock]
  Lsn released_ = 0;                          // [lock] durable commits below are no news
  bool left_waiting_ = false;                 // [lock] the last drain left durable commits waiting

  // Written by the drainer.
  alignas(kCacheLine) Counter bytes_;
  Counter writes_;
  Counter syncs_;
  Counter acknowledged_;
  Histogram flush_bytes_;
  Histogram boundary_lag_;

  std::thread thread_;
};

}  // namespace muster
