#include "engine/log/flusher.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <stdexcept>

#include "engine/log/futex.h"
#include "engine/log/record_codec.h"

namespace muster {
namespace {

using namespace std::chrono_literals;

/// How old bytes may grow that nobody asks for. Also the net under wake-ups that rest on the log buffer's own
/// ordering (a ring that fills up): what one misses waits this long.
constexpr std::chrono::nanoseconds kIdleFlush = 10ms;
/// Pipelined commits wait for nobody's patience: what comes within this time of a flush shares the next one. On a
/// device without latency the flusher would else take the log's cache lines from the workers for every commit.
constexpr std::chrono::nanoseconds kPipelineNap = 50us;
/// Looks for the next request before the flusher sleeps: about 50 us, more than a wake-up costs.
constexpr std::uint32_t kLooks = 32;
/// Looks of a committer before it sleeps: about a microsecond, less than a wake-up costs.
constexpr std::uint32_t kCommitLooks = 8;
/// The same where every client has a processing unit: most of them yield, for about as long as a fast device's sync.
constexpr std::uint32_t kCommitLooksAlone = 400;

std::int64_t now_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Flusher::Flusher(LogBuffer& buffer, LogDevice& device, FlusherOptions options)
    : buffer_(buffer),
      device_(device),
      options_(std::move(options)),
      reach_(options_.reach),
      units_(std::max(1u, std::thread::hardware_concurrency())),
      slots_(options_.memory, MemoryRegion::workers, options_.max_workers, Spacing::by_worker),
      durable_(device.start()),
      recycled_(device.start()),
      cohort_(options_.max_workers) {
  thread_ = std::thread([this] { run(); });
}

Flusher::~Flusher() {
  stop_.store(true, std::memory_order_seq_cst);  // [sleep]
  kick();
  thread_.join();
}

void Flusher::attach(WorkerId worker) {
  slots_.owned(worker);
  Slot& slot = slots_[worker];
  if (!slot.pending) slot.pending = std::make_unique<PendingCommit*[]>(kPendingMax);
  // Before the worker's first request, so that whoever sees the request looks at its slot.
  for (std::uint32_t used = slots_used_.load(std::memory_order_seq_cst); used <= worker;) {
    if (slots_used_.compare_exchange_weak(used, worker + 1, std::memory_order_seq_cst)) break;
  }
}

// --- what workers do ---

void Flusher::flush(Lsn end) {
  if (end > buffer_.reserved()) throw std::invalid_argument("flush: the log does not reach that far");
  while (durable() < end) {
    throw_if_failed();
    flush_waiters_.fetch_add(1, std::memory_order_seq_cst);
    const std::uint32_t drains = drains_.load(std::memory_order_seq_cst);
    if (try_take()) {
      lead(end);
    } else {
      futex_wait(drains_, drains);  // whoever holds draining_ will see flush_waiters_ when it lets go
    }
    flush_waiters_.fetch_sub(1, std::memory_order_relaxed);
  }
}

void Flusher::wait_for_commit(WorkerId worker, Lsn end, bool grouped) {
  Slot& slot = slots_[worker];
  if (grouped) {
    wait_for_group(slot, end);
  } else {
    wait_for_sync(slot, end);
  }
  if (durable() < end) throw_failure();
  slot.commits.add(1);
}

void Flusher::wait_for_group(Slot& slot, Lsn end) {
  const auto done = [&] { return durable() >= end || failed(); };
  if (done()) return;
  const auto since = Clock::now().time_since_epoch();
  const auto limit = std::chrono::nanoseconds(since + options_.group_timeout).count();
  slot.grouped_since.store(std::chrono::nanoseconds(since).count(), std::memory_order_relaxed);
  // The count lags behind those who leave: it may wake the flusher once too often, and the flusher counts anew.
  grouped_.fetch_add(1, std::memory_order_relaxed);
  park(slot, end, done, [&] {
    return grouped_.load(std::memory_order_relaxed) >= options_.group_commits ||
           awake_at_.load(std::memory_order_relaxed) > limit;
  });
  grouped_.fetch_sub(1, std::memory_order_relaxed);
  slot.grouped_since.store(0, std::memory_order_relaxed);
}

void Flusher::wait_for_sync(Slot& slot, Lsn end) {
  const auto done = [&] { return durable() >= end || failed(); };
  slot.asked_at.store(now_ns(), std::memory_order_relaxed);  // released by commit_end
  slot.commit_end.store(end, std::memory_order_release);     // acquired by gather()
  Gathering::Member member{.ticket = slot.ticket.exchange(0, std::memory_order_relaxed)};
  const std::uint32_t looks =
      clients_.load(std::memory_order_relaxed) <= units_ ? kCommitLooksAlone : kCommitLooks;
  Backoff patience;
  for (std::uint32_t look = 0; !done(); ++look, patience.pause()) {
    const Gathering::Role role = gathering_.join(member);
    if (role == Gathering::Role::none) {
      if (try_take()) {
        lead(end);
      } else if (look >= looks) {
        park(slot, end, done, [] { return true; });
      }
    } else if (looks == kCommitLooksAlone && look < looks) {
      if (now_ns() >= gathered_at_.load(std::memory_order_relaxed)) gathering_.give_up(member);
    } else if (role == Gathering::Role::keeper) {
      keep_time(slot, member, end, done);
    } else {
      park(slot, end, done, [&] { return !gathering_.kept_by_client(); });  // [gather]
    }
  }
}

void Flusher::acknowledge_later(WorkerId worker, PendingCommit& commit) {
  Slot& slot = slots_[worker];
  const std::size_t tail = slot.tail.load(std::memory_order_relaxed);
  if (tail - slot.head.load(std::memory_order_acquire) == kPendingMax) {  // [queue]
    const auto room = [&] { return tail - slot.head.load(std::memory_order_seq_cst) <= kPendingMax / 2; };
    park(slot, kWhateverMoves, room, [] { return true; });
  }
  slot.pending[tail % kPendingMax] = &commit;
  slot.last_pending = commit.end;
  slot.tail.store(tail + 1, std::memory_order_seq_cst);  // [queue], [sleep]
  if (sleep_.load(std::memory_order_seq_cst) == kAsleep) kick();
}

void Flusher::wait_for_acknowledgements(WorkerId worker) {
  Slot& slot = slots_[worker];
  const std::size_t tail = slot.tail.load(std::memory_order_relaxed);
  const auto done = [&] { return slot.head.load(std::memory_order_seq_cst) == tail; };
  if (!done()) park(slot, slot.last_pending, done, [] { return true; });
}

void Flusher::abandon() {
  for (Backoff drainer; !try_take();) drainer.pause();
  if (!failed()) fail({ECANCELED, std::generic_category()}, "it was abandoned");
  settle();
  release();
}

template <class Done, class NeedsFlusher>
void Flusher::park(Slot& slot, Lsn target, Done done, NeedsFlusher needs_flusher) {
  slot.target.store(target, std::memory_order_relaxed);  // released by parked
  while (true) {
    slot.parked.store(1, std::memory_order_seq_cst);  // [park], [sleep]
    if (done()) break;
    if (sleep_.load(std::memory_order_seq_cst) != kAwake && needs_flusher()) kick();
    futex_wait(slot.parked, 1);
    if (done()) break;
  }
  slot.parked.store(0, std::memory_order_relaxed);  // only this thread cares
}

template <class Done>
void Flusher::keep_time(Slot& slot, const Gathering::Member& member, Lsn target, Done done) {
  slot.target.store(target, std::memory_order_relaxed);  // released by parked
  while (true) {
    slot.parked.store(1, std::memory_order_seq_cst);  // [park], [gather]
    if (done() || !gathering_.is_open_for(member)) break;
    const std::chrono::nanoseconds left(gathered_at_.load(std::memory_order_relaxed) - now_ns());
    if (left.count() <= 0) {
      gathering_.give_up(member);
      break;
    }
    futex_wait(slot.parked, 1, left);
  }
  slot.parked.store(0, std::memory_order_relaxed);  // only this thread cares
}

void Flusher::kick() {
  if (sleep_.load(std::memory_order_seq_cst) != kAwake &&
      sleep_.exchange(kAwake, std::memory_order_seq_cst) != kAwake) {
    futex_wake_one(sleep_);
  }
}

void Flusher::throw_failure() const {
  throw std::system_error(failure_code_, failure_);
}

// --- draining ---

bool Flusher::try_take() {
  // seq_cst: against release(), which stores draining_ and then looks for flush_waiters_.
  return !draining_.load(std::memory_order_seq_cst) && !draining_.exchange(true, std::memory_order_seq_cst);
}

void Flusher::release() {
  const bool left_waiting = left_waiting_;            // [lock]
  draining_.store(false, std::memory_order_seq_cst);  // [lock], [note]
  if (blocked_.load(std::memory_order_seq_cst) == 1 && blocked_.exchange(0, std::memory_order_seq_cst) == 1) {
    futex_wake_one(blocked_);
  }
  if (flush_waiters_.load(std::memory_order_seq_cst) != 0) {
    drains_.fetch_add(1, std::memory_order_seq_cst);
    futex_wake_all(drains_);
  }
  if (left_waiting) kick();  // their gathering's time keeper may be among those that were covered
}

void Flusher::lead(Lsn end) {
  for (Backoff hole; !(durable() >= end || failed());) {
    if (!drain()) hole.pause();
  }
  release();
}

bool Flusher::drain() noexcept {
  gathering_.close();                                           // [gather]
  const Lsn begin = recycled_.load(std::memory_order_relaxed);  // [lock]
  const Lsn end = buffer_.advance();
  boundary_lag_.record(buffer_.reserved() - end);
  if (end > begin) {
    if (options_.before_write) options_.before_write(begin, end);
    if (!failed()) write(begin, end);
    buffer_.recycle(end);
    recycled_.store(end, std::memory_order_relaxed);  // a hint for appended(); [lock] for drainers
  }
  if (!failed()) gather();
  settle();
  if (gathering_.open()) {  // waking them took its time
    gathered_at_.store(now_ns() + cohort_.patience().count(), std::memory_order_relaxed);
  }
  return end > begin;
}

void Flusher::write(Lsn begin, Lsn end) {
  const Clock::time_point began = Clock::now();
  try {
    put_on_device(begin, end);
    device_.sync();
  } catch (const std::system_error& error) {
    return fail(error.code(), error.what());
  } catch (const std::exception& error) {
    return fail({EIO, std::generic_category()}, error.what());
  }
  cohort_.synced(Clock::now() - began);
  bytes_.add(end - begin);
  syncs_.add(1);
  flush_bytes_.record(end - begin);
  durable_.store(end, std::memory_order_seq_cst);  // [durable], [park]
}

/// At once, or record by record: the boundary `end` is never inside a record.
void Flusher::put_on_device(Lsn begin, Lsn end) {
  for (Lsn at = begin; at < end; writes_.add(1)) {
    const Lsn upto = options_.write_each ? at + record_bytes(buffer_.bytes(at, end)) : end;
    device_.write(at, buffer_.bytes(at, upto));
    at = upto;
  }
}

void Flusher::fail(const std::error_code& code, const std::string& what) {
  failure_code_ = code;
  // system_error's what() ends with the code's message, which the next system_error adds again.
  const std::string message = ": " + code.message();
  const bool repeated = what.ends_with(message);
  failure_ = "the log has failed, nothing is committed any more: " +
             (repeated ? what.substr(0, what.size() - message.size()) : what);
  failed_.store(true, std::memory_order_seq_cst);  // [park]
}

/// Before the first of them wakes: it may be back before the last one does.
void Flusher::gather() {
  const Lsn durable_end = durable();
  const std::chrono::nanoseconds now(now_ns());
  const std::uint32_t ticket = gathering_.next_ticket();
  const std::uint32_t slots = slots_used_.load(std::memory_order_seq_cst);
  std::uint32_t left = 0;
  std::uint32_t released = 0;
  std::uint32_t expected = 0;
  for (std::uint32_t i = 0; i < slots; ++i) {
    Slot& slot = slots_[i];
    const Lsn end = slot.commit_end.load(std::memory_order_acquire);  // by wait_for_sync()
    if (end > durable_end) ++left;
    if (end <= released_ || end > durable_end) continue;
    ++released;
    const std::chrono::nanoseconds asked(slot.asked_at.load(std::memory_order_relaxed));
    if (!cohort_.release(i, asked, now)) continue;
    // One that left without being woken, and is back already, misses its ticket: one wait in vain.
    slot.ticket.store(ticket, std::memory_order_relaxed);
    ++expected;
  }
  released_ = durable_end;
  left_waiting_ = left != 0;
  if (released != 0) clients_.store(released + left, std::memory_order_relaxed);
  if (expected == 0) return;
  gathered_at_.store((now + cohort_.patience()).count(), std::memory_order_relaxed);
  gathering_.open(expected, left_waiting_);
}

void Flusher::settle() {
  const Lsn durable_end = durable();
  const bool has_failed = failed();
  const std::uint32_t slots = slots_used_.load(std::memory_order_seq_cst);
  for (std::uint32_t i = 0; i < slots; ++i) wake(slots_[i], durable_end, has_failed);
}

void Flusher::wake(Slot& slot, Lsn durable_end, bool has_failed) {
  if (slot.parked.load(std::memory_order_seq_cst) == 1 &&
      (has_failed || slot.target.load(std::memory_order_relaxed) <= durable_end) &&
      slot.parked.exchange(0, std::memory_order_seq_cst) == 1) {
    futex_wake_one(slot.parked);
  }
}

// --- the flusher's thread ---

/// With nothing held: what the callbacks do may need a page, a latch or a flush.
void Flusher::acknowledge() {
  const bool has_failed = failed();  // before durable_, which stays where it is from then on
  const Lsn durable_end = durable();
  const std::uint32_t slots = slots_used_.load(std::memory_order_seq_cst);
  for (std::uint32_t i = 0; i < slots; ++i) {
    Slot& slot = slots_[i];
    std::size_t head = slot.head.load(std::memory_order_relaxed);        // this thread's
    const std::size_t tail = slot.tail.load(std::memory_order_acquire);  // [queue]
    const std::size_t first = head;
    std::uint64_t acknowledged = 0;
    for (; head != tail; ++head) {
      PendingCommit& commit = *slot.pending[head % kPendingMax];
      const bool is_durable = commit.end <= durable_end;
      if (!is_durable && !has_failed) break;
      if (is_durable) ++acknowledged;
      commit.acknowledge(commit, is_durable);  // it may be gone when this returns
    }
    if (head == first) continue;
    acknowledged_.add(acknowledged);
    slot.head.store(head, std::memory_order_seq_cst);  // [queue], [park]
    wake(slot, durable_end, has_failed);
  }
}

void Flusher::run() {
  if (options_.on_start) options_.on_start();
  Backoff hole;
  bool worked = false;
  Clock::time_point idle_flush = Clock::now() + kIdleFlush;
  while (true) {
    Clock::time_point due = flush_due();
    const Clock::time_point now = Clock::now();
    const bool stopping = stop_.load(std::memory_order_seq_cst);
    if (stopping || now >= idle_flush) {
      idle_flush = now + kIdleFlush;
      if (due == Clock::time_point::max()) {
        if (buffer_.reserved() != recycled_.load(std::memory_order_relaxed)) {
          due = now;
        } else if (stopping) {
          return;
        }
      }
    }
    if (due > now) {
      const bool idle = due == Clock::time_point::max();
      if (!(idle && worked && asked_soon())) sleep_until(std::min(due, idle_flush));
      worked = false;
      hole = Backoff();
    } else if (try_take()) {
      const bool moved = drain();
      release();
      acknowledge();
      if (moved) {
        hole = Backoff();
      } else {
        hole.pause();
      }
      worked = true;
      drained_at_ = Clock::now();
      idle_flush = drained_at_ + kIdleFlush;
    } else {
      acknowledge();
      wait_for_drainer();
    }
  }
}

Flusher::Clock::time_point Flusher::flush_due() const {
  const Lsn durable_end = durable();
  if (buffer_.reserved() > recycled_.load(std::memory_order_relaxed) + reach_ / 2)
    return Clock::time_point::min();
  bool pipelined = false;
  std::uint32_t grouped = 0;
  std::int64_t gathered = std::numeric_limits<std::int64_t>::max();
  std::int64_t oldest = std::numeric_limits<std::int64_t>::max();
  const std::uint32_t slots = slots_used_.load(std::memory_order_seq_cst);
  for (std::uint32_t i = 0; i < slots; ++i) {
    const Slot& slot = slots_[i];
    // [sleep]. The head is the drainer's; an old one makes for a drain too many.
    if (slot.tail.load(std::memory_order_seq_cst) != slot.head.load(std::memory_order_relaxed)) {
      pipelined = true;
    }
    if (slot.parked.load(std::memory_order_seq_cst) == 0) continue;            // [sleep]
    if (slot.target.load(std::memory_order_relaxed) <= durable_end) continue;  // it is about to leave
    if (slot.commit_end.load(std::memory_order_relaxed) > durable_end && gathering_.open()) {  // [gather]
      if (!gathering_.kept_by_client()) gathered = gathered_at_.load(std::memory_order_relaxed);
      continue;
    }
    const std::int64_t since = slot.grouped_since.load(std::memory_order_relaxed);
    if (since == 0) return Clock::time_point::min();
    oldest = std::min(oldest, since);
    ++grouped;
  }
  if (grouped >= options_.group_commits) return Clock::time_point::min();
  Clock::time_point due = Clock::time_point(std::chrono::nanoseconds(gathered));
  if (pipelined) due = std::min(due, drained_at_ + kPipelineNap);
  if (grouped > 0 && !failed()) {
    due = std::min(due, Clock::time_point(std::chrono::nanoseconds(oldest) + options_.group_timeout));
  }
  return due;
}

bool Flusher::asked_soon() const {
  Backoff patience;
  for (std::uint32_t look = 0; look < kLooks; ++look, patience.pause()) {
    if (flush_due() != Clock::time_point::max()) return true;
  }
  return false;
}

void Flusher::sleep_until(Clock::time_point time) {
  awake_at_.store(std::chrono::nanoseconds(time.time_since_epoch()).count(), std::memory_order_relaxed);
  const std::uint32_t depth = time - Clock::now() <= kPipelineNap ? kNapping : kAsleep;
  sleep_.store(depth, std::memory_order_seq_cst);  // [sleep]
  if (flush_due() >= time && !stop_.load(std::memory_order_seq_cst)) {
    const auto left = time - Clock::now();
    if (left.count() > 0) futex_wait(sleep_, depth, left);
  }
  sleep_.store(kAwake, std::memory_order_seq_cst);
}

void Flusher::wait_for_drainer() {
  blocked_.store(1, std::memory_order_seq_cst);  // [note]
  if (draining_.load(std::memory_order_seq_cst)) futex_wait(blocked_, 1);
  blocked_.store(0, std::memory_order_relaxed);
}

LogStatistics Flusher::statistics() const {
  LogStatistics result;
  result.bytes = bytes_.get();
  result.writes = writes_.get();
  result.syncs = syncs_.get();
  result.commits = acknowledged_.get();
  const std::uint32_t slots = slots_used_.load(std::memory_order_acquire);
  for (std::uint32_t i = 0; i < slots; ++i) result.commits += slots_[i].commits.get();
  result.flush_bytes = flush_bytes_.snapshot();
  result.boundary_lag = boundary_lag_.snapshot();
  return result;
}

}  // namespace muster
