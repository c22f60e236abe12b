#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstring>
#include <limits>
#include <new>

#include "engine/lsm/arena.h"
#include "engine/lsm/entry.h"

namespace muster::lsm {

/// A sorted list of entries with express lanes. Entries are added and never removed.
///
/// Protocol    insert  Find, on each level, the last node before the entry and the node behind that. Make the node. Link
///                     it from the lowest level up: store what is behind it, then swing the link before it by
///                     compare-and-swap. Where that fails, walk on from the same node and try again.
///             search  Walk on each level as far as nodes are before what is sought, then go down a level.
/// Progress    insert is lock-free: a compare-and-swap fails only if another thread has linked a node there. Searches and
///             steps never wait and write nothing.
/// Invariants  1. A linked node's key, LSN, value and height never change; its links do.
///             2. Level 0 has every linked node in compare_entries() order. A node is on level 0 before it is on level 1,
///                and so on, so each level has a part of what is on the level below.
///             3. No two nodes have the same key and LSN.
/// Ordering    [link]   The inserting thread releases a node by the compare-and-swap that links it; a thread that follows
///                      the link acquires it. So it sees the node's content, and the node's links on this level and below.
///                      The node behind was acquired by the inserting thread, so it is visible as well.
///             [behind] relaxed: the new node's own link, before [link] releases the node on this level.
///             [fetch]  relaxed: only an address for the prefetcher; the node is not read through it.
///             [top]    relaxed: a hint. A search that reads too small a height starts lower and takes longer; one that
///                      reads it before the node is linked there finds null and goes down.
/// Cost        A search waits for memory, one node after the other. So every second node is one level higher: with every
///             fourth, a search reads a quarter more nodes. A node that was too far on the level above is not compared
///             again. While a node is compared, the next one of the level below is fetched.
/// Source      Pugh, CACM 33(6), 1990; lock-free: Fraser, PhD thesis, 2004; Herlihy and Shavit, chapter 14.
/// Differs     Nothing is removed, so links need no marks, and a node found once remains a good place to walk on from.
///             As in LevelDB, nodes lie in an arena and hold their bytes.
class SkipList {
 public:
  class Node;

  static constexpr int kHeightMax = 24;                            // every second node goes one level up
  static constexpr Lsn kNewest = std::numeric_limits<Lsn>::max();  ///< as an LSN: before all entries of a key
  static constexpr std::size_t kKeyBytesMax = std::numeric_limits<std::uint16_t>::max();
  static constexpr std::size_t kValueBytesMax = std::numeric_limits<std::uint32_t>::max();

  /// The arena outlives the list.
  explicit SkipList(Arena& arena) : arena_(arena), head_(make_node({}, kHeightMax)) {}
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  /// Copies the entry into the list. False: an entry with this key and LSN is there, and stays as it is. Throws
  /// std::bad_alloc, and the list is then as before.
  bool insert(const Entry& entry);

  // Searches. Null: there is no such node.
  /// The first node at or behind this place in the order.
  const Node* at_least(Bytes key, Lsn lsn) const { return search({key, lsn}).at; }
  /// The last node before it.
  const Node* before(Bytes key, Lsn lsn) const { return unless_head(search({key, lsn}).before); }
  const Node* first() const;
  const Node* last() const;

 private:
  /// Two neighbours on one level. What is sought is behind `before`, and not behind `at`.
  struct Place {
    Node* before;
    Node* at;  // null: the end
  };

  struct Sought {
    Bytes key;
    Lsn lsn;
    std::uint64_t prefix = prefix_of(key);
  };

  static std::uint64_t prefix_of(Bytes key);
  Node* make_node(const Entry& entry, int height);
  static void walk(Place& place, int level, const Sought& sought);
  Place search(const Sought& sought) const;
  const Node* unless_head(const Node* node) const { return node == head_ ? nullptr : node; }
  void raise_top(int height);
  static int random_height();

  Arena& arena_;
  Node* const head_;  // before all entries, on all levels
  std::atomic<int> top_{1};
};

/// The links, key and value lie behind it in memory: links first, level 0 in front.
class SkipList::Node {
 public:
  Entry entry() const { return {key(), lsn_, tombstone_, {key_begin() + key_bytes_, value_bytes_}}; }
  Bytes key() const { return {key_begin(), key_bytes_}; }
  Lsn lsn() const { return lsn_; }
  /// Null behind the last one.
  const Node* next() const { return link(0).load(std::memory_order_acquire); }  // [link]

 private:
  friend class SkipList;
  using Link = std::atomic<Node*>;

  Node(const Entry& entry, int height)
      : prefix_(prefix_of(entry.key)),
        lsn_(entry.lsn),
        value_bytes_(static_cast<std::uint32_t>(entry.value.size())),
        key_bytes_(static_cast<std::uint16_t>(entry.key.size())),
        height_(static_cast<std::uint8_t>(height)),
        tombstone_(entry.tombstone) {
    for (int level = 0; level < height; ++level) ::new (links() + level) Link(nullptr);
    std::ranges::copy(entry.key, key_begin());
    std::ranges::copy(entry.value, key_begin() + key_bytes_);
  }

