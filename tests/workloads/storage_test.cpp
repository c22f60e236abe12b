#include <fcntl.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "engine/io/file_observer.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "tests/workloads/drive_workload.h"
#include "workloads/engine_measurement.h"
#include "workloads/ycsb.h"
#include "workloads/ycsb_value.h"

// What a repetition's report says of bytes: of both kinds of tables, and against what the kernel counts.

namespace {

using namespace muster;

/// What this process has written: `wchar` by system calls, `write_bytes` to a device, once its pages leave the page cache.
std::map<std::string, std::uint64_t> written_by_process() {
  std::ifstream file("/proc/self/io");
  std::map<std::string, std::uint64_t> found;
  std::string name;
  for (std::uint64_t count; file >> name >> count;) found[name.substr(0, name.size() - 1)] = count;
  return found;
}

/// Waits until the background writes no more: several looks in a row see no new byte, since a thread may be waiting for a processor.
void settle() {
  std::uint64_t before = 0;
  for (int looks_left = 10; looks_left > 0; --looks_left) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::uint64_t now = written_by_process()["wchar"];
    if (now != before) looks_left = 10;
    before = now;
  }
}

EngineRun small_run(const TemporaryDirectory& folder, TableKind kind) {
  EngineRun run{.database = {}, .table = kind, .policy = CommitPolicy::async};
  run.database.directory = folder.path();
  run.database.frames = 64;
  run.database.log_buffer.max_workers = 2;
  run.database.checkpoint_bytes = 0;
  run.database.log.segment_bytes = std::uint64_t{1} << 20;
  run.database.lsm.memtable_bytes = lsm::LsmOptions::kMemtableBytesMin;
  return run;
}

constexpr std::uint64_t kRecords = 6000;

/// Inserts or updates so many records at random places, a few of them a transaction. Returns the bytes of their keys and values.
std::uint64_t write_records(Database& database, TableId table, std::mt19937_64& random) {
  const auto session = database.attach(CommitPolicy::async);
  std::vector<std::byte> value(100);
  for (std::uint64_t i = 0; i < kRecords;) {
    session->begin();
    for (const std::uint64_t end = i + 8; i < end; ++i) {
      for (std::byte& byte : value) byte = static_cast<std::byte>(random());
      const YcsbKey key = ycsb_key(random() % kRecords);
      Status status = session->update(table, key, value);
      if (status == Status::not_found) status = session->insert(table, key, value);
      if (status != Status::ok) throw std::logic_error("a record was neither updated nor inserted");
    }
    session->commit();
  }
  return kRecords * (sizeof(YcsbKey) + value.size());
}

TEST_CASE("Storage report: causes of both kinds come to what the kernel counts") {
  for (const TableKind kind : {TableKind::btree, TableKind::lsm}) {
    CAPTURE(name_of(kind));
    const TemporaryDirectory folder;
    const EngineRun run = small_run(folder, kind);
    const auto database = Database::open(run.database);
    const TableId table = database->create_table("t", kind);
    std::mt19937_64 random(1);
    write_records(*database, table, random);
    database->checkpoint();
    settle();

    EngineMeasurement measurement(run);
    measurement.begin();
    auto before = written_by_process();  // outside of what is sampled
    measurement.sample(*database, {0, 0});
    const std::uint64_t user_bytes = write_records(*database, table, random);
    database->checkpoint();
    settle();
    measurement.sample(*database, {1, user_bytes});
    auto after = written_by_process();
    RepetitionReport report;
    measurement.add_to(report);

    REQUIRE(report.storage.has_value());
    const StorageReport& storage = *report.storage;
    const std::uint64_t counted = storage.log_bytes + storage.page_bytes + storage.double_write_bytes +
                                  storage.flush_bytes + storage.compaction_bytes;
    const std::uint64_t calls = after["wchar"] - before["wchar"];
    const std::uint64_t device = after["write_bytes"] - before["write_bytes"];
    CAPTURE(counted, calls, device);
    CHECK(counted <= calls);
    CHECK(calls <= counted + counted / 20 + (128 << 10));  // manifest, master, marks
    CHECK(storage.user_bytes == user_bytes);
    CHECK(storage.log_bytes > user_bytes);
    CHECK((storage.page_bytes > 0) == (kind == TableKind::btree));
    CHECK((storage.double_write_bytes > storage.page_bytes / 2) == (kind == TableKind::btree));
    CHECK((storage.flush_bytes > 0) == (kind == TableKind::lsm));
    CHECK((storage.compaction_bytes > 0) == (kind == TableKind::lsm));
    CHECK(storage.file_bytes > kRecords * 50);
    REQUIRE(storage.log_kept_bytes.has_value());
    CHECK(*storage.log_kept_bytes < user_bytes);  // the checkpoint gave the rest back
    CHECK(report.lsm.has_value() == (kind == TableKind::lsm));
    REQUIRE(report.intervals.size() == 1);
    CHECK(report.intervals[0].table_bytes == counted - storage.log_bytes);
    CHECK(report.intervals[0].slowed.has_value() == (kind == TableKind::lsm));
    database->close();
  }
}

