#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "algorithms/parts/backoff.h"
#include "engine/io/file.h"
#include "engine/lsm/lsm_access.h"

// What an LsmTable does in its own threads, and how changes wait for it.

namespace muster::lsm {
namespace {

constexpr std::chrono::milliseconds kSlowDown{1};

/// The first and the longest pause before the background tries again what has found no room.
constexpr std::chrono::milliseconds kRetryFirst{10};
constexpr std::chrono::milliseconds kRetryMax{1000};

bool is_too_many_files(const std::error_code& code) {
  return code == std::errc::too_many_files_open || code == std::errc::too_many_files_open_in_system;
}

/// Whether the machine may grant later what it refuses now, for a file that is written anew then. A sync that found no room is among
/// these: its file is removed.
bool is_no_room(const std::error_code& code) {
  return is_lack_of_room(code) || is_too_many_files(code);
}

/// Tables in level 0 at which changes are slowed down, and stopped. Each makes every look-up longer. Under size-tiered compaction all
/// tables are in level 0, some of each size. As LevelDB and RocksDB do.
struct Limits {
  std::size_t slow, stop;
};
Limits limits_of(CompactionPolicy policy) {
  return policy == CompactionPolicy::leveled ? Limits{12, 24} : Limits{40, 80};
}

}  // namespace

void LsmTable::start(MayDrop may_drop) {
  parts_.set_may_drop([this, may_drop = std::move(may_drop)](const Entry& tombstone) {
    return may_drop(id_, tombstone.key);
  });
  parts_.redo_ended();
  has_background_ = true;
  flusher_ = std::jthread([this](const std::stop_token& stop) { run(stop, &LsmTable::flush_memtables); });
  compactor_ = std::jthread([this](const std::stop_token& stop) { run(stop, &LsmTable::compact_files); });
}

void LsmTable::stop() noexcept {
  parts_.stop();
  for (std::jthread* thread : {&flusher_, &compactor_}) {
    if (!thread->joinable()) continue;
    thread->request_stop();
    thread->join();
  }
}

/// In a background thread: `work` is called when there may be something to do, and does all that there is. A call of wake() that
/// comes while the thread is at work is not lost: `calls_` differs from `seen` then.
void LsmTable::run(const std::stop_token& stop, void (LsmTable::*work)(const std::stop_token&)) {
  std::chrono::milliseconds pause = kRetryFirst;
  try {
    for (std::uint64_t seen = 0; !stop.stop_requested();) {
      bool has_room = true;
      try {
        (this->*work)(stop);
        pause = kRetryFirst;
      } catch (const NoRoom&) {
        has_room = false;
      }
      std::unique_lock lock(mutex_);
      if (has_room) {
        work_.wait(lock, stop, [&] { return calls_ != seen; });
      } else {
        work_.wait_for(lock, stop, pause, [] { return false; });
        pause = std::min(2 * pause, kRetryMax);
      }
      seen = calls_;
    }
  } catch (const Stopped&) {  // the table is being closed
  } catch (...) {
    fail(std::current_exception());
  }
}

void LsmTable::flush_memtables(const std::stop_token&) {
  while (flush_one() || switch_if_full()) {}
  // Nothing is left to write, or write_back() is writing it. If write_back() finds no room, it wakes this thread.
  const std::lock_guard guard(mutex_);
  no_room_[static_cast<std::size_t>(Duty::flush)].reset();
}

void LsmTable::compact_files(const std::stop_token& stop) {
  while (!stop.stop_requested() && with_room(Duty::compact, [this] { return tree_.compact(); }))
    update_pressure();
}

/// Returns what work() returns. If work() finds no room, notes that for admit(), and throws NoRoom.
template <class Work>
bool LsmTable::with_room(Duty duty, Work work) {
  std::optional<NoRoom>& noted = no_room_[static_cast<std::size_t>(duty)];
  try {
    const bool done = work();
    const std::lock_guard guard(mutex_);
    // A flush that returns false may be another thread's, which finds no room.
    if (done || duty == Duty::compact) noted.reset();
    return done;
  } catch (const std::system_error& error) {
    // Without a background no thread would try again. A failed log and a manifest in doubt are final.
    const bool is_final = !has_background_ || parts_.log_has_failed() || parts_.store().is_in_doubt();
    if (is_final || !is_no_room(error.code())) throw;
    const NoRoom no_room(
        error.code(),
        fmt::format("{}: no more changes until there is room again{}; reads go on",
                    parts_.directory().string(), is_too_many_files(error.code()) ? " (ulimit -n)" : ""));
    const std::lock_guard guard(mutex_);
    noted = no_room;
    relief_.notify_all();
    throw no_room;
  }
}

/// False: there is no memtable to write, or another thread is at it.
bool LsmTable::flush_one() {
  if (!with_room(Duty::flush, [this] { return tree_.flush(); })) return false;
  flushes_.fetch_add(1, std::memory_order_relaxed);
  if (!has_background_) return true;
  update_pressure();
  wake();  // the compactor
  return true;
}

/// Looks first whether there is room, before a memtable is made.
bool LsmTable::switch_memtable(const TreeParts::Memtable* full) {
  const bool may_switch = read([&](const TreeView& view) {
    return view.memtables[0].memtable == full && view.count < TreeParts::kMemtables;
  });
  return may_switch && tree_.switch_memtable(full);
}

/// For a change that found no room for a new memtable: it has gone on, and perhaps no other change comes.
bool LsmTable::switch_if_full() {
  const TreeParts::Memtable* full = nullptr;
  read([&](const TreeView& view) {
    const TreeParts::Memtable* const active = view.memtables[0].memtable;
    if (active->bytes() >= parts_.options().memtable_bytes) full = active;
    return true;
  });
  if (full == nullptr || !switch_memtable(full)) return false;
  update_pressure();
  return true;
}

void LsmTable::wake() {
  {
    const std::lock_guard guard(mutex_);
    ++calls_;
  }
  work_.notify_all();
}

/// `full`: the change has filled it; null: it has filled none. The thread holds no slot and no latch.
void LsmTable::after_change(const TreeParts::Memtable* full) {
  if (full == nullptr) [[likely]]
    return;
  if (!has_background_) return make_room(full);
  if (switch_memtable(full)) {
    wake();
  } else {
    update_pressure();
  }
}

/// Without a background, while restart redoes and undoes. During the first reading of the log the memtable takes it all: that is
/// little (redo_room), and nothing may be written then.
void LsmTable::make_room(const TreeParts::Memtable* full) {
  if (!may_write_) return;
  switch_memtable(full);
  while (flush_one()) {}
}

LsmTable::Pressure LsmTable::measure() const {
  const Limits limits = limits_of(parts_.options().compaction);
  return read([&](const TreeView& view) {
    const std::size_t tables = view.tables.levels->level(0).size();
    const bool is_full = view.count == TreeParts::kMemtables &&
                         view.memtables[0].memtable->bytes() >= parts_.options().memtable_bytes;
    if (tables >= limits.stop) return Pressure::files;
    if (is_full) return Pressure::memtables;
    return tables >= limits.slow ? Pressure::slow : Pressure::none;
  });
}

/// Measured under the mutex, so that the last one to set it has seen all that came before.
void LsmTable::update_pressure() {
  const std::lock_guard guard(mutex_);
  const Pressure now = measure();
  pressure_.store(now, std::memory_order_relaxed);
  relief_.notify_all();  // every change that waits looks again at what holds it up
}

/// Why the thread that would end the pressure cannot; null: it is at work. With the mutex.
const NoRoom* LsmTable::no_room_behind(Pressure pressure) const {
  const Duty duty = pressure == Pressure::files ? Duty::compact : Duty::flush;
  const std::optional<NoRoom>& found = no_room_[static_cast<std::size_t>(duty)];
  return found ? &*found : nullptr;
}

/// Before a change, while it holds no latch. Not of a rollback: if that were refused, the engine would have to end.
void LsmTable::admit(const ChangeLog& log) {
  throw_if_failed();
  const Pressure pressure = pressure_.load(std::memory_order_relaxed);
  if (pressure == Pressure::none) [[likely]]
    return;
  if (log.is_rollback()) return;
  if (pressure == Pressure::slow) {
    slowed_.fetch_add(1, std::memory_order_relaxed);
    std::this_thread::sleep_for(kSlowDown);
    return;
  }
  stopped_.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock lock(mutex_);
  const NoRoom* no_room = nullptr;
  relief_.wait(lock, [&] {
    const Pressure now = pressure_.load(std::memory_order_relaxed);  // relaxed: written under mutex_
    const bool is_held_up = now == Pressure::memtables || now == Pressure::files;
    no_room = is_held_up ? no_room_behind(now) : nullptr;
    return failure_ != nullptr || !is_held_up || no_room != nullptr;
  });
  if (failure_) std::rethrow_exception(failure_);
  if (no_room != nullptr) throw NoRoom(*no_room);
}

void LsmTable::fail(std::exception_ptr why) {
  const std::lock_guard guard(mutex_);
  if (failure_) return;  // the first one counts
  failure_ = std::move(why);
  failed_.store(true, std::memory_order_release);  // publishes failure_: pairs with throw_if_failed()
  relief_.notify_all();
}

void LsmTable::throw_if_failed() const {
  if (failed_.load(std::memory_order_acquire)) std::rethrow_exception(failure_);  // pairs with fail()
}

/// The memtable that is active now is written by the flusher or by this thread.
Lsn LsmTable::write_back() {
  const TreeParts::Memtable* active = nullptr;
  std::uint64_t number = 0;
  read([&](const TreeView& view) {
    active = view.memtables[0].memtable;
    number = active->number;
    return true;
  });
  const auto is_written = [&] {
    return read(
        [&](const TreeView& view) { return view.memtables[view.count - 1].memtable->number > number; });
  };
  try {
    for (Backoff backoff; !is_written(); backoff.pause()) {
      throw_if_failed();
      switch_memtable(active);
      while (flush_one()) {}
    }
  } catch (const NoRoom&) {  // the caller may try again, and so does the background
    wake();
    throw;
  } catch (...) {
    fail(std::current_exception());
    throw;
  }
  return tree_.needed_from();
}

}  // namespace muster::lsm