  static std::size_t bytes_for(const Entry& entry, int height) {
    return sizeof(Node) + static_cast<std::size_t>(height) * sizeof(Link) + entry.key.size() +
           entry.value.size();
  }
  Link* links() const { return reinterpret_cast<Link*>(const_cast<Node*>(this) + 1); }
  Link& link(int level) const { return links()[level]; }
  std::byte* key_begin() const { return reinterpret_cast<std::byte*>(links() + height_); }
  bool is_before(const Sought& sought) const {
    if (prefix_ != sought.prefix) return prefix_ < sought.prefix;
    return compare_entries(key(), lsn_, sought.key, sought.lsn) < 0;
  }
  bool is_at(const Sought& sought) const {
    return lsn_ == sought.lsn && compare_keys(key(), sought.key) == 0;
  }

  const std::uint64_t prefix_;
  const Lsn lsn_;
  const std::uint32_t value_bytes_;
  const std::uint16_t key_bytes_;
  const std::uint8_t height_;
  const bool tombstone_;
};

inline SkipList::Node* SkipList::make_node(const Entry& entry, int height) {
  return ::new (arena_.allocate(Node::bytes_for(entry, height))) Node(entry, height);
}

/// The first bytes of a key as a number, in the keys' order: most comparisons need no more, and it is in a node's first
/// line.
inline std::uint64_t SkipList::prefix_of(Bytes key) {
  std::array<std::byte, sizeof(std::uint64_t)> first{};
  std::ranges::copy(key.first(std::min(key.size(), first.size())), first.begin());
  std::uint64_t prefix = 0;
  for (const std::byte b : first) prefix = prefix << 8 | std::to_integer<std::uint64_t>(b);
  return prefix;
}

/// From `place.before`, which is on this level and before what is sought. `place.at` is not.
inline void SkipList::walk(Place& place, int level, const Sought& sought) {
  for (;;) {
    Node* const next = place.before->link(level).load(std::memory_order_acquire);  // [link]
    if (next == place.at) return;
    // [fetch] What comes next if this node is too far.
    if (level > 0) __builtin_prefetch(place.before->link(level - 1).load(std::memory_order_relaxed));
    if (next == nullptr || !next->is_before(sought)) {
      place.at = next;
      return;
    }
    place.before = next;
  }
}

inline SkipList::Place SkipList::search(const Sought& sought) const {
  Place place{head_, nullptr};
  for (int level = top_.load(std::memory_order_relaxed); level-- > 0;)  // [top]
    walk(place, level, sought);
  return place;
}

inline bool SkipList::insert(const Entry& entry) {
  assert(entry.key.size() <= kKeyBytesMax && entry.value.size() <= kValueBytesMax);
  const Sought sought{entry.key, entry.lsn};
  std::array<Place, kHeightMax> places;
  const int top = top_.load(std::memory_order_relaxed);  // [top]
  Place place{head_, nullptr};
  std::fill(places.begin() + top, places.end(), place);
  for (int level = top; level-- > 0;) {
    walk(place, level, sought);
    places[level] = place;
  }
  if (place.at != nullptr && place.at->is_at(sought)) return false;

  const int height = random_height();
  Node* const node = make_node(entry, height);
  raise_top(height);
  for (int level = 0; level < height; ++level) {
    Place& there = places[level];
    for (;;) {
      node->link(level).store(there.at, std::memory_order_relaxed);  // [behind]
      // [link] release: the node is whole. Failure relaxed: walk() acquires what is there now.
      if (there.before->link(level).compare_exchange_strong(there.at, node, std::memory_order_release,
                                                            std::memory_order_relaxed))
        break;
      there.at = nullptr;
      walk(there, level, sought);
      if (level == 0 && there.at != nullptr && there.at->is_at(sought)) return false;
    }
  }
  return true;
}

inline const SkipList::Node* SkipList::first() const {
  return head_->next();
}

inline const SkipList::Node* SkipList::last() const {
  const Node* node = head_;
  for (int level = top_.load(std::memory_order_relaxed); level-- > 0;) {                // [top]
    while (const Node* const next = node->link(level).load(std::memory_order_acquire))  // [link]
      node = next;
  }
  return unless_head(node);
}

inline void SkipList::raise_top(int height) {
  int top = top_.load(std::memory_order_relaxed);                                                 // [top]
  while (top < height && !top_.compare_exchange_weak(top, height, std::memory_order_relaxed)) {}  // [top]
}

/// One level more with a chance of a half each.
inline int SkipList::random_height() {
  static std::atomic<std::uint64_t> threads{0};
  // Each thread starts elsewhere in the same sequence; relaxed: the number only has to be this thread's own.
  thread_local std::uint64_t state = threads.fetch_add(1, std::memory_order_relaxed) << 40;
  // SplitMix64: Steele, Lea, Flood, OOPSLA 2014.
  std::uint64_t random = state += 0x9e3779b97f4a7c15;
  random = (random ^ random >> 30) * 0xbf58476d1ce4e5b9;
  random = (random ^ random >> 27) * 0x94d049bb133111eb;
  random ^= random >> 31;
  return 1 + std::min(kHeightMax - 1, std::countr_zero(random));
}

}  // namespace muster::lsm
