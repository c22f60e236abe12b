#include <algorithm>
#include <string>

#include "engine/error.h"
#include "engine/storage/buffer_manager.h"

// The clock, and the second hand that cleans ahead of it.

namespace muster {
namespace {

// Frames that one call of the clock hand looks at.
constexpr std::size_t kStretch = 256;
constexpr std::size_t kCleanPagesMin = 32;
constexpr int kPatience = 10'000;  // pauses until "every frame is latched" is believed: a second or two

std::size_t stretch_of(std::size_t frames) {
  return std::min(kStretch, std::max<std::size_t>(1, frames / 8));
}

}  // namespace

void BufferManager::drop_dirty(std::vector<Occupant>& pages) {
  std::erase_if(pages, [](const Occupant& page) { return page.is_dirty(); });
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
  std::vector<Occupant> victims;
  choose_victims(Candidates::all, victims);
  // Dirty ones are the cleaner's as long as there are others.
  if (cleaner_ && !std::ranges::all_of(victims, &Occupant::is_dirty)) drop_dirty(victims);
  const std::exception_ptr failure = clean(victims);
  std::optional<FrameIndex> mine = release(victims);
  if (mine || !failure) return mine;
  if (!enough_are_clean()) std::rethrow_exception(failure);
  victims.clear();
  choose_victims(Candidates::clean, victims);
  mine = release(victims);
  if (!mine) std::rethrow_exception(failure);
  return mine;
}

/// Those that the clock finds unused since it last came by. It marks the others.
void BufferManager::choose_victims(Candidates candidates, std::vector<Occupant>& victims) {
  if (lru_) return choose_oldest(candidates, victims);
  const std::size_t stretch = stretch_of(frames_.size());
  for (std::size_t walked = 0; walked < 2 * frames_.size() && victims.empty(); walked += stretch) {
    // Relaxed: it only hands out stretches.
    const std::uint64_t begin = hand_.fetch_add(stretch, std::memory_order_relaxed);
    if (cleaner_ && cleaned_.load(std::memory_order_relaxed) < begin + frames_.size() / 4) cleaner_->ask();
    for (std::size_t i = 0; i < stretch; ++i) {
      std::optional<Occupant> page = occupant((begin + i) % frames_.size());
      if (!page || (candidates == Candidates::clean && page->is_dirty())) continue;
      if (latch_of(page->seen) == kMarked) {
        victims.push_back(*page);
      } else if (latch_of(page->seen) == kUnlocked) {
        // Relaxed: a mark says nothing about the bytes. When it fails, the page is in use.
        page->state().compare_exchange_strong(page->seen, with_latch(page->seen, kMarked),
                                              std::memory_order_relaxed, std::memory_order_relaxed);
      }
    }
  }
}

/// No more at a time than the hand of the clock looks at.
void BufferManager::choose_oldest(Candidates candidates, std::vector<Occupant>& victims) {
  lru_->from_oldest([&](FrameIndex frame, std::uint64_t) {
    const std::optional<Occupant> page = occupant(frame);
    const bool wanted = page && !(candidates == Candidates::clean && page->is_dirty());
    if (wanted && latch_of(page->seen) == kMarked) victims.push_back(*page);
    return victims.size() < stretch_of(frames_.size());
  });
}

/// Whether reads can go on without a dirty page being written: on fewer pages than a few paths of a tree take they
/// would push each other out for ever.
bool BufferManager::enough_are_clean() const {
  const std::size_t enough = std::min(kCleanPagesMin, frames_.size() / 4);
  std::size_t clean = 0;
  for (std::size_t frame = 0; frame < frames_.size(); ++frame) {
    const std::optional<Occupant> page = occupant(frame);
    if (page && !page->is_dirty() && ++clean >= enough) return true;
  }
  return false;
}

/// A second hand, half a lap ahead of the clock's at most. What fails is met again, and thrown, where a thread finds
/// dirty victims only.
void BufferManager::clean_ahead() {
  std::vector<Occupant> pages;
  std::uint64_t at = cleaned_.load(std::memory_order_relaxed);
  try {
    do {
      const std::uint64_t hand = hand_.load(std::memory_order_relaxed);
      at = std::max(at, hand);
      pages.clear();
      for (; at < hand + frames_.size() / 2 && pages.size() < WriteBatch::kPagesMax; ++at) {
        const std::optional<Occupant> page = occupant(at % frames_.size());
        if (page && latch_of(page->seen) == kMarked && page->is_dirty()) pages.push_back(*page);
      }
      cleaned_.store(at, std::memory_order_relaxed);
    } while (!pages.empty() && !clean(pages));
  } catch (const std::exception&) {}
}

/// Writes marked pages that are dirty; those that are clean then and still unused are left in `pages`. Returns why an
/// unused one stays dirty, if one does; throws what flush_log has thrown.
std::exception_ptr BufferManager::clean(std::vector<Occupant>& pages) {
  WriteBatch batch = copy_dirty(pages);
  std::unique_lock<std::mutex> area;
  std::exception_ptr failure;
  try {
    area = keep_copies(batch);
  } catch (...) {
    drop_dirty(pages);
    return std::current_exception();
  }
  std::size_t copies = 0;
  std::size_t clean = 0;
  for (Occupant page : pages) {
    try {
      if (page.is_dirty() && !write_marked(page, batch.copy(copies++))) continue;
      pages[clean++] = page;
    } catch (...) {
      failure = std::current_exception();
    }
  }
  pages.resize(clean);
  return failure;
}

/// Copies of those that are dirty, in the order of `pages`: writes go forward. One that has changed since it was chosen
/// is dropped. The log of the others is durable.
WriteBatch BufferManager::copy_dirty(std::vector<Occupant>& pages) const {
  std::ranges::sort(pages, {}, &Occupant::resident);
  WriteBatch batch(static_cast<std::size_t>(std::ranges::count_if(pages, &Occupant::is_dirty)));
  std::erase_if(pages, [&](const Occupant& page) { return page.is_dirty() && !copy_unchanged(page, batch); });
  if (batch.lsn() > 0) flush_log_(batch.lsn());  // the WAL rule, once for all and while none is latched
  return batch;
}

/// Writes the copy of a marked page, which is marked and clean then. False if somebody has used it since it was chosen,
/// or does.
bool BufferManager::write_marked(Occupant& page, Bytes copy) {
  PageState& state = page.state();
  if (!try_lock_shared(state, page.seen)) return false;
  std::uint64_t shared = with_latch(page.seen, kOneSharer);
  try {
    page.space->write(page.number, copy);
  } catch (...) {
    unlock_shared(state);
    throw;
  }
  counters().writes.fetch_add(1, std::memory_order_relaxed);
  page.seen &= ~kDirty;
  // [latch] A release, as unlock_shared(), but the mark stays.
  if (state.compare_exchange_strong(shared, page.seen, std::memory_order_release,
                                    std::memory_order_relaxed)) {
    return true;
  }
  clear_dirty(state);  // another one reads it: it stays, clean
  unlock_shared(state);
  return false;
}

/// Takes clean pages out of their frames, those that nobody has used since they were chosen. Returns one of the frames,
/// the others go to free_.
std::optional<FrameIndex> BufferManager::release(const std::vector<Occupant>& pages) {
  std::vector<const Occupant*> latched;
  std::vector<std::byte*> memory;
  for (const Occupant& page : pages) {
    if (!try_lock_exclusive(page.state(), page.seen)) continue;
    if (frames_[page.frame].load(std::memory_order_relaxed) != page.resident) {  // settled by the latch
      unlock_exclusive(page.state(), false);
      continue;
    }
    latched.push_back(&page);
    memory.push_back(page.bytes());
  }
  std::exception_ptr failure;
  try {
    release_memory(memory);
  } catch (...) {
    failure = std::current_exception();  // what they held may be gone: they are evicted
  }
  std::optional<FrameIndex> mine;
  for (const Occupant* page : latched) {
    if (lru_) lru_->evicted(page->frame);
    frames_[page->frame].store(kNoPage, std::memory_order_relaxed);
    unlock_evicted(page->state());
    if (mine) free_.give(*mine);
    mine = page->frame;
  }
  counters().evictions.fetch_add(latched.size(), std::memory_order_relaxed);
  if (!failure) return mine;
  free_.give(*mine);
  std::rethrow_exception(failure);
}

}  // namespace muster
