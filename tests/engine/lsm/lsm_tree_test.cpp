// One LSM tree without a database: what it asks of the log, and what becomes of flushes that fail.
#include <atomic>
#include <cerrno>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "engine/io/file_observer.h"
#include "engine/lsm/lsm_table.h"
#include "engine/lsm/thread_slot.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"

namespace muster::lsm {
namespace {

Bytes bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

/// Every record takes some bytes; other tables' records lie between them.
class CountedLog final : public ChangeLog {
 public:
  Lsn change(const RecordChange&) override { return end_ += 100; }
  Lsn restructure(std::span<const PageImage>) override { return end_; }
  bool may_reclaim(TableId, Bytes) override { return true; }
  Lsn reclaim(const Reclaim&) override { return end_; }
  Lsn end() const { return end_; }
  void append_elsewhere() { end_ += 1000; }

 private:
  std::atomic<Lsn> end_{1000};  // the background reads it
};

struct Change {
  std::string key, value;
  Lsn end = 0;
};

/// A tree whose background has not begun, as during restart: until start() changes do its work.
struct Tree {
  explicit Tree(const std::filesystem::path& at, bool is_new) {
    if (is_new) LsmTable::create(at);
    LsmOptions options;
    options.memtable_bytes = LsmOptions::kMemtableBytesMin;
    table = std::make_unique<LsmTable>(at, 1,
                                       TreeSurroundings{.cache = cache,
                                                        .options = options,
                                                        .flush_log =
                                                            [this](Lsn lsn) {
                                                              if (durable.load() < lsn)
                                                                durable = lsn;  // one flush at a time
                                                            },
                                                        .log_end = [this] { return log.end(); }},
                                       0);
    table->begin_writing();
  }
  void insert(std::vector<Change>& changes) {
    Change change{std::to_string(changes.size()), std::string(1000, 'v'), 0};
    const auto note = [&] {
      change.end = log.end();
      changes.push_back(change);
    };
    try {
      const Status status = table->insert(bytes(change.key), bytes(change.value), log);
      CHECK(status == Status::ok);
    } catch (...) {  // of the flush behind it: the change is there
      note();
      throw;
    }
    note();
  }

  CountedLog log;
  std::atomic<Lsn> durable{0};
  BlockCache cache{1 << 20};
  std::unique_ptr<LsmTable> table;
};

/// Table files find no room.
class FullDisk final : public FileObserver {
 public:
  FullDisk() { observe_files(this); }
  ~FullDisk() override { observe_files(nullptr); }
  FileVerdict before(const FileOperation& operation) override {
    const bool fails = operation.kind == FileOperation::Kind::write && operation.path.extension() == ".sst";
    return {.error = fails ? ENOSPC : 0};
  }
  void after(const FileOperation&, std::int64_t) override {}
};

}  // namespace

TEST_CASE(
    "LsmTable: the log is durable up to what the manifest calls flushed, not to the newest entry only") {
  const TemporaryDirectory directory;
  Tree tree(directory.path() / "t", true);
  std::vector<Change> changes;
  tree.insert(changes);
  tree.log.append_elsewhere();
  CHECK(tree.table->write_back() == tree.log.end());
  CHECK(tree.table->newest_change() == tree.log.end());
  CHECK(tree.durable >= tree.table->newest_change());
}

TEST_CASE("LsmTable: a flush that fails and is tried again counts for its own memtable only") {
  const TemporaryDirectory directory;
  Tree tree(directory.path() / "t", true);
  std::vector<Change> changes;
  {
    const FullDisk full;
    const auto fill = [&] {
      for (int i = 0; i < 10'000; ++i) tree.insert(changes);
    };
    CHECK_THROWS_AS(fill(), std::system_error);
  }
  while (tree.table->statistics().flushes == 0) tree.insert(changes);
  for (int i = 0; i < 20; ++i) tree.insert(changes);

  std::filesystem::copy(directory.path() / "t", directory.path() / "killed",
                        std::filesystem::copy_options::recursive);
  const Tree again(directory.path() / "killed", false);
  for (const Change& change : changes) {
    again.table->redo({.table = 1,
                       .page = 0,
                       .kind = ChangeKind::insert,
                       .key = bytes(change.key),
                       .before = {},
                       .after = bytes(change.value)},
                      change.end);
  }
  std::vector<std::byte> value;
  for (const Change& change : changes) CHECK(again.table->find(bytes(change.key), value) == Status::ok);
}

TEST_CASE("LsmTable: threads beyond the slots take turns, also where they fill memtables") {
  constexpr int kParked = 300;
  std::latch parked(kParked), done(1);
  std::vector<std::jthread> threads;
  for (int i = 0; i < kParked; ++i) {
    threads.emplace_back([&] {
      thread_slot();
      parked.count_down();
      done.wait();
    });
  }
  parked.wait();
  const TemporaryDirectory directory;
  Tree tree(directory.path() / "t", true);
  std::vector<Change> changes;
  std::jthread([&] {
    CHECK(thread_slot() >= 256);
    tree.table->start([](TableId, Bytes) { return true; });
    for (int i = 0; i < 20'000; ++i) tree.insert(changes);
  }).join();
  CHECK(tree.table->statistics().flushes > 3);
  std::vector<std::byte> value;
  for (const Change& change : changes) CHECK(tree.table->find(bytes(change.key), value) == Status::ok);
  done.count_down();
}

}  // namespace muster::lsm
