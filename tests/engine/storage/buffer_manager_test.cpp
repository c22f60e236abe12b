#include "engine/storage/buffer_manager.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/storage/guards.h"
#include "engine/storage/page_words.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/engine/named_file.h"

namespace muster::test {
namespace {

constexpr TableId kTable = 5;
constexpr std::size_t kFrames = BufferManager::kFramesMin;

File unnamed_file() {
  return File::open(std::filesystem::temp_directory_path(), O_TMPFILE | O_RDWR);
}

/// Changes a page as a tree would: content in two words, LSN in the first.
void write_page(BufferManager& buffers, PageNumber page, std::uint64_t content, Lsn lsn) {
  ExclusiveGuard guard(buffers, buffers.space(kTable), page);
  store_word(guard.bytes() + kPageBytes / 2, content);
  store_word(guard.bytes() + kPageBytes - kWordBytes, content);
  store_word(guard.bytes(), lsn);
  guard.mark_changed();
}

std::uint64_t read_page(BufferManager& buffers, PageNumber page) {
  const SharedGuard guard(buffers, buffers.space(kTable), page);
  return load_word(guard.bytes() + kPageBytes / 2);
}

Lsn lsn_in_file(const File& file, PageNumber page) {
  Lsn lsn = 0;
  file.read_at(page * kPageBytes, std::as_writable_bytes(std::span(&lsn, 1)));
  return lsn;
}

}  // namespace

TEST_CASE("BufferManager: pages come back as they were, although few fit in memory") {
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  const PageNumber pages = 300;
  for (PageNumber page = 0; page < pages; ++page) write_page(buffers, page, page + 1, 0);
  for (PageNumber page = 0; page < pages; ++page) CHECK(read_page(buffers, page) == page + 1);
  const BufferStatistics statistics = buffers.statistics();
  CHECK(statistics.misses == 2 * pages);
  CHECK(statistics.evictions >= 2 * pages - kFrames);
  CHECK(statistics.writes <= pages);  // a page that did not change is not written again
}

TEST_CASE("BufferManager: a page that was never written reads as zeros") {
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  const SharedGuard guard(buffers, buffers.space(kTable), 1'000'000);
  for (std::size_t i = 0; i < kPageBytes; i += kWordBytes) REQUIRE(load_word(guard.bytes() + i) == 0);
}

TEST_CASE("BufferManager: a page reaches the file only when the log is durable to its LSN") {
  const NamedFile file;
  const File spy = file.open();
  const PageNumber pages = 100;
  Lsn durable = 0;
  int too_early = 0;
  int flushes = 0;
  const auto look = [&] {
    for (PageNumber page = 0; page < pages; ++page) too_early += lsn_in_file(spy, page) > durable ? 1 : 0;
  };
  BufferManager buffers({.frames = kFrames}, [&](Lsn lsn) {
    look();  // whatever is in the file by now was written under the old durable LSN
    durable = std::max(durable, lsn);
    ++flushes;
  });
  buffers.open_table(kTable, file.open());
  std::mt19937_64 random(1);
  Lsn lsn = 0;
  for (int i = 0; i < 2000; ++i) write_page(buffers, random() % pages, random(), ++lsn);
  look();
  CHECK(buffers.statistics().writes > 500);
  CHECK(flushes > 0);
  CHECK(durable < lsn);  // no further than needed
  buffers.flush_all();
  look();
  CHECK(too_early == 0);
  CHECK(durable == lsn);
}

TEST_CASE("BufferManager: when the log cannot be flushed the page stays, and no latch or frame is lost") {
  bool broken = true;
  BufferManager buffers({.frames = kFrames}, [&](Lsn) {
    if (broken) throw std::runtime_error("the log has failed");
  });
  buffers.open_table(kTable, unnamed_file());
  for (PageNumber page = 0; page < kFrames; ++page) write_page(buffers, page, page + 1, page + 1);
  for (int i = 0; i < 100; ++i) CHECK_THROWS_AS(read_page(buffers, 1000), std::runtime_error);
  CHECK_THROWS_AS(buffers.flush_all(), std::runtime_error);
  CHECK(buffers.statistics().writes == 0);
  for (PageNumber page = 0; page < kFrames; ++page) write_page(buffers, page, page + 2, page + 2);
  broken = false;
  CHECK(read_page(buffers, 1000) == 0);
  for (PageNumber page = 0; page < kFrames; ++page) CHECK(read_page(buffers, page) == page + 2);
}

TEST_CASE("BufferManager: a failed write is thrown to who misses and leaves the page dirty in memory") {
  const NamedFile file;
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, file.open(O_RDONLY));
  for (PageNumber page = 0; page < kFrames; ++page) write_page(buffers, page, page + 1, 0);
  for (int i = 0; i < 100; ++i) CHECK_THROWS_AS(read_page(buffers, 1000), std::system_error);
  CHECK_THROWS_AS(buffers.flush_all(), std::system_error);
  for (PageNumber page = 0; page < kFrames; ++page) {
    CHECK(read_page(buffers, page) == page + 1);
    write_page(buffers, page, page + 2, 0);
  }
}

