#pragma once

#include <atomic>
#include <cstddef>

#include "algorithms/parts/backoff.h"
#include "engine/lsm/per_core.h"

namespace muster::lsm {

/// Memory that is handed out in pieces and released as a whole, with the arena.
///
/// Protocol    Each core has a chunk. A thread takes a piece by moving the chunk's `used` on. Where the rest of the chunk is
///             too small, the thread links a new one, of twice the size, and leaves the rest alone. A large piece gets a
///             chunk of its own.
/// Progress    Lock-free, but for the system's allocator when a chunk is full.
/// Invariants  A chunk stays where it is until the arena ends. Pieces do not overlap. used <= chunk's capacity.
/// Ordering    used    relaxed: it hands out disjoint ranges and publishes nothing.
///             [chunk] A thread releases the chunk that it links; a thread of the same core, or used(), acquires it: the
///                     chunk's head is whole.
/// Source      The idea of an arena a core: RocksDB's ConcurrentArena.
class Arena {
 public:
  static constexpr std::size_t kChunkBytesMin = std::size_t{4} << 10;
  /// A huge page of x86-64: a search meets nodes all over the arena, and its misses of the TLB cost as much as those of
  /// the cache.
  static constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

  /// `chunk_bytes_max`: at least kChunkBytesMin, a power of two. What an arena wastes is at most a chunk a
  /// place. `places`: cores that allocate at the same time without sharing a line.
  explicit Arena(std::size_t chunk_bytes_max = kHugePageBytes, std::size_t places = core_count());
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// A piece of at least `bytes` (1 and more), aligned to 8. Any thread. Throws std::bad_alloc, and is then as before.
  std::byte* allocate(std::size_t bytes);

  /// Bytes of all pieces, each rounded up to a multiple of 8. Exact while no thread allocates. Looks at every chunk.
  std::size_t used() const;
  /// Bytes of all chunks, heads and rests included: what the arena costs. Reads one number that seldom changes.
  std::size_t reserved() const {
    return reserved_.load(std::memory_order_relaxed);  // a count
  }

 private:
  struct Chunk {
    Chunk* previous = nullptr;
    std::size_t bytes = 0;  // with this head
    std::atomic<std::size_t> used{sizeof(Chunk)};
  };
  struct Place {
    std::atomic<Chunk*> chunk{nullptr};
  };

  static Chunk* make_chunk(std::size_t bytes);
  static void free_chunk(Chunk* chunk);
  static std::byte* take(Chunk& chunk, std::size_t bytes);
  std::byte* allocate_large(std::size_t bytes);
  std::size_t next_chunk_bytes(const Chunk* chunk, std::size_t bytes) const;
  bool link(std::atomic<Chunk*>& to, Chunk* expected, Chunk* fresh);
  template <class Visit>
  void for_each_chunk(Visit visit) const;

  const std::size_t chunk_bytes_max_;
  PerCore<Place> places_;
  alignas(kCacheLine) std::atomic<Chunk*> large_{nullptr};  // chunks of one piece
  alignas(kCacheLine) std::atomic<std::size_t> reserved_{0};
};

}  // namespace muster::lsm
