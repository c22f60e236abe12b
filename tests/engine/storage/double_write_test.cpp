#include "engine/storage/double_write.h"

#include <fcntl.h>

#include <array>
#include <mutex>
#include <string>
#include <system_error>

#include "engine/io/file_observer.h"
#include "engine/storage/buffer_manager.h"
#include "engine/storage/guards.h"
#include "engine/storage/page_checksum.h"
#include "engine/storage/page_words.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"

namespace muster {
namespace {

constexpr TableId kTable = 7;

struct alignas(kWordBytes) Page {
  std::array<std::byte, kPageBytes> bytes{};
};

Page page_with(Lsn lsn) {
  Page page;
  store_word(page.bytes.data(), lsn);
  store_word(page.bytes.data() + kPageBytes / 2, lsn);
  return page;
}

WriteBatch batch_of(PageNumber first, std::size_t pages, Lsn lsn) {
  WriteBatch batch(pages);
  for (std::size_t i = 0; i < pages; ++i) {
    std::ranges::copy(page_with(lsn).bytes, batch.room());
    batch.add(kTable, first + i);
  }
  return batch;
}

struct Files {
  File open(const char* name) const { return File::open(directory.path() / name, O_RDWR | O_CREAT); }
  std::size_t restore() const {
    std::map<TableId, File> tables;
    tables.emplace(kTable, open("table"));
    return restore_torn_pages(open("area"), tables);
  }
  /// 0 where the page is damaged.
  Lsn lsn_of(PageNumber number) const {
    Page page;
    open("table").read_at(number * kPageBytes, page.bytes);
    return unseal_page(page.bytes, kTable, number) ? load_word(page.bytes.data()) : 0;
  }
  void damage(PageNumber number) const {
    const std::byte wrong{0x5a};
    open("table").write_at(number * kPageBytes + 99, {&wrong, 1});
  }

  TemporaryDirectory directory;
};

void put(File& table, const WriteBatch& batch, PageNumber first) {
  for (std::size_t i = 0; i < batch.size(); ++i) table.write_at((first + i) * kPageBytes, batch.copy(i));
}

/// Keeps what was done to which file, in order, and can make the syncs of one fail.
class Operations : public FileObserver {
 public:
  Operations() { observe_files(this); }
  ~Operations() override { observe_files(nullptr); }

  FileVerdict before(const FileOperation& operation) override {
    const std::lock_guard lock(mutex_);
    const std::string name = operation.path.filename().string();
    if (operation.kind == FileOperation::Kind::write) done += name + " write;";
    if (operation.kind == FileOperation::Kind::sync) done += name + " sync;";
    return {.error = operation.kind == FileOperation::Kind::sync && name == fail_sync_of ? EIO : 0};
  }
  void after(const FileOperation&, std::int64_t) override {}

  std::string done;
  std::string fail_sync_of;

