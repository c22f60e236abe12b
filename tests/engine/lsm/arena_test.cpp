#include "engine/lsm/arena.h"

#include <algorithm>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "tests/catch.h"

namespace muster::lsm {
namespace {

constexpr int kThreads = 4;
constexpr std::size_t kChunkMax = std::size_t{16} << 10;

struct Piece {
  std::span<std::byte> bytes;
  std::byte mark;
};

/// Takes pieces of many sizes, some larger than a chunk, and writes them full.
std::vector<Piece> take_pieces(Arena& arena, std::uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  std::vector<Piece> pieces;
  for (int i = 0; i < count; ++i) {
    const std::size_t size = 1 + random() % (random() % 100 == 0 ? 3 * kChunkMax : 300);
    pieces.push_back({{arena.allocate(size), size}, static_cast<std::byte>(random())});
    std::ranges::fill(pieces.back().bytes, pieces.back().mark);
  }
  return pieces;
}

std::size_t rounded(std::size_t bytes) {
  return (bytes + 7) / 8 * 8;
}

/// Pieces whose bytes are not what their thread has written, or that are not aligned.
int count_spoilt(const std::vector<Piece>& pieces) {
  return static_cast<int>(std::ranges::count_if(pieces, [](const Piece& piece) {
    return reinterpret_cast<std::uintptr_t>(piece.bytes.data()) % 8 != 0 ||
           !std::ranges::all_of(piece.bytes, [&](std::byte b) { return b == piece.mark; });
  }));
}

}  // namespace

TEST_CASE("Arena: pieces that threads take at the same time do not overlap, and each byte is counted") {
  const std::size_t places = GENERATE(1, 64);  // one: all threads take from the same chunk
  Arena arena(kChunkMax, places);
  CHECK(arena.used() == 0);
  CHECK(arena.reserved() == 0);
  std::vector<std::vector<Piece>> pieces(kThreads);
  std::vector<std::thread> threads;
  for (std::uint64_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] { pieces[thread] = take_pieces(arena, thread, 20'000); });
  for (std::thread& thread : threads) thread.join();

  std::size_t sum = 0;
  for (const auto& some : pieces) {
    CHECK(count_spoilt(some) == 0);
    for (const Piece& piece : some) sum += rounded(piece.bytes.size());
  }
  CHECK(arena.used() == sum);
  CHECK(arena.reserved() > sum);
}

TEST_CASE("Arena: a piece of any size fits, at the sizes of chunks as well") {
  const std::size_t chunk_max = GENERATE(Arena::kChunkBytesMin, kChunkMax, Arena::kHugePageBytes);
  Arena arena(chunk_max);
  std::vector<Piece> pieces;
  std::size_t sum = 0;
  for (std::size_t size = 1; size <= 4 * chunk_max; size *= 2) {
    for (const std::size_t exact : {size - 1, size, size + 1}) {
      if (exact == 0) continue;
      pieces.push_back({{arena.allocate(exact), exact}, static_cast<std::byte>(pieces.size())});
      std::ranges::fill(pieces.back().bytes, pieces.back().mark);
      sum += rounded(exact);
    }
  }
  CHECK(count_spoilt(pieces) == 0);
  CHECK(arena.used() == sum);
}

TEST_CASE(
    "Arena: a few small pieces cost a few small chunks, and many cost no more than twice what they hold") {
  Arena arena;
  arena.allocate(100);
  CHECK(arena.reserved() == Arena::kChunkBytesMin);
  for (int i = 0; i < 200'000; ++i) arena.allocate(100);
  CHECK(arena.used() == 200'001 * rounded(100));
  CHECK(arena.reserved() <= 2 * arena.used());
}

}  // namespace muster::lsm
