#include "engine/lsm/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

namespace muster::lsm {
namespace {

constexpr std::size_t kAlignment = 8;

std::align_val_t alignment_of(std::size_t chunk_bytes) {
  return std::align_val_t{chunk_bytes >= Arena::kHugePageBytes ? Arena::kHugePageBytes : kCacheLine};
}

}  // namespace

Arena::Arena(std::size_t chunk_bytes_max, std::size_t places)
    : chunk_bytes_max_(chunk_bytes_max), places_(places) {
  assert(std::has_single_bit(chunk_bytes_max) && chunk_bytes_max >= kChunkBytesMin);
}

Arena::~Arena() {
  for_each_chunk(free_chunk);
}

std::byte* Arena::allocate(std::size_t bytes) {
  assert(bytes > 0);
  bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > chunk_bytes_max_ / 4) return allocate_large(bytes);
  std::atomic<Chunk*>& place = places_.here().chunk;
  for (;;) {
    Chunk* const chunk = place.load(std::memory_order_acquire);  // [chunk]
    if (chunk != nullptr) {
      if (std::byte* const piece = take(*chunk, bytes)) return piece;
    }
    Chunk* const fresh = make_chunk(next_chunk_bytes(chunk, bytes));
    if (!link(place, chunk, fresh))
      free_chunk(fresh);  // another thread of this core was faster: use its chunk
  }
}

/// Null: the rest of the chunk is too small.
std::byte* Arena::take(Chunk& chunk, std::size_t bytes) {
  std::size_t used = chunk.used.load(std::memory_order_relaxed);  // `used` publishes nothing: head
  do {
    if (bytes > chunk.bytes - used) return nullptr;
  } while (!chunk.used.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));  // likewise
  return reinterpret_cast<std::byte*>(&chunk) + used;
}

std::byte* Arena::allocate_large(std::size_t bytes) {
  Chunk* const fresh = make_chunk(sizeof(Chunk) + bytes);
  std::byte* const piece = take(*fresh, bytes);
  while (!link(large_, large_.load(std::memory_order_relaxed), fresh)) {
  }  // the list is only followed by for_each_chunk
  return piece;
}

std::size_t Arena::next_chunk_bytes(const Chunk* chunk, std::size_t bytes) const {
  const std::size_t doubled = chunk == nullptr ? kChunkBytesMin : 2 * chunk->bytes;
  return std::min(chunk_bytes_max_, std::max(doubled, std::bit_ceil(2 * bytes)));
}

/// Whether `fresh` is now the first chunk; false: `expected` no longer was.
bool Arena::link(std::atomic<Chunk*>& to, Chunk* expected, Chunk* fresh) {
  fresh->previous = expected;
  // [chunk] release: a thread that finds the chunk finds its head. It finds the heads of older chunks, too: every link is
  // a read-modify-write, so it continues the release sequences of all links before it.
  if (!to.compare_exchange_strong(expected, fresh, std::memory_order_release, std::memory_order_relaxed))
    return false;
  reserved_.fetch_add(fresh->bytes, std::memory_order_relaxed);  // a count
  return true;
}

Arena::Chunk* Arena::make_chunk(std::size_t bytes) {
  void* const memory = ::operator new(bytes, alignment_of(bytes));
  // Advice: the pages are huge where the system allows it.
  if (bytes == kHugePageBytes) ::madvise(memory, bytes, MADV_HUGEPAGE);
  auto* const chunk = ::new (memory) Chunk;
  chunk->bytes = bytes;
  return chunk;
}

void Arena::free_chunk(Chunk* chunk) {
  const std::size_t bytes = chunk->bytes;
  chunk->~Chunk();
  ::operator delete(chunk, alignment_of(bytes));
}

/// `visit` may free its chunk.
template <class Visit>
void Arena::for_each_chunk(Visit visit) const {
  const auto follow = [&visit](const std::atomic<Chunk*>& from) {
    Chunk* chunk = from.load(std::memory_order_acquire);  // [chunk]
    while (chunk != nullptr) {
      Chunk* const previous = chunk->previous;
      visit(chunk);
      chunk = previous;
    }
  };
  places_.for_each([&follow](const Place& place) { follow(place.chunk); });
  follow(large_);
}

std::size_t Arena::used() const {
  std::size_t sum = 0;
  for_each_chunk([&sum](const Chunk* chunk) {
    sum += chunk->used.load(std::memory_order_relaxed) - sizeof(Chunk);
  });  // a count
  return sum;
}

}  // namespace muster::lsm
