#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "engine/lsm/entry.h"
#include "engine/spin_latch.h"

namespace muster::lsm {

/// The keys that threads are inserting at this moment, so that a scan that locks a gap sees an insertion into it that is not
/// in a memtable yet. A slot a thread.
///
/// Protocol   An inserter announces its key, then looks for the successor and asks for the gap's lock, adds the entry, and ends
///            the announcement. A scan locks the gap, then looks at the announcements, then at the memtables. So the scan
///            sees the key, or the inserter finds what the scan has locked.
/// Ordering   [gap]   Both sides stand at a sequentially consistent fence: the inserter between its announcement and all that
///                    it reads of the table, the scan between its lock and its look. If the scan does not see the
///                    announcement, its fence comes first; then the inserter reads all that the scan has read, finds the same
///                    successor, and finds it locked.
///            [ended] Released by the inserter once the entry is in the memtable, acquired by the scan that does not see the
///                    announcement any more: it then finds the entry.
/// Progress   An announcement is wait-free but for a latch that a scan holds while it compares keys. wait() blocks for as long as
///            the insertion takes, which waits for no lock.
class PendingInsertions {
  struct alignas(kCacheLine) Slot {
    std::atomic<std::uint64_t> number{0};  ///< odd while a key is announced
    SpinLatch latch;                       ///< guards the key
    std::vector<std::byte> key;
  };

 public:
  explicit PendingInsertions(std::uint32_t threads) : slots_(std::make_unique<Slot[]>(threads)) {}

  /// While it lives, the key is announced in the thread's slot.
  class Guard {
   public:
    Guard(PendingInsertions& all, std::uint32_t slot, Bytes key) : slot_(all.slots_[slot]) {
      all.raise_used(slot);
      {
        const std::lock_guard guard(slot_.latch);
        slot_.key.assign(key.begin(), key.end());
        slot_.number.fetch_add(1, std::memory_order_relaxed);  // odd: announced. [gap] orders it
      }
      std::atomic_thread_fence(std::memory_order_seq_cst);  // [gap] pairs with the one in fence()
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { slot_.number.fetch_add(1, std::memory_order_release); }  // [ended]

   private:
    Slot& slot_;
  };

  /// A scan calls it once it has its locks, before it looks.
  static void fence() {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // [gap] pairs with the one in Guard
  }

  /// Whether a key of [from, to] is announced, or with `above` one of (from, to].
  bool any(Bytes from, bool above, Bytes to) const {
    bool found = false;
    for_each([&](std::uint32_t, std::uint64_t, Bytes key) {
      const auto order = compare_keys(key, from);
      found = found || ((above ? order > 0 : order >= 0) && compare_keys(key, to) <= 0);
    });
    return found;
  }

  /// One announcement, which may have ended.
  struct Seen {
    std::uint32_t slot = 0;
    std::uint64_t number = 0;
    std::vector<std::byte> key;
  };
  /// Of keys at or above `from`.
  void note(Bytes from, std::vector<Seen>& seen) const {
    seen.clear();
    for_each([&](std::uint32_t slot, std::uint64_t number, Bytes key) {
      if (compare_keys(key, from) >= 0) seen.push_back({slot, number, {key.begin(), key.end()}});
    });
  }
  /// Until the announcement has ended.
  void wait(const Seen& seen) const {
    const auto& number = slots_[seen.slot].number;
    for (Backoff backoff; number.load(std::memory_order_acquire) == seen.number;) backoff.pause();  // [ended]
  }

 private:
  /// Calls visit(slot, number, key) for each.
  template <class Visit>
  void for_each(Visit visit) const {
    const std::uint32_t used = used_.load(std::memory_order_relaxed);  // [gap] orders it, as the numbers
    for (std::uint32_t i = 0; i < used; ++i) {
      Slot& slot = slots_[i];
      if (slot.number.load(std::memory_order_acquire) % 2 == 0) continue;  // [ended]
      const std::lock_guard guard(slot.latch);
      const std::uint64_t number = slot.number.load(std::memory_order_acquire);  // [ended]
      if (number % 2 != 0) visit(i, number, Bytes(slot.key));
    }
  }

  /// Before the slot's first announcement.
  void raise_used(std::uint32_t slot) {
    for (std::uint32_t used = used_.load(std::memory_order_relaxed); used <= slot;) {
      if (used_.compare_exchange_weak(used, slot + 1, std::memory_order_relaxed)) return;  // [gap] orders it
    }
  }

  const std::unique_ptr<Slot[]> slots_;
  std::atomic<std::uint32_t> used_{0};  // slots from here on have never been used
};

}  // namespace muster::lsm
