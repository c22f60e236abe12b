#include "engine/storage/buffer_manager.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/storage/page_words.h"

namespace muster {
namespace {

constexpr std::size_t kStretch = 64;  // frames that one call of the clock hand looks at
constexpr std::size_t kCleanPagesMin = 32;
constexpr int kPatience = 10'000;     // pauses until "every frame is latched" is believed: a second or two
constexpr std::uint64_t kNoPage = 0;  // in frames_
constexpr unsigned kPageNumberBits = 40;  // below the table's id, in frames_

std::uint64_t resident(TableId table, PageNumber page) {
  return ((std::uint64_t{table} << kPageNumberBits) | page) + 1;
}
TableId table_of(std::uint64_t resident) {
  return static_cast<TableId>((resident - 1) >> kPageNumberBits);
}
PageNumber page_of(std::uint64_t resident) {
  return (resident - 1) & ((std::uint64_t{1} << kPageNumberBits) - 1);
}

Lsn page_lsn(const TableSpace& space, PageNumber page) {
  return load_word(space.page(page));
}

/// Whether reads can go on without a dirty page being written: on fewer pages than a few paths of a tree take they
/// would push each other out for ever.
bool enough_are_clean(const BufferManager& buffers, const std::vector<std::atomic<std::uint64_t>>& frames) {
  const std::size_t enough = std::min(kCleanPagesMin, frames.size() / 4);
  std::size_t clean = 0;
  for (const auto& frame : frames) {
    const std::uint64_t who = frame.load(std::memory_order_relaxed);  // relaxed, as below: an estimate
    if (who == kNoPage) continue;
    const PageState& state = buffers.space(table_of(who)).state(page_of(who));
    if (!is_dirty(state.load(std::memory_order_relaxed)) && ++clean >= enough) return true;
  }
  return false;
}

void clear_dirty(PageState& state) {
  // Relaxed: under a shared latch, whose unlock orders it before whoever changes the page next.
  state.fetch_and(~kDirty, std::memory_order_relaxed);
}

}  // namespace

/// A page that the clock has found unused since it last came by.
struct BufferManager::Victim {
  FrameIndex frame;
  std::uint64_t resident;
  TableSpace* space;
  PageNumber page;
  std::uint64_t seen;  // its state word: marked
  Lsn lsn;             // of a dirty page
};

BufferManager::BufferManager(const BufferOptions& options, std::function<void(Lsn)> flush_log)
    : flush_log_(std::move(flush_log)),
      table_bytes_max_(options.table_bytes_max),
      frames_(options.frames),
      free_(options.frames) {
  if (options.frames < kFramesMin || options.frames > UINT32_MAX) {
    throw ConfigError("frames", std::to_string(options.frames), fmt::format("want at least {}", kFramesMin));
  }
  if (table_bytes_max_ == 0 || table_bytes_max_ % kPageBytes != 0 ||
      table_bytes_max_ / kPageBytes >= std::uint64_t{1} << kPageNumberBits) {
    throw ConfigError("table_bytes_max", std::to_string(table_bytes_max_),
                      fmt::format("want a multiple of {}", kPageBytes));
  }
}

BufferManager::~BufferManager() = default;

void BufferManager::open_table(TableId id, File file) {
  if (id >= kMaxTables)
    throw ConfigError("table", std::to_string(id), fmt::format("want below {}", kMaxTables));
  const std::lock_guard lock(tables_mutex_);
  if (owned_[id]) throw ConfigError("table", std::to_string(id), "it is open already");
  owned_[id] = std::make_unique<TableSpace>(id, std::move(file), table_bytes_max_);
  tables_[id].store(owned_[id].get(), std::memory_order_release);  // pairs with the loads of tables_
}

bool BufferManager::is_open(TableId id) const {
  return id < kMaxTables && tables_[id].load(std::memory_order_acquire) != nullptr;  // pairs with open_table
}

TableSpace& BufferManager::space(TableId id) const {
  return *tables_[id].load(std::memory_order_acquire);  // pairs with open_table
}

BufferStatistics BufferManager::statistics() const {
  BufferStatistics sum;
  for (const Counters& some : counters_) {  // relaxed: counts that nobody draws conclusions of order from
    sum.misses += some.misses.load(std::memory_order_relaxed);
    sum.evictions += some.evictions.load(std::memory_order_relaxed);
    sum.writes += some.writes.load(std::memory_order_relaxed);
  }
  return sum;
}

std::uint64_t BufferManager::begin_read_slowly(TableSpace& owner, PageNumber page) {
  PageState& state = owner.state(page);
  for (Backoff backoff;;) {
    std::uint64_t seen = state.load(std::memory_order_acquire);  // [latch]
    switch (latch_of(seen)) {
      case kEvicted:
        if (const auto loaded = load(owner, page)) return *loaded;
        break;
      case kExclusive:
        backoff.pause();
        break;
      case kMarked: {
        const std::uint64_t unmarked = with_latch(seen, kUnlocked);
        // [latch] A failure means that somebody else did something; look again.
        if (state.compare_exchange_weak(seen, unmarked, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
          return unmarked;
        }
        break;
      }
      default:
        return seen;
    }
  }
}

void BufferManager::lock_exclusive(TableSpace& owner, PageNumber page) {
  PageState& state = owner.state(page);
  for (Backoff backoff;;) {
    const std::uint64_t seen = state.load(std::memory_order_relaxed);  // the compare-and-swap acquires
    if (try_lock_exclusive(state, seen)) return;
    if (latch_of(seen) == kEvicted) {
      load(owner, page);
    } else {
      backoff.pause();
    }
  }
}

void BufferManager::lock_shared(TableSpace& owner, PageNumber page) {
  PageState& state = owner.state(page);
  for (Backoff backoff;;) {
    const std::uint64_t seen = state.load(std::memory_order_relaxed);  // the compare-and-swap acquires
    if (try_lock_shared(state, seen)) return;
    if (latch_of(seen) == kEvicted) {
      load(owner, page);
    } else {
      backoff.pause();
    }
  }
}

/// Whoever takes the evicted page's latch reads it, and gets its state word; the others get nothing and wait
/// for the latch. The page is left marked: it has to be used once more before the clock takes it for one in
/// use.
std::optional<std::uint64_t> BufferManager::load(TableSpace& owner, PageNumber page) {
  PageState& state = owner.state(page);
  std::uint64_t seen = state.load(std::memory_order_relaxed);
  if (latch_of(seen) != kEvicted ||
      !state.compare_exchange_strong(seen, with_latch(seen, kExclusive), std::memory_order_acquire,
                                     std::memory_order_relaxed)) {  // [latch]
    return std::nullopt;
  }
  std::optional<FrameIndex> frame;
  try {
    frame = take_frame();
    alignas(kWordBytes) std::array<std::byte, kPageBytes> content;
    owner.read(page, content);
    copy_to_page(owner.page(page), content);
  } catch (...) {
    if (frame) free_.give(*frame);
    unlock_evicted(state);
    throw;
  }
  // Relaxed: an evictor looks again once it has this page's latch.
  frames_[*frame].store(resident(owner.id(), page), std::memory_order_relaxed);
  counters().misses.fetch_add(1, std::memory_order_relaxed);
  return unlock_loaded(state);
}

FrameIndex BufferManager::take_frame() {
  Backoff backoff;
  for (int tries = 0; tries < kPatience; ++tries) {
    if (const auto frame = free_.take()) return *frame;
    if (const auto frame = evict_some()) return *frame;
    backoff.pause();
  }
  throw ConfigError("frames", std::to_string(frames_.size()), "every one is latched, want more");
}

/// Evicts what one stretch of the clock finds. Returns one of the freed frames, the others go to free_.
std::optional<FrameIndex> BufferManager::evict_some() {
  std::vector<Victim> victims;
  choose_victims(Candidates::all, victims);
  const Lsn durable = flush_log_for(victims);
  std::exception_ptr failure;
  std::optional<FrameIndex> mine = evict(victims, durable, failure);
  if (mine || !failure) return mine;
  if (!enough_are_clean(*this, frames_)) std::rethrow_exception(failure);
  victims.clear();
  choose_victims(Candidates::clean, victims);
  mine = evict(victims, 0, failure);
  if (!mine) std::rethrow_exception(failure);
  return mine;
}

/// `failure`: why a victim stays, if one does that was still unused.
std::optional<FrameIndex> BufferManager::evict(const std::vector<Victim>& victims, Lsn durable,
                                               std::exception_ptr& failure) {
  std::optional<FrameIndex> mine;
  for (const Victim& victim : victims) {
    try {
      if (!latch_clean(victim, durable) || !release_victim(victim)) continue;
    } catch (...) {
      failure = std::current_exception();
      continue;
    }
    if (mine) free_.give(*mine);
    mine = victim.frame;
  }
  return mine;
}

void BufferManager::choose_victims(Candidates candidates, std::vector<Victim>& victims) {
  const std::size_t stretch = std::min(kStretch, std::max<std::size_t>(1, frames_.size() / 8));
  for (std::size_t walked = 0; walked < 2 * frames_.size() && victims.empty(); walked += stretch) {
    // Relaxed: it only hands out stretches.
    const std::uint64_t begin = hand_.fetch_add(stretch, std::memory_order_relaxed);
    for (std::size_t i = 0; i < stretch; ++i) {
      const auto frame = static_cast<FrameIndex>((begin + i) % frames_.size());
      const std::uint64_t who = frames_[frame].load(std::memory_order_relaxed);  // checked in release_victim
      if (who == kNoPage) continue;
      TableSpace& owner = space(table_of(who));
      PageState& state = owner.state(page_of(who));
      std::uint64_t seen = state.load(std::memory_order_acquire);  // [latch]
      if (candidates == Candidates::clean && is_dirty(seen)) continue;
      if (latch_of(seen) == kMarked) {
        victims.push_back({frame, who, &owner, page_of(who), seen, 0});
      } else if (latch_of(seen) == kUnlocked) {
        // Relaxed: a mark says nothing about the bytes. When it fails, the page is in use.
        state.compare_exchange_strong(seen, with_latch(seen, kMarked), std::memory_order_relaxed,
                                      std::memory_order_relaxed);
      }
    }
  }
}

/// The WAL rule, once for all victims and while none of them is latched. What changed meanwhile is dropped.
Lsn BufferManager::flush_log_for(std::vector<Victim>& victims) {
  Lsn needed = 0;
  std::erase_if(victims, [&](Victim& victim) {
    if (!is_dirty(victim.seen)) return false;
    victim.lsn = page_lsn(*victim.space, victim.page);
    if (!unchanged_since(victim.space->state(victim.page), victim.seen)) return true;
    needed = std::max(needed, victim.lsn);
    return false;
  });
  if (needed > 0) flush_log_(needed);
  std::sort(victims.begin(), victims.end(),
            [](const Victim& a, const Victim& b) { return a.resident < b.resident; });  // writes go forward
  return needed;
}

/// Takes the exclusive latch of a page that nobody has used since it was chosen, once the file holds it.
bool BufferManager::latch_clean(const Victim& victim, Lsn durable) {
  PageState& state = victim.space->state(victim.page);
  if (!is_dirty(victim.seen)) return try_lock_exclusive(state, victim.seen);
  if (!try_lock_shared(state, victim.seen)) return false;
  std::uint64_t shared = with_latch(victim.seen, kOneSharer);
  try {
    if (page_lsn(*victim.space, victim.page) > durable) {
      unlock_shared(state);
      return false;
    }
    victim.space->write(victim.page);
  } catch (...) {
    unlock_shared(state);
    throw;
  }
  counters().writes.fetch_add(1, std::memory_order_relaxed);
  // [latch] Release for what the others may have to see of this reader, acquire as for any exclusive latch.
  if (state.compare_exchange_strong(shared, with_latch(shared, kExclusive) & ~kDirty,
                                    std::memory_order_acq_rel, std::memory_order_relaxed)) {
    return true;
  }
  clear_dirty(state);  // another one reads it: it stays, clean
  unlock_shared(state);
  return false;
}

/// Under the exclusive latch: takes the page out of its frame, if it still is in that one.
bool BufferManager::release_victim(const Victim& victim) {
  PageState& state = victim.space->state(victim.page);
  if (frames_[victim.frame].load(std::memory_order_relaxed) != victim.resident) {  // settled by the latch
    unlock_exclusive(state, false);
    return false;
  }
  try {
    victim.space->release_memory(victim.page);
  } catch (...) {
    unlock_exclusive(state, false);
    throw;
  }
  frames_[victim.frame].store(kNoPage, std::memory_order_relaxed);
  counters().evictions.fetch_add(1, std::memory_order_relaxed);
  unlock_evicted(state);
  return true;
}

void BufferManager::flush_all() {
  const std::lock_guard lock(tables_mutex_);
  if (sync_failed_)
    throw std::system_error(EIO, std::generic_category(), "sync the tables after a failed sync");
  std::vector<std::uint64_t> pages;
  for (const auto& frame : frames_) {
    const std::uint64_t who = frame.load(std::memory_order_relaxed);  // who comes later is not ours to write
    if (who != kNoPage) pages.push_back(who);
  }
  std::sort(pages.begin(), pages.end());
  Lsn needed = 0;  // one flush of the log for nearly all
  for (const std::uint64_t who : pages) {
    TableSpace& owner = space(table_of(who));
    const PageState& state = owner.state(page_of(who));
    const std::uint64_t seen = state.load(std::memory_order_acquire);  // [latch]
    if (!is_dirty(seen) || !(is_idle(seen) || latch_of(seen) >= kOneSharer)) continue;
    const Lsn lsn = page_lsn(owner, page_of(who));
    if (unchanged_since(state, seen)) needed = std::max(needed, lsn);
  }
  if (needed > 0) flush_log_(needed);
  for (const std::uint64_t who : pages) write_if_dirty(space(table_of(who)), page_of(who), needed);
  sync_failed_ = true;
  for (const auto& owner : owned_) {
    if (owner) owner->sync();
  }
  sync_failed_ = false;
}

void BufferManager::write_if_dirty(TableSpace& owner, PageNumber page, Lsn durable) {
  PageState& state = owner.state(page);
  for (Backoff backoff;;) {
    const std::uint64_t seen = state.load(std::memory_order_acquire);  // [latch]
    if (latch_of(seen) == kEvicted) return;
    if (latch_of(seen) != kExclusive && !is_dirty(seen)) return;
    if (!try_lock_shared(state, seen)) {
      backoff.pause();
      continue;
    }
    const Lsn lsn = page_lsn(owner, page);
    if (lsn > durable) {
      unlock_shared(state);
      flush_log_(lsn);
      durable = lsn;
      continue;
    }
    try {
      owner.write(page);
    } catch (...) {
      unlock_shared(state);
      throw;
    }
    clear_dirty(state);
    unlock_shared(state);
    counters().writes.fetch_add(1, std::memory_order_relaxed);
    return;
  }
}

}  // namespace muster
