#include "algorithms/parts/backoff.h"
#include "engine/lsm/lsm_access.h"

// What an LsmTable does in its own threads, and how changes wait for it.

namespace muster::lsm {
namespace {

constexpr std::chrono::milliseconds kSlowDown{1};

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

/// In a background thread.
void LsmTable::run(const std::stop_token& stop, void (LsmTable::*work)(const std::stop_token&)) {
  try {
    (this->*work)(stop);
  } catch (const Stopped&) {  // the table is being closed
  } catch (...) {
    fail(std::current_exception());
  }
}

/// A call of wake() that comes while this thread is at work is not lost: `calls_` differs from `seen` then.
void LsmTable::flush_memtables(const std::stop_token& stop) {
  for (std::uint64_t seen = 0; !stop.stop_requested();) {
    while (flush_one() || switch_if_full()) {}
    std::unique_lock lock(mutex_);
    work_.wait(lock, stop, [&] { return calls_ != seen; });
    seen = calls_;
  }
}

void LsmTable::compact_files(const std::stop_token& stop) {
  for (std::uint64_t seen = 0; !stop.stop_requested();) {
    while (!stop.stop_requested() && tree_.compact()) update_pressure();
    std::unique_lock lock(mutex_);
    work_.wait(lock, stop, [&] { return calls_ != seen; });
    seen = calls_;
  }
}

/// False: there is no memtable to write, or another thread is at it.
bool LsmTable::flush_one() {
  if (!tree_.flush()) return false;
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

/// Without a background, while restart redoes and undoes. During the first reading of the log a memtable does not become full
/// (redo_room): nothing is written then.
void LsmTable::make_room(const TreeParts::Memtable* full) {
  switch_memtable(full);
  while (flush_one()) {}
}

LsmTable::Pressure LsmTable::measure() const {
  const Limits limits = limits_of(parts_.options().compaction);
  return read([&](const TreeView& view) {
    const std::size_t tables = view.tables.levels->level(0).size();
    const bool is_full = view.count == TreeParts::kMemtables &&
                         view.memtables[0].memtable->bytes() >= parts_.options().memtable_bytes;
    if (is_full || tables >= limits.stop) return Pressure::stop;
    return tables >= limits.slow ? Pressure::slow : Pressure::none;
  });
}

/// Measured under the mutex, so that the last one to set it has seen all that came before.
void LsmTable::update_pressure() {
  const std::lock_guard guard(mutex_);
  const Pressure now = measure();
  pressure_.store(now, std::memory_order_relaxed);
  if (now != Pressure::stop) relief_.notify_all();
}

/// Before a change, while it holds no latch.
void LsmTable::admit() {
  throw_if_failed();
  const Pressure pressure = pressure_.load(std::memory_order_relaxed);
  if (pressure == Pressure::none) [[likely]]
    return;
  if (pressure == Pressure::slow) {
    slowed_.fetch_add(1, std::memory_order_relaxed);
    std::this_thread::sleep_for(kSlowDown);
    return;
  }
  stopped_.fetch_add(1, std::memory_order_relaxed);
  std::unique_lock lock(mutex_);
  relief_.wait(lock, [&] {
    return failure_ != nullptr || pressure_.load(std::memory_order_relaxed) != Pressure::stop;
  });
  if (failure_) std::rethrow_exception(failure_);
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
  } catch (...) {
    fail(std::current_exception());
    throw;
  }
  return tree_.needed_from();
}

}  // namespace muster::lsm
