#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <memory>
#include <optional>

#include "engine/lsm/arena.h"
#include "engine/lsm/entry.h"
#include "engine/lsm/per_core.h"
#include "engine/lsm/skip_list.h"

namespace muster::lsm {

/// The entries of a table's newest changes, in memory. All functions may be called by any thread at any time. The owner
/// writes a memtable to a table file once no thread adds to it any more.
///
/// Progress    add is lock-free, but for the system's allocator; finds and iterators never wait.
/// Visibility  A find or iteration that happens after add() has returned meets the entry.
/// Ordering    Counts and bounds are relaxed. An LSN counts for the bounds before its entry is linked, so a thread that
///             meets an entry reads bounds that hold it.
class Memtable {
 public:
  static constexpr std::size_t kKeyBytesMax = SkipList::kKeyBytesMax;
  static constexpr std::size_t kValueBytesMax = SkipList::kValueBytesMax;

  /// `chunk_bytes_max`: of its arena.
  explicit Memtable(std::size_t chunk_bytes_max = Arena::kHugePageBytes)
      : arena_(chunk_bytes_max), list_(arena_) {}

  /// Copies the entry. Its LSN is above 0. False: the memtable has an entry with this key and LSN, which stays. Throws
  /// std::bad_alloc, and has added nothing.
  bool add(const Entry& entry);

  /// The newest entry of the key. Its bytes stay as long as the memtable.
  std::optional<Entry> find(Bytes key) const;

  /// The memtable outlives it.
  std::unique_ptr<EntryIterator> iterator() const;

  /// What the memtable costs: memory that it has from the system, in bytes. Cheap enough to be asked before each add().
  std::size_t bytes() const { return sizeof *this + arena_.reserved(); }
  /// Bytes of nodes in that memory. Looks at all chunks.
  std::size_t used_bytes() const { return arena_.used(); }
  /// Exact while no thread adds; looks at a line a core, as the bounds do.
  std::size_t entries() const;
  /// LSNs of entries that add() was called with. 0: there are none.
  Lsn least_lsn() const;
  Lsn greatest_lsn() const;

 private:
  static constexpr Lsn kNone = std::numeric_limits<Lsn>::max();
  struct Counts {
    std::atomic<std::size_t> entries{0};
    std::atomic<Lsn> least{kNone};
    std::atomic<Lsn> greatest{0};
  };

  Arena arena_;
  SkipList list_;
  PerCore<Counts> counts_;
};

}  // namespace muster::lsm
