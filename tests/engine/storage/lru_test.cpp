#include "engine/storage/lru_list.h"

#include <fcntl.h>

#include <filesystem>
#include <vector>

#include "engine/storage/guards.h"
#include "tests/catch.h"

namespace muster::test {
namespace {

constexpr TableId kLruTable = 5;
constexpr std::size_t kLruFrames = BufferManager::kFramesMin;

struct Pool {
  explicit Pool(Replacement replacement)
      : buffers({.frames = kLruFrames, .replacement = replacement}, [](Lsn) {}) {
    buffers.open_table(kLruTable, File::open(std::filesystem::temp_directory_path(), O_TMPFILE | O_RDWR));
  }
  void read(PageNumber page) { CHECK(OptimisticGuard(buffers, buffers.space(kLruTable), page).valid()); }
  bool is_resident(PageNumber page) const {
    return latch_of(buffers.space(kLruTable).state(page).load()) != kEvicted;
  }
  std::vector<PageNumber> evicted_of(PageNumber pages) const {
    std::vector<PageNumber> evicted;
    for (PageNumber page = 0; page < pages; ++page) {
      if (!is_resident(page)) evicted.push_back(page);
    }
    return evicted;
  }
  BufferManager buffers;
};

std::vector<std::uint64_t> order(LruList& list) {
  std::vector<std::uint64_t> pages;
  list.from_oldest([&](FrameIndex, std::uint64_t page) {
    pages.push_back(page);
    return true;
  });
  return pages;
}

}  // namespace

TEST_CASE("LruList: a use moves a page behind all others, and who is evicted is in it no more") {
  LruList list(4);
  for (FrameIndex frame = 0; frame < 4; ++frame) list.loaded(frame, 10 + frame);
  CHECK(order(list) == std::vector<std::uint64_t>{10, 11, 12, 13});
  list.used(11);
  list.used(10);
  list.used(10);
  list.used(99);  // nobody's
  CHECK(order(list) == std::vector<std::uint64_t>{12, 13, 11, 10});
  list.evicted(3);
  list.used(13);  // too late
  CHECK(order(list) == std::vector<std::uint64_t>{12, 11, 10});
  list.loaded(3, 14);
  for (const FrameIndex frame : {0u, 1u, 2u, 3u}) list.evicted(frame);
  CHECK(order(list).empty());
  list.loaded(2, 15);
  CHECK(order(list) == std::vector<std::uint64_t>{15});
}

TEST_CASE("BufferManager, lru: the least recently used pages go, however they were used") {
  Pool pool(Replacement::lru);
  for (PageNumber page = 0; page < kLruFrames; ++page) pool.read(page);
  pool.read(0);
  { const SharedGuard used(pool.buffers, pool.buffers.space(kLruTable), 1); }
  { const ExclusiveGuard used(pool.buffers, pool.buffers.space(kLruTable), 2); }
  { const ExclusiveReadGuard used(pool.buffers, pool.buffers.space(kLruTable), 3); }
  pool.read(2);
  pool.read(kLruFrames);  // two go at a time, an eighth of the frames
  CHECK(pool.evicted_of(kLruFrames) == std::vector<PageNumber>{4, 5});
  pool.read(6);
  pool.read(0);
  for (const PageNumber page : {1, 2, 3}) pool.read(page);
  for (PageNumber more = kLruFrames + 1; more < kLruFrames + 4; ++more) pool.read(more);
  CHECK(pool.evicted_of(kLruFrames) == std::vector<PageNumber>{4, 5, 7, 8});
}

TEST_CASE("BufferManager, lru: a latched page stays though it was used least recently") {
  Pool pool(Replacement::lru);
  const SharedGuard latched(pool.buffers, pool.buffers.space(kLruTable), 0);
  for (PageNumber page = 1; page < 10 * kLruFrames; ++page) pool.read(page);
  CHECK(pool.is_resident(0));
}

TEST_CASE(
    "BufferManager, clock: a page that is used is not written to again, so that readers share nothing") {
  Pool pool(Replacement::clock);
  pool.read(0);
  pool.read(0);
  const std::uint64_t before = pool.buffers.space(kLruTable).state(0).load();
  pool.read(0);
  CHECK(pool.buffers.space(kLruTable).state(0).load() == before);
  CHECK(latch_of(before) == kUnlocked);
}

}  // namespace muster::test
