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

// Frames that one call of the clock hand looks at, and so the pages that share a sync.
constexpr std::size_t kStretch = WriteBatch::kPagesMax;
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

/// Adds the page to the batch as it was when `seen` was its state word, or does not if it has changed since.
bool copy_unchanged(const TableSpace& space, PageNumber page, std::uint64_t seen, WriteBatch& batch) {
  copy_from_page(batch.room(), space.page(page), kPageBytes);
  if (!unchanged_since(space.state(page), seen)) return false;
  batch.add(space.id(), page);
  return true;
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

void BufferManager::write_twice(File file) {
  double_write_ = std::make_unique<DoubleWrite>(std::move(file), [this] { sync_tables(); });
}

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

void BufferManager::prefetch(TableId table, PageNumber page) const {
  if (!is_open(table) || page >= space(table).pages_max()) return;
  // Relaxed: a hint; whoever takes the page looks again.
  if (latch_of(space(table).state(page).load(std::memory_order_relaxed)) == kEvicted)
    space(table).prefetch(page);
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
  WriteBatch batch = copy_dirty(victims);
  if (batch.lsn() > 0) flush_log_(batch.lsn());  // the WAL rule, once for all and while none is latched
  std::exception_ptr failure;
  std::optional<FrameIndex> mine = evict(victims, batch, failure);
  if (mine || !failure) return mine;
  if (!enough_are_clean(*this, frames_)) std::rethrow_exception(failure);
  victims.clear();
  choose_victims(Candidates::clean, victims);
  WriteBatch none(0);
  mine = evict(victims, none, failure);
  if (!mine) std::rethrow_exception(failure);
  return mine;
}

/// `batch`: copies of the dirty victims. `failure`: why a victim stays, if one does that was still unused.
std::optional<FrameIndex> BufferManager::evict(const std::vector<Victim>& victims, WriteBatch& batch,
                                               std::exception_ptr& failure) {
  std::unique_lock<std::mutex> area;
  bool kept = true;
  try {
    area = keep_copies(batch);
  } catch (...) {
    failure = std::current_exception();
    kept = false;
  }
  std::optional<FrameIndex> mine;
  std::size_t copies = 0;
  for (const Victim& victim : victims) {
    const bool dirty = is_dirty(victim.seen);
    if (dirty && !kept) continue;
    const Bytes copy = dirty ? batch.copy(copies++) : Bytes();
    try {
      if (!latch_clean(victim, copy) || !release_victim(victim)) continue;
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
        victims.push_back({frame, who, &owner, page_of(who), seen});
      } else if (latch_of(seen) == kUnlocked) {
        // Relaxed: a mark says nothing about the bytes. When it fails, the page is in use.
        state.compare_exchange_strong(seen, with_latch(seen, kMarked), std::memory_order_relaxed,
                                      std::memory_order_relaxed);
      }
    }
  }
}

/// Copies of those that are dirty, in the order of `victims`: writes go forward. One that has changed since it
/// was chosen is dropped.
WriteBatch BufferManager::copy_dirty(std::vector<Victim>& victims) const {
  std::ranges::sort(victims, {}, &Victim::resident);
  const auto dirty = [](const Victim& victim) { return is_dirty(victim.seen); };
  WriteBatch batch(static_cast<std::size_t>(std::ranges::count_if(victims, dirty)));
  std::erase_if(victims, [&](const Victim& victim) {
    return dirty(victim) && !copy_unchanged(*victim.space, victim.page, victim.seen, batch);
  });
  return batch;
}

/// Makes the copies durable in the area, if there is one. The lock keeps them there until the pages are written.
std::unique_lock<std::mutex> BufferManager::keep_copies(WriteBatch& batch) {
  if (!double_write_ || batch.size() == 0) return {};
  return double_write_->keep(batch);
}