/// Keeps trees from making their first file until a change has waited for it.
class NoFilesBeforeAWait final : public FileObserver {
 public:
  NoFilesBeforeAWait() { observe_files(this); }
  ~NoFilesBeforeAWait() override { observe_files(nullptr); }

  /// From now on, of this database.
  void watch(const Database& database) {
    database_.store(&database, std::memory_order_release);  // pairs with before()'s
  }

  FileVerdict before(const FileOperation& operation) override {
    const bool is_new_file = operation.kind == FileOperation::Kind::open && (operation.flags & O_CREAT) != 0;
    const Database* database = database_.load(std::memory_order_acquire);  // pairs with watch()'s
    if (database == nullptr || !is_new_file || operation.path.extension() != ".sst") return {};
    for (int looks = 0; waits(*database) == 0 && looks < kLooksMax; ++looks) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    database_.store(nullptr, std::memory_order_release);  // one wait will do
    return {};
  }
  void after(const FileOperation&, std::int64_t) override {}

 private:
  static constexpr int kLooksMax =
      60'000;  // a minute and more; then the test finds that no change has waited

  static std::uint64_t waits(const Database& database) {
    const lsm::LsmStatistics statistics = database.lsm_statistics();
    return statistics.slowed + statistics.stopped;
  }

  std::atomic<const Database*> database_{nullptr};
};

TEST_CASE("Storage report: changes that wait for the background are counted, in sum and by interval") {
  const TemporaryDirectory folder;
  NoFilesBeforeAWait no_files;
  EngineRun run = small_run(folder, TableKind::lsm);
  run.database.log.device = "memory";
  const auto database = Database::open(run.database);
  const TableId table = database->create_table("t", run.table);
  EngineMeasurement measurement(run);
  measurement.begin();
  measurement.sample(*database, {0, 0});
  std::mt19937_64 random(2);
  no_files.watch(*database);
  for (int i = 0; i < 3; ++i) {
    write_records(*database, table, random);
    measurement.sample(*database, {1, 1});
  }
  RepetitionReport report;
  measurement.add_to(report);
  REQUIRE(report.lsm.has_value());
  CHECK(report.lsm->flushes > 3);
  std::uint64_t slowed = 0, stopped = 0;
  for (const IntervalReport& interval : report.intervals) {
    slowed += interval.slowed.value();
    stopped += interval.stopped.value();
  }
  CHECK(slowed + stopped > 0);
  CHECK(slowed == report.lsm->slowed);
  CHECK(stopped == report.lsm->stopped);
  CHECK(report.lsm->slowed + report.lsm->stopped ==
        database->lsm_statistics().slowed + database->lsm_statistics().stopped);
  CHECK(report.storage->log_kept_bytes == std::nullopt);
}

TEST_CASE("Storage report: a workload says what it changed and what its table holds") {
  for (const TableKind kind : {TableKind::btree, TableKind::lsm}) {
    const TemporaryDirectory folder;
    EngineRun run = small_run(folder, kind);
    run.database.log.device = "memory";
    YcsbOptions options;
    options.records = 200;
    options.mix = YcsbMix::load;
    const auto workload = make_ycsb(options, run);
    workload->load([] { return false; });
    const std::uint64_t inserted = testing::drive(*workload, 1, 400);
    const RepetitionReport report = workload->finish();
    workload->close();
    REQUIRE(report.storage.has_value());
    const std::uint64_t record = sizeof(YcsbKey) + options.value_bytes;
    CHECK(report.storage->user_bytes >= 400 * record - record);
    CHECK(report.storage->user_bytes <= inserted * record);
    CHECK(report.storage->user_bytes % record == 0);
    CHECK(report.storage->live_bytes == (200 + inserted) * record);
  }
}

}  // namespace