TEST_CASE("BufferManager: on a full disk reads go on while there is a clean page to evict") {
  const NamedFile file;
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, file.open());
  const PageNumber dirty = kFrames / 2;
  for (PageNumber page = 0; page < 10 * kFrames; ++page) write_page(buffers, page, page + 1, 0);
  buffers.flush_all();
  for (PageNumber page = 0; page < dirty; ++page) write_page(buffers, page, page + 2, 0);
  int refused = 0;
  int failed = 0;
  {
    const Judge full([&](const FileOperation& operation) {
      if (operation.kind != FileOperation::Kind::write) return FileVerdict{};
      ++refused;
      return FileVerdict{.error = ENOSPC};
    });
    for (int i = 0; i < 2000; ++i) {
      const PageNumber page = dirty + static_cast<PageNumber>(i) % (9 * kFrames);
      try {
        failed += read_page(buffers, page) == page + 1 ? 0 : 1;
      } catch (const std::system_error&) {
        ++failed;
      }
    }
  }
  CHECK(refused > 0);
  CHECK(failed == 0);
  for (PageNumber page = 0; page < dirty; ++page) CHECK(read_page(buffers, page) == page + 2);
}

TEST_CASE("BufferManager: a failed read is thrown to who misses, whose frame is free again") {
  const NamedFile file;
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable + 1, file.open(O_WRONLY));
  buffers.open_table(kTable, unnamed_file());
  for (PageNumber page = 0; page < 10 * kFrames; ++page) {
    CHECK_THROWS_AS(SharedGuard(buffers, buffers.space(kTable + 1), page), std::system_error);
  }
  for (PageNumber page = 0; page < kFrames; ++page) write_page(buffers, page, page + 1, 0);
  CHECK(buffers.statistics().evictions == 0);  // all frames were there to be used
}

TEST_CASE("BufferManager: a miss while every frame is latched fails instead of waiting for ever") {
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  {
    std::vector<ExclusiveGuard> guards;
    for (PageNumber page = 0; page < kFrames; ++page)
      guards.emplace_back(buffers, buffers.space(kTable), page);
    CHECK_THROWS_AS(read_page(buffers, 1000), ConfigError);
  }
  CHECK(read_page(buffers, 1000) == 0);
}

TEST_CASE("BufferManager: a page in use stays while others stream past it") {
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  const PageNumber stream = 500;
  for (PageNumber page = 1; page <= stream; ++page) {
    CHECK(OptimisticGuard(buffers, buffers.space(kTable), 0).valid());
    CHECK(OptimisticGuard(buffers, buffers.space(kTable), page).valid());
  }
  CHECK(buffers.statistics().misses == 1 + stream);
}

TEST_CASE("BufferManager: where copies are kept a thread of its own writes cold pages, and none is lost") {
  const NamedFile file;
  const NamedFile area;
  const auto own = std::this_thread::get_id();
  std::atomic<int> by_another{0};
  const Judge watch([&](const FileOperation& operation) {
    if (operation.kind == FileOperation::Kind::write && std::this_thread::get_id() != own) ++by_another;
    return FileVerdict{};
  });
  BufferManager buffers({.frames = 64}, [](Lsn) {});
  buffers.write_twice(area.open());
  buffers.open_table(kTable, file.open());
  const PageNumber pages = 300;
  std::uint64_t round = 0;
  do {
    ++round;
    for (PageNumber page = 0; page < pages; ++page) write_page(buffers, page, page + round, 0);
  } while (by_another.load() == 0);
  for (PageNumber page = 0; page < pages; ++page) CHECK(read_page(buffers, page) == page + round);
}

TEST_CASE("BufferManager: a cleaner whose writes fail leaves that to be told to who misses") {
  const NamedFile file;
  const NamedFile area;
  std::atomic<bool> full{false};
  const Judge judge([&](const FileOperation& operation) {
    return FileVerdict{.error = full.load() && operation.kind == FileOperation::Kind::write ? ENOSPC : 0};
  });
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.write_twice(area.open());
  buffers.open_table(kTable, file.open());
  for (PageNumber page = 0; page < kFrames; ++page) write_page(buffers, page, page + 1, 0);
  full = true;
  for (int i = 0; i < 100; ++i) CHECK_THROWS_AS(read_page(buffers, 1000), std::system_error);
  full = false;
  CHECK(read_page(buffers, 1000) == 0);
  for (PageNumber page = 0; page < kFrames; ++page) CHECK(read_page(buffers, page) == page + 1);
}