 private:
  std::mutex mutex_;
};

}  // namespace

TEST_CASE("DoubleWrite: a damaged page is restored from its newest copy, a sound one is left alone") {
  const Files files;
  File table = files.open("table");
  DoubleWrite area(files.open("area"), [] {});
  for (const Lsn lsn : {10, 20}) {
    WriteBatch batch = batch_of(3, 5, lsn);
    const auto kept = area.keep(batch);
    put(table, batch, 3);
  }
  WriteBatch later = batch_of(4, 1, 30);
  put(table, later, 4);  // never kept: sound, and newer than its copies
  files.damage(5);
  files.damage(6);
  CHECK(files.lsn_of(5) == 0);
  CHECK(files.restore() == 2);
  CHECK(files.lsn_of(3) == 20);
  CHECK(files.lsn_of(4) == 30);
  CHECK(files.lsn_of(5) == 20);
  CHECK(files.lsn_of(6) == 20);
  CHECK(files.restore() == 0);
}

TEST_CASE("DoubleWrite: a copy that is not whole is none") {
  const Files files;
  DoubleWrite area(files.open("area"), [] {});
  WriteBatch first = batch_of(0, 2, 10);
  WriteBatch second = batch_of(0, 2, 20);
  { const auto kept = area.keep(first); }
  { const auto kept = area.keep(second); }
  const std::size_t second_begins = 3 * kPageBytes;
  const std::byte wrong{0x5a};
  files.damage(0);
  files.damage(1);
  SECTION("its page is torn: the one before is taken") {
    files.open("area").write_at(second_begins + kPageBytes + 777, {&wrong, 1});
    CHECK(files.restore() == 2);
    CHECK(files.lsn_of(0) == 10);
    CHECK(files.lsn_of(1) == 20);
  }
  SECTION("the block that names them is torn") {
    files.open("area").write_at(second_begins + 17, {&wrong, 1});
    CHECK(files.restore() == 2);
    CHECK(files.lsn_of(1) == 10);
  }
  SECTION("the area is cut") {
    files.open("area").truncate(2 * kPageBytes + 100);
    CHECK(files.restore() == 1);
    CHECK(files.lsn_of(1) == 0);
  }
  SECTION("the area is something else") {
    const std::string text(100'000, 'x');
    files.open("area").write_at(0, std::as_bytes(std::span(text)));
    CHECK(files.restore() == 0);
  }
}

TEST_CASE("DoubleWrite: the tables are synced before the first copy is overwritten, and not before") {
  const Files files;
  int syncs = 0;
  const auto sync_tables = [&] {
    Page oldest;  // still there
    files.open("area").read_at(kPageBytes, oldest.bytes);
    CHECK(load_word(oldest.bytes.data()) == static_cast<Lsn>(3 * syncs++ + 1));
  };
  DoubleWrite area(files.open("area"), sync_tables, 10 * kPageBytes);
  for (Lsn lsn = 1; lsn <= 12; ++lsn) {  // three batches of three pages and their block fit
    WriteBatch batch = batch_of(lsn, 2, lsn);
    const auto kept = area.keep(batch);
    CHECK(syncs == static_cast<int>((lsn - 1) / 3));
  }
  CHECK(files.open("area").size() == 9 * kPageBytes);
}

TEST_CASE("DoubleWrite: after a failed sync nothing is written any more") {
  const Files files;
  DoubleWrite area(files.open("area"), [] {});
  WriteBatch batch = batch_of(1, 1, 10);
  Operations operations;
  operations.fail_sync_of = "area";
  CHECK_THROWS_AS(area.keep(batch), std::system_error);
  operations.fail_sync_of.clear();
  operations.done.clear();
  CHECK_THROWS_AS(area.keep(batch), std::system_error);
  CHECK(operations.done.empty());
}

TEST_CASE("DoubleWrite: every page that goes to a file is durable in the area first") {
  const Files files;
  Operations operations;
  {
    BufferManager buffers({.frames = BufferManager::kFramesMin}, [](Lsn) {});
    buffers.write_twice(files.open("area"));
    buffers.open_table(kTable, files.open("table"));
    for (PageNumber page = 0; page < 100; ++page) {
      ExclusiveGuard guard(buffers, buffers.space(kTable), page);
      store_word(guard.bytes(), page + 1);
      guard.mark_changed();
    }
    buffers.flush_all();
    CHECK(buffers.statistics().writes == 100);
  }  // its cleaner, too, is done
  std::string left = operations.done;
  CHECK(left.find("table sync;") != std::string::npos);
  int writes = 0;
  while (left.starts_with("area write;area sync;")) {
    left = left.substr(std::string("area write;area sync;").size());
    while (left.starts_with("table ")) {
      writes += left.starts_with("table write;") ? 1 : 0;
      left = left.substr(left.find(';') + 1);
    }
  }
  CHECK(left.empty());
  CHECK(writes == 100);
  for (PageNumber page = 0; page < 100; ++page) files.damage(page);
  CHECK(files.restore() == 100);
  for (PageNumber page = 0; page < 100; ++page) CHECK(files.lsn_of(page) == page + 1);
}

}  // namespace muster