/// Takes the exclusive latch of a page that nobody has used since it was chosen, once the file holds it.
bool BufferManager::latch_clean(const Victim& victim, Bytes copy) {
  PageState& state = victim.space->state(victim.page);
  if (!is_dirty(victim.seen)) return try_lock_exclusive(state, victim.seen);
  if (!try_lock_shared(state, victim.seen)) return false;
  std::uint64_t shared = with_latch(victim.seen, kOneSharer);
  try {
    victim.space->write(victim.page, copy);
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
  std::vector<std::uint64_t> pages;
  for (const auto& frame : frames_) {
    const std::uint64_t who = frame.load(std::memory_order_relaxed);  // who comes later is not ours to write
    if (who != kNoPage) pages.push_back(who);
  }
  std::ranges::sort(pages);
  for (std::size_t done = 0; done < pages.size(); done += WriteBatch::kPagesMax) {
    write_back(std::span(pages).subspan(done, std::min(WriteBatch::kPagesMax, pages.size() - done)));
  }
  sync_tables();
}

/// Writes those of a batch's pages that are dirty.
void BufferManager::write_back(std::span<const std::uint64_t> pages) {
  WriteBatch batch(pages.size());
  std::vector<Victim> copied;
  std::vector<Victim> changed;
  for (const std::uint64_t who : pages) {
    TableSpace& owner = space(table_of(who));
    const PageNumber page = page_of(who);
    const std::uint64_t seen = owner.state(page).load(std::memory_order_acquire);  // [latch]
    const Victim victim{0, who, &owner, page, seen};
    if (latch_of(seen) == kEvicted || (latch_of(seen) != kExclusive && !is_dirty(seen))) continue;
    const bool still = latch_of(seen) != kExclusive && copy_unchanged(owner, page, seen, batch);
    (still ? copied : changed).push_back(victim);
  }
  {
    if (batch.lsn() > 0) flush_log_(batch.lsn());
    const auto area = keep_copies(batch);
    for (std::size_t i = 0; i < copied.size(); ++i) {
      if (!write_unchanged(*copied[i].space, copied[i].page, copied[i].seen, batch.copy(i))) {
        changed.push_back(copied[i]);
      }
    }
  }
  for (const Victim& victim : changed) write_latched(*victim.space, victim.page);
}

/// Writes the copy of a page, made when `seen` was its state word. False if it has changed since.
bool BufferManager::write_unchanged(TableSpace& owner, PageNumber page, std::uint64_t seen, Bytes copy) {
  PageState& state = owner.state(page);
  const std::uint64_t now = state.load(std::memory_order_relaxed);  // the compare-and-swap acquires
  if (version_of(now) != version_of(seen) || !try_lock_shared(state, now)) return false;
  try {
    if (is_dirty(now)) write_in_place(owner, page, copy);
  } catch (...) {
    unlock_shared(state);
    throw;
  }
  unlock_shared(state);
  return true;
}

/// Writes a page that changes faster than a batch is made safe, or waits for one that is being changed: under
/// its shared latch.
void BufferManager::write_latched(TableSpace& owner, PageNumber page) {
  PageState& state = owner.state(page);
  for (Backoff backoff;; backoff.pause()) {
    const std::uint64_t seen = state.load(std::memory_order_relaxed);  // the compare-and-swap acquires
    if (latch_of(seen) == kEvicted || (latch_of(seen) != kExclusive && !is_dirty(seen))) return;
    if (try_lock_shared(state, seen)) break;
  }
  try {
    WriteBatch batch(1);
    copy_from_page(batch.room(), owner.page(page), kPageBytes);
    batch.add(owner.id(), page);
    if (batch.lsn() > 0) flush_log_(batch.lsn());
    const auto area = keep_copies(batch);
    write_in_place(owner, page, batch.copy(0));
  } catch (...) {
    unlock_shared(state);
    throw;
  }
  unlock_shared(state);
}

/// Under a shared latch.
void BufferManager::write_in_place(TableSpace& owner, PageNumber page, Bytes copy) {
  owner.write(page, copy);
  clear_dirty(owner.state(page));
  counters().writes.fetch_add(1, std::memory_order_relaxed);
}

void BufferManager::sync_tables() {
  const std::lock_guard lock(syncing_);
  if (sync_failed_)
    throw std::system_error(EIO, std::generic_category(), "sync the tables after a failed sync");
  sync_failed_ = true;
  for (TableId id = 0; id < kMaxTables; ++id) {
    if (is_open(id)) space(id).sync();
  }
  sync_failed_ = false;
}

}  // namespace muster
