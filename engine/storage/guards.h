#pragma once

#include <cstdint>
#include <utility>

#include "engine/storage/buffer_manager.h"

namespace muster {

enum class LatchMode : std::uint8_t { shared, exclusive };
template <LatchMode kMode>
class ReadGuard;

/// Reading a page without a latch: read through page_words.h, believe nothing until valid() has said so. What
/// is read in between may be torn, but it is memory of this page.
class OptimisticGuard {
 public:
  OptimisticGuard(BufferManager& buffers, TableSpace& space, PageNumber page)
      : space_(&space), page_(page), seen_(buffers.begin_read(space, page)) {}

  /// For a page that is read under a latch: valid() says, after the latch is released, whether the page is still the same.
  template <LatchMode kMode>
  explicit OptimisticGuard(const ReadGuard<kMode>& latched)
      : space_(latched.space_),
        page_(latched.page_),
        seen_(space_->state(page_).load(std::memory_order_relaxed)) {}  // relaxed: the latch is held

  bool valid() const { return unchanged_since(space_->state(page_), seen_); }
  PageNumber page() const { return page_; }
  const std::byte* bytes() const { return space_->page(page_); }

 private:
  friend class ExclusiveGuard;
  TableSpace* space_;
  PageNumber page_;
  std::uint64_t seen_;
};

/// Reading under a latch: the page holds still. Exclusive ones are for measuring what that costs readers.
template <LatchMode kMode>
class ReadGuard {
 public:
  ReadGuard(BufferManager& buffers, TableSpace& space, PageNumber page) : space_(&space), page_(page) {
    if constexpr (kMode == LatchMode::shared) {
      buffers.lock_shared(space, page);
    } else {
      buffers.lock_exclusive(space, page);
    }
  }
  ReadGuard(ReadGuard&& other) noexcept : space_(std::exchange(other.space_, nullptr)), page_(other.page_) {}
  ReadGuard& operator=(ReadGuard&& other) noexcept {
    std::swap(space_, other.space_);
    std::swap(page_, other.page_);
    return *this;
  }
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;
  ~ReadGuard() {
    if (space_ == nullptr) return;
    if constexpr (kMode == LatchMode::shared) {
      unlock_shared(space_->state(page_));
    } else {
      unlock_unchanged(space_->state(page_));
    }
  }

  PageNumber page() const { return page_; }
  const std::byte* bytes() const { return space_->page(page_); }

 private:
  friend class OptimisticGuard;
  TableSpace* space_;
  PageNumber page_;
};
using SharedGuard = ReadGuard<LatchMode::shared>;
using ExclusiveReadGuard = ReadGuard<LatchMode::exclusive>;

/// Write through page_words.h only: others may be reading.
class ExclusiveGuard {
 public:
  ExclusiveGuard() = default;  ///< owns nothing
  ExclusiveGuard(BufferManager& buffers, TableSpace& space, PageNumber page) : space_(&space), page_(page) {
    buffers.lock_exclusive(space, page);
  }
  /// Upgrades: owns the page exactly as `reader` saw it, or nothing.
  explicit ExclusiveGuard(const OptimisticGuard& reader) : page_(reader.page_) {
    PageState& state = reader.space_->state(page_);
    // Relaxed: the compare-and-swap in try_lock_exclusive acquires, and fails if the word is not this one.
    for (std::uint64_t now = state.load(std::memory_order_relaxed);
         version_of(now) == version_of(reader.seen_) && is_idle(now);
         now = state.load(std::memory_order_relaxed)) {
      if (try_lock_exclusive(state, now)) {
        space_ = reader.space_;
        return;
      }
    }
  }
  ExclusiveGuard(ExclusiveGuard&& other) noexcept
      : space_(std::exchange(other.space_, nullptr)), page_(other.page_), changed_(other.changed_) {}
  ExclusiveGuard& operator=(ExclusiveGuard&& other) noexcept {
    std::swap(space_, other.space_);
    std::swap(page_, other.page_);
    std::swap(changed_, other.changed_);
    return *this;
  }
  ExclusiveGuard(const ExclusiveGuard&) = delete;
  ExclusiveGuard& operator=(const ExclusiveGuard&) = delete;
  ~ExclusiveGuard() { release(); }

  bool owns() const { return space_ != nullptr; }
  PageNumber page() const { return page_; }
  std::byte* bytes() const { return space_->page(page_); }
  /// Says that the page will differ from the file.
  void mark_changed() { changed_ = true; }
  void release() {
    if (space_ != nullptr) unlock_exclusive(std::exchange(space_, nullptr)->state(page_), changed_);
    changed_ = false;
  }

 private:
  TableSpace* space_ = nullptr;
  PageNumber page_ = 0;
  bool changed_ = false;
};

}  // namespace muster