TEST_CASE("BufferManager: flush_all writes what is dirty, once") {
  const NamedFile file;
  Lsn durable = 0;
  BufferManager buffers({.frames = 64}, [&](Lsn lsn) { durable = std::max(durable, lsn); });
  buffers.open_table(kTable, file.open());
  for (PageNumber page = 0; page < 50; ++page) write_page(buffers, page, page, page + 1);
  buffers.flush_all();
  CHECK(buffers.statistics().writes == 50);
  CHECK(durable == 50);
  const File spy = file.open();
  for (PageNumber page = 0; page < 50; ++page) CHECK(lsn_in_file(spy, page) == page + 1);
  buffers.flush_all();
  CHECK(buffers.statistics().writes == 50);
}

TEST_CASE("BufferManager: an upgrade succeeds on the page as it was read and on no other") {
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  const OptimisticGuard unchanged(buffers, buffers.space(kTable), 1);
  CHECK(ExclusiveGuard(unchanged).owns());
  const OptimisticGuard changed(buffers, buffers.space(kTable), 1);
  write_page(buffers, 1, 2, 0);
  CHECK_FALSE(changed.valid());
  CHECK_FALSE(ExclusiveGuard(changed).owns());
  const OptimisticGuard evicted(buffers, buffers.space(kTable), 1);
  for (PageNumber page = 2; page < 10 * kFrames; ++page) read_page(buffers, page);
  CHECK_FALSE(evicted.valid());
  CHECK_FALSE(ExclusiveGuard(evicted).owns());
}

TEST_CASE(
    "BufferManager: readers never see half of a change, writers never lose one, while pages come and go") {
  const auto replacement = GENERATE(Replacement::clock, Replacement::lru);
  BufferManager buffers({.frames = 24, .replacement = replacement}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  constexpr PageNumber kPages = 60;
  constexpr int kSteps = 4000;
  std::atomic<int> torn{0};
  const auto change = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < kSteps; ++i) {
      ExclusiveGuard guard(buffers, buffers.space(kTable), random() % kPages);
      const std::uint64_t count = load_word(guard.bytes() + kWordBytes) + 1;
      for (std::size_t at = kWordBytes; at < kPageBytes; at += 256) store_word(guard.bytes() + at, count);
      guard.mark_changed();
    }
  };
  const auto read = [&](std::uint64_t seed) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < kSteps; ++i) {
      const OptimisticGuard guard(buffers, buffers.space(kTable), random() % kPages);
      const std::uint64_t count = load_word(guard.bytes() + kWordBytes);
      bool same = true;
      for (std::size_t at = kWordBytes; at < kPageBytes; at += 256)
        same &= load_word(guard.bytes() + at) == count;
      if (guard.valid() && !same) ++torn;
    }
  };
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 3; ++i) threads.emplace_back(change, i);
  for (std::uint64_t i = 3; i < 6; ++i) threads.emplace_back(read, i);
  for (int i = 0; i < 20; ++i) buffers.flush_all();
  for (std::thread& thread : threads) thread.join();
  CHECK(torn.load() == 0);
  std::uint64_t sum = 0;
  for (PageNumber page = 0; page < kPages; ++page) {
    const SharedGuard guard(buffers, buffers.space(kTable), page);
    sum += load_word(guard.bytes() + kWordBytes);
  }
  CHECK(sum == 3 * kSteps);
  CHECK(buffers.statistics().evictions > 100);
}

TEST_CASE("BufferManager: what cannot be is refused by name") {
  CHECK_THROWS_AS(BufferManager({.frames = kFrames - 1}, [](Lsn) {}), ConfigError);
  CHECK_THROWS_AS(BufferManager({.frames = kFrames, .table_bytes_max = 1000}, [](Lsn) {}), ConfigError);
  BufferManager buffers({.frames = kFrames}, [](Lsn) {});
  buffers.open_table(kTable, unnamed_file());
  CHECK(buffers.is_open(kTable));
  CHECK_FALSE(buffers.is_open(kTable + 1));
  CHECK_THROWS_AS(buffers.open_table(kTable, unnamed_file()), ConfigError);
  CHECK_THROWS_AS(buffers.open_table(BufferManager::kMaxTables, unnamed_file()), ConfigError);
}

}  // namespace muster::test
