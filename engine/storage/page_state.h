#pragma once

#include <atomic>
#include <cstdint>

namespace muster {

/// One page's residency, latch, dirtiness and version in one word (vmcache, Leis et al., SIGMOD'23, section
/// 3).
///
///   bits 0..15   latch: evicted, unlocked, marked (unused since the clock came by), exclusive, or 3 + number of
///                sharers
///   bit  16      dirty: differs from the file. Set by the unlock of the thread that changed the page, cleared under
///                a shared latch by the thread that wrote it back
///   bit  17      told: the buffer manager is told of every use (Replacement::lru). Such a page rests marked, never
///                unlocked, so that no optimistic read passes by on its fast path
///   bits 18..63  version: rises with every exclusive unlock, an eviction and a load included
///
/// Invariants  The bytes change only while the latch is exclusive. A zero word, which is what fresh memory
///             holds, is an evicted page.
/// Ordering    [latch] An unlock is a release; taking a latch, and the load that begins an optimistic read, is
///             an acquire of it: the next thread sees the bytes. The load that ends an optimistic read is
///             relaxed, since all loads of page bytes before it are acquires (page_words.h).
using PageState = std::atomic<std::uint64_t>;
static_assert(PageState::is_always_lock_free && sizeof(PageState) == sizeof(std::uint64_t));

inline constexpr std::uint64_t kEvicted = 0;
inline constexpr std::uint64_t kUnlocked = 1;
inline constexpr std::uint64_t kMarked = 2;
inline constexpr std::uint64_t kExclusive = 3;
inline constexpr std::uint64_t kOneSharer = 4;
inline constexpr std::uint64_t kMostSharers = 0xffff;
inline constexpr std::uint64_t kLatchMask = 0xffff;
inline constexpr std::uint64_t kDirty = 1u << 16;
inline constexpr std::uint64_t kTold = 1u << 17;
inline constexpr std::uint64_t kOneVersion = 1u << 18;

constexpr std::uint64_t latch_of(std::uint64_t word) {
  return word & kLatchMask;
}
constexpr std::uint64_t version_of(std::uint64_t word) {
  return word / kOneVersion;
}
constexpr bool is_dirty(std::uint64_t word) {
  return (word & kDirty) != 0;
}
constexpr bool is_idle(std::uint64_t word) {
  return latch_of(word) == kUnlocked || latch_of(word) == kMarked;
}
constexpr std::uint64_t with_latch(std::uint64_t word, std::uint64_t latch) {
  return (word & ~kLatchMask) | latch;
}

/// The latch of a page that nobody has: unlocked, or marked where uses are told.
constexpr std::uint64_t resting(std::uint64_t word) {
  return (word & kTold) == 0 ? kUnlocked : kMarked;
}

/// Whether what was read since `seen` was loaded is what the page held all that time.
inline bool unchanged_since(const PageState& state, std::uint64_t seen) {
  const std::uint64_t now = state.load(std::memory_order_relaxed);  // [latch] after the acquires of the bytes
  return version_of(now) == version_of(seen) && latch_of(now) != kExclusive;
}

/// Takes the exclusive latch if nobody has any and the word is still `seen`.
inline bool try_lock_exclusive(PageState& state, std::uint64_t seen) {
  return is_idle(seen) &&
         state.compare_exchange_strong(seen, with_latch(seen, kExclusive), std::memory_order_acquire,
                                       std::memory_order_relaxed);  // [latch]
}

/// Only by the holder of the exclusive latch, to whom alone the word belongs meanwhile.
inline void unlock_exclusive(PageState& state, bool changed) {
  const std::uint64_t word = state.load(std::memory_order_relaxed) | (changed ? kDirty : 0);
  state.store(with_latch(word, resting(word)) + kOneVersion, std::memory_order_release);  // [latch]
}

/// Only by the holder of the exclusive latch, who has changed nothing: the version stays.
inline void unlock_unchanged(PageState& state) {
  const std::uint64_t word = state.load(std::memory_order_relaxed);
  state.store(with_latch(word, resting(word)), std::memory_order_release);  // [latch]
}

/// The page has come to its frame: as the file holds it, and not used yet.
inline std::uint64_t unlock_loaded(PageState& state, bool told) {
  const std::uint64_t loaded = state.load(std::memory_order_relaxed) | (told ? kTold : 0);
  const std::uint64_t word = with_latch(loaded, kMarked) + kOneVersion;
  state.store(word, std::memory_order_release);  // [latch]
  return word;
}

/// The page has left its frame, clean.
inline void unlock_evicted(PageState& state) {
  const std::uint64_t word = state.load(std::memory_order_relaxed) & ~kDirty;
  state.store(with_latch(word, kEvicted) + kOneVersion, std::memory_order_release);  // [latch]
}

/// Under a shared latch, once the file holds the page.
inline void clear_dirty(PageState& state) {
  // Relaxed: the latch's unlock orders it before the thread that changes the page next.
  state.fetch_and(~kDirty, std::memory_order_relaxed);
}

inline bool try_lock_shared(PageState& state, std::uint64_t seen) {
  if (latch_of(seen) == kEvicted || latch_of(seen) == kExclusive || latch_of(seen) == kMostSharers)
    return false;
  const std::uint64_t shared = is_idle(seen) ? with_latch(seen, kOneSharer) : seen + 1;
  return state.compare_exchange_strong(seen, shared, std::memory_order_acquire,
                                       std::memory_order_relaxed);  // [latch]
}

inline void unlock_shared(PageState& state) {
  std::uint64_t seen = state.load(std::memory_order_relaxed);
  std::uint64_t next;
  do {
    next = latch_of(seen) == kOneSharer ? with_latch(seen, resting(seen)) : seen - 1;
    // [latch] A release, so that the next exclusive holder's stores come after this sharer's loads.
  } while (!state.compare_exchange_weak(seen, next, std::memory_order_release, std::memory_order_relaxed));
}

}  // namespace muster
