#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/index/change_log.h"
#include "engine/index/table.h"
#include "engine/storage/guards.h"
#include "engine/storage/slotted_page.h"
#include "engine/types.h"

namespace muster {

/// What check() found.
struct TreeShape {
  std::uint32_t levels = 0;
  std::uint64_t leaves = 0;
  std::uint64_t inner_pages = 0;
  std::uint64_t free_pages = 0;
  std::uint64_t records = 0;  ///< without ghosts
  std::uint64_t ghosts = 0;
};

/// How find and scan hold a page while they read it. Changes go down optimistically, whatever this says.
enum class ReadLatch : std::uint8_t {
  optimistic,  ///< not at all: the page's version says whether what was read counts
  shared,      ///< latch coupling: a page's latch goes once its child has been latched
  exclusive,   ///< likewise, one reader at a time: as an engine does whose pages have a mutex each
};

/// A table as a B+ tree.
///
/// Readers    go down by optimistic lock coupling: read a page, find the child, read the child's version, and only
///            then validate the page; start again, later and later, when that fails. They write nothing
///            shared. With ReadLatch::shared and exclusive find and scan latch the child before they let the page go:
///            they hold two, the upper one first, as structure changes latch a parent before its children then.
/// Writers    go down likewise, then upgrade the leaf they have read. Leaf before log: change() is called under
///            the leaf's exclusive latch, so that the order of a page's records in the log is that of its
///            changes.
/// Insertion  The inserter calls may_insert() under the leaf's latch, so that no key comes between the new one and its
///            successor. If the successor is in another leaf, the inserter has read the leaves up to it before. Once it has
///            locked the gap, it checks that these leaves have not changed. Another inserter may put a key between the two
///            after that check, but the leaf of the new key is still latched then. A scan that meets that other key checks
///            both leaves again, and finds the leaf of the new key latched or changed.
/// Structure  Splits and merges hold the header page's exclusive latch, so there is one at a time in a table, and
///            inner pages hold still for it. Each is one redo-only record that is complete in itself: a
///            record that finds no room has its leaf split first and is then logged alone; ghosts that are
///            reclaimed may have their leaf merged afterwards.
/// Ghosts     remove() leaves a ghost, which find(), update() and remove() do not see and insert() revives. It stays as
///            long as the ChangeLog says that someone may need it, and goes when reclaim() is asked for its leaf, or a
///            record finds no room there.
/// Invariants Page 0 is the header, page 1 the root, for ever. All keys of a page lie in [lower, upper fence);
///            fences of neighbours meet. A page that loses part of its range changes its version.
/// Source     Leis, Haubenschild, Neumann: Optimistic Lock Coupling, IEEE Data Eng. Bull. 42(1), 2019; heads and
///            fences: Graefe, Larson, DaMoN 2001, and Graefe, Modern B-Tree Techniques, 2011.
class BTree final : public Table {
 public:
  /// A split or a merge latches no more pages at a time: the header, a page, its parent, and the page that is new or
  /// goes; at the root, the header, the root and both halves.
  static constexpr std::size_t kLatchedPagesMax = 4;

  /// Formats an empty tree in a new table.
  static void create(BufferManager& buffers, TableId table, ChangeLog& log);

  /// Of a table that is open and formatted: DamageError otherwise.
  BTree(BufferManager& buffers, TableId table, ReadLatch read_latch = ReadLatch::optimistic);

  Status find(Bytes key, std::vector<std::byte>& value) const override;
  Status insert(Bytes key, Bytes value, ChangeLog& log) override;
  Status update(Bytes key, Bytes value, ChangeLog& log) override;
  Status remove(Bytes key, ChangeLog& log) override;
  Status increment(Bytes key, const Increment& what, ChangeLog& log) override;
  /// If `key` is a ghost: takes away the ghosts of its leaf that may go.
  void reclaim(Bytes key, ChangeLog& log) override;
  bool scan(Bytes from, const std::function<bool(const TableRecord& record)>& visit) const override;
  bool next_key(Bytes key, std::vector<std::byte>& next) const override;

  /// As verify(): order, fences, levels, every page used exactly once. Returns what was found.
  TreeShape check() const;
  void verify() const override { check(); }

 private:
  /// A page with less content than this is merged with a neighbour when that has room.
  static constexpr std::size_t kContentMin = kPageCapacity / 4;
  static constexpr PageNumber kHeader = 0;
  static constexpr PageNumber kRoot = 1;

  /// The leaves that a walk has read since it showed the record before. The record is current as long as they have not changed.
  struct Leaves final : ScanPosition {
    std::vector<OptimisticGuard> guards;
    bool is_current() const override;
  };

  struct Checker;
  using Path = std::vector<PageNumber>;  // from the root to a leaf

  /// The leaf where `key` belongs, not validated; nothing when a page changed on the way.
  std::optional<OptimisticGuard> descend(Bytes key) const;
  ExclusiveGuard latch(PageNumber page) const { return {*buffers_, *space_, page}; }
  bool reclaim_leaf(ExclusiveGuard leaf, Bytes key, ChangeLog& log);
  /// The leaf where `key` belongs, latched by coupling.
  template <class Guard>
  Guard latch_leaf(Bytes key) const;
  template <class Guard>
  Status find_latched(Bytes key, std::vector<std::byte>& value) const;
  template <class Change>
  Status change_in_place(Bytes key, Change change);
  std::optional<OptimisticGuard> copy_leaf(Bytes key, std::span<std::byte, kPageBytes> copy) const;
  bool walk(Bytes from, Leaves& leaves, const std::function<bool(const TableRecord& record)>& visit) const;

  /// The smallest key above a key that is not in the tree, and the leaves that were read to find it: from the leaf where the
  /// absent key belongs to the leaf of its successor.
  struct Successor {
    std::vector<std::byte> key;
    bool exists = false;
    Leaves leaves{};
  };
  Successor successor_of(Bytes key) const;

  /// Whether a reader may hold a page's latch and wait for a child's.
  bool readers_couple() const { return read_latch_ != ReadLatch::optimistic; }

  // btree_structure.cpp
  void make_room(const OptimisticGuard& leaf, Bytes key, std::size_t value_bytes, ChangeLog& log);
  bool split(const Path& path, std::size_t depth, ExclusiveGuard& header, Bytes key, std::size_t value_bytes,
             ChangeLog& log);
  void shrink(Bytes key, ChangeLog& log);
  bool merge(const Path& path, std::size_t depth, ExclusiveGuard& header, Bytes key, ChangeLog& log);
  bool unite(ExclusiveGuard& parent, std::uint32_t at, ExclusiveGuard& left, ExclusiveGuard& right,
             ExclusiveGuard& header, ChangeLog& log);
  void collapse_root(ExclusiveGuard& header, ChangeLog& log);
  Path path_to(Bytes key) const;
  ExclusiveGuard allocate(PageEditor header) const;
  DamageError damage(PageNumber page, const char* what) const;

  BufferManager* buffers_;
  TableSpace* space_;
  ReadLatch read_latch_;
};

}  // namespace muster
