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

}  // namespace

BufferManager::BufferManager(const BufferOptions& options, std::function<void(Lsn)> flush_log)
    : flush_log_(std::move(flush_log)),
      table_bytes_max_(options.table_bytes_max),
      memory_(options.memory),
      frames_(options.frames),
      free_(options.frames),
      lru_(options.replacement == Replacement::lru ? std::make_unique<LruList>(options.frames) : nullptr) {
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
  if (!lru_) cleaner_.emplace([this] { clean_ahead(); });  // it goes ahead of the clock's hand
}

void BufferManager::open_table(TableId id, File file, std::string name) {
  if (id >= kMaxTables)
    throw ConfigError("table", std::to_string(id), fmt::format("want below {}", kMaxTables));
  const std::lock_guard lock(tables_mutex_);
  if (owned_[id]) throw ConfigError("table", std::to_string(id), "it is open already");
  owned_[id] = std::make_unique<TableSpace>(id, std::move(file), table_bytes_max_, std::move(name), memory_);
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
  // Relaxed: a hint; the thread that takes the page looks again.
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
  if (double_write_) sum.double_write_bytes = double_write_->bytes_written();
  for (TableId id = 0; id < kMaxTables; ++id) {
    if (is_open(id)) sum.file_bytes += space(id).file_bytes();
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
        if (lru_) {
          note_use(owner, page);
          return seen;
        }
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
    if (try_lock_exclusive(state, seen)) return note_use(owner, page);
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
    if (try_lock_shared(state, seen)) return note_use(owner, page);
    if (latch_of(seen) == kEvicted) {
      load(owner, page);
    } else {
      backoff.pause();
    }
  }
}

void BufferManager::note_use(const TableSpace& owner, PageNumber page) {
  if (lru_) lru_->used(resident(owner.id(), page));
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
    if (lru_) lru_->loaded(*frame, resident(owner.id(), page));
  } catch (...) {
    if (frame) free_.give(*frame);
    unlock_evicted(state);
    throw;
  }
  // Relaxed: an evictor looks again once it has this page's latch.
  frames_[*frame].store(resident(owner.id(), page), std::memory_order_relaxed);
  counters().misses.fetch_add(1, std::memory_order_relaxed);
  return unlock_loaded(state, lru_ != nullptr);
}

/// The page in a frame, if one is, and its state.
std::optional<BufferManager::Occupant> BufferManager::occupant(std::size_t frame) const {
  const std::uint64_t resident = frames_[frame].load(std::memory_order_relaxed);  // checked in release()
  if (resident == kNoPage) return std::nullopt;
  Occupant page{resident, static_cast<FrameIndex>(frame), &space(table_of(resident)), page_of(resident)};
  page.seen = page.state().load(std::memory_order_acquire);  // [latch]
  return page;
}

/// Adds the page to the batch as it was when it was seen, or does not if it has changed since.
bool BufferManager::copy_unchanged(const Occupant& page, WriteBatch& batch) {
  copy_from_page(batch.room(), page.bytes(), kPageBytes);
  if (!unchanged_since(page.state(), page.seen)) return false;
  batch.add(page.space->id(), page.number);
  return true;
}

/// Makes the copies durable in the area, if there is one. The lock keeps them there until the pages are written.
std::unique_lock<std::mutex> BufferManager::keep_copies(WriteBatch& batch) {
  if (!double_write_ || batch.size() == 0) return {};
  return double_write_->keep(batch);
}

void BufferManager::flush_all() {
  const std::lock_guard lock(tables_mutex_);
  std::vector<Occupant> pages;
  for (std::size_t frame = 0; frame < frames_.size(); ++frame) {
    if (const auto page = occupant(frame))
      pages.push_back(*page);  // a page that comes later is not this call's to write
  }
  std::ranges::sort(pages, {}, &Occupant::resident);
  for (std::size_t done = 0; done < pages.size(); done += WriteBatch::kPagesMax) {
    write_back(std::span(pages).subspan(done, std::min(WriteBatch::kPagesMax, pages.size() - done)));
  }
  sync_tables();
}

/// Writes those of a batch's pages that are dirty.
void BufferManager::write_back(std::span<Occupant> pages) {
  WriteBatch batch(pages.size());
  std::vector<Occupant> copied;
  std::vector<Occupant> changed;
  for (Occupant& page : pages) {
    page.seen = page.state().load(std::memory_order_acquire);  // [latch]
    const bool locked = latch_of(page.seen) == kExclusive;
    if (latch_of(page.seen) == kEvicted || (!locked && !page.is_dirty())) continue;
    (!locked && copy_unchanged(page, batch) ? copied : changed).push_back(page);
  }
  {
    if (batch.lsn() > 0) flush_log_(batch.lsn());
    const auto area = keep_copies(batch);
    for (std::size_t i = 0; i < copied.size(); ++i) {
      if (!write_unchanged(copied[i], batch.copy(i))) changed.push_back(copied[i]);
    }
  }
  for (const Occupant& page : changed) write_latched(*page.space, page.number);
}

/// Writes the copy of a page, made when it was seen. False if it has changed since.
bool BufferManager::write_unchanged(const Occupant& page, Bytes copy) {
  PageState& state = page.state();
  const std::uint64_t now = state.load(std::memory_order_relaxed);  // the compare-and-swap acquires
  if (version_of(now) != version_of(page.seen) || !try_lock_shared(state, now)) return false;
  try {
    if (is_dirty(now)) write_in_place(*page.space, page.number, copy);
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
