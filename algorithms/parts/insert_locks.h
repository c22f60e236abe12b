#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "algorithms/parts/ring.h"

namespace muster {

/// PostgreSQL's WAL insertion locks: a worker that appends holds one of a few, and its word says how far its holder
/// may be. What `postgres_insert_locks` and `postgres_lock_free` do alike.
///
/// Protocol    take     the lock that this worker used last; if it has to wait for that, it tries the next one next
///                      time
///             tell     the word says that the holder is at its begin
///             release  the word says free, and the end of the record
///             lowest   the minimum of a cutoff, read before, and of what the held locks' words say
/// Progress    take blocking; the others wait-free, `lowest` one read a lock.
/// Invariants  A word's LSN is at or below the begin of its holder's open reservation: from the moment that the lock is
///             taken, when it still is the end of what was last appended under it.
/// Ordering    [word] stored with release, loaded by the scan with acquire: the copies made under the lock so far are
///                    visible, also those of earlier holders. Taken with acquire, so that they come before what this
///                    holder stores; taking is a read-modify-write, which carries on what the release before it began.
///                    A look at whether it is free: relaxed.
/// Source      PostgreSQL, src/backend/access/transam/xlog.c: WALInsertLockAcquire.
template <class Platform>
class InsertLocks {
 public:
  static constexpr std::uint32_t kMaxLocks = 256;

  /// What one worker keeps of the locks; its own.
  struct Holder {
    std::uint32_t held = 0;    // the lock of the open reservation
    std::uint32_t to_try = 0;  // the lock to try next
  };

  /// `locks` is what the option of that name says.
  InsertLocks(const LogBufferOptions& options, const char* option, std::uint32_t locks)
      : locks_(checked(option, locks)) {
    for (std::uint32_t i = 0; i < count(); ++i) {
      locks_[i].word.describe("word", i);
      locks_[i].word.store(options.start, std::memory_order_relaxed);  // free; before any thread shares it
    }
  }

  Holder first_of(WorkerId worker) const { return {.held = 0, .to_try = worker % count()}; }

  void take(Holder& self) {
    self.held = self.to_try;
    auto& word = locks_[self.held].word;
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    const auto is_free = [](std::uint64_t now) { return !is_held(now); };
    while (is_held(seen) || !try_take(word, seen)) {
      self.to_try = (self.held + 1) % count();
      Platform::await(word, is_free, std::memory_order_relaxed, WaitFor::lock);
      seen = word.load(std::memory_order_relaxed);
    }
  }

  void tell(const Holder& self, Lsn begin) {
    locks_[self.held].word.store(held(begin), std::memory_order_release);  // [word]
  }

  void release(const Holder& self, Lsn end) {
    locks_[self.held].word.store(end, std::memory_order_release);  // [word]
  }

  Lsn lowest(Lsn cutoff) const {
    for (const Lock& lock : locks_) {
      const std::uint64_t word = lock.word.load(std::memory_order_acquire);  // [word]
      if (is_held(word)) cutoff = std::min(cutoff, lsn(word));
    }
    return cutoff;
  }

 private:
  /// A word's bit 63 says that the lock is held, the rest is an LSN.
  static constexpr std::uint64_t kHeld = std::uint64_t{1} << 63;
  static constexpr std::uint64_t held(Lsn lsn) { return lsn | kHeld; }
  static constexpr bool is_held(std::uint64_t word) { return (word & kHeld) != 0; }
  static constexpr Lsn lsn(std::uint64_t word) { return word & ~kHeld; }

  struct alignas(kCacheLine) Lock {
    typename Platform::template Atomic<std::uint64_t> word;  // [word] its holder writes, the scan reads
  };

  static std::uint32_t checked(const char* option, std::uint32_t locks) {
    if (locks == 0 || locks > kMaxLocks) reject(option, locks, "1 to " + std::to_string(kMaxLocks));
    return locks;
  }

  std::uint32_t count() const { return static_cast<std::uint32_t>(locks_.size()); }

  /// `seen` is free; it is what is there now, if that is something else.
  static bool try_take(auto& word, std::uint64_t& seen) {
    return word.compare_exchange(seen, held(seen), std::memory_order_acquire,
                                 std::memory_order_relaxed);  // [word]
  }

  std::vector<Lock> locks_;
};

}  // namespace muster
