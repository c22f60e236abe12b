#include "engine/txn/versions.h"

#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

using Shows = VersionStore::View::Shows;
constexpr TableId kTable = 7;

/// A session as far as the store knows it.
struct Writer {
  Writer(VersionStore& its_store, WorkerId its_worker)
      : store(its_store), worker(its_worker), queue(store.join()) {}
  ~Writer() {
    if (queue) store.leave(std::move(queue));
  }
  Stamp stamp() const { return Stamp::running(worker, transaction); }
  void overwrite(std::string_view key, std::string_view before) {
    change({.table = kTable,
            .page = 1,
            .kind = ChangeKind::update,
            .key = as_bytes(key),
            .before = as_bytes(before),
            .after = {}});
  }
  void change(const RecordChange& change) {
    queue->make_room(change);
    Version* const version = store.keep(*queue, change, stamp());
    if (version == nullptr) return;
    if (written.count++ == 0) written.first = version;
  }
  void commit() {
    store.commit(std::exchange(written, {}), end);
    ++transaction;
  }
  void roll_back() {
    store.roll_back(std::exchange(written, {}));
    ++transaction;
  }
  void overwrite_and_commit(std::string_view key, std::string_view before) {
    overwrite(key, before);
    commit();
  }

  VersionStore& store;
  const WorkerId worker;
  std::unique_ptr<VersionQueue> queue;
  std::uint32_t transaction = 1;
  WrittenVersions written;
  Lsn end = 0;
};

constexpr Stamp kNobody = Stamp::running(99, 0);

std::string text(const VersionStore::View& view) {
  return view.shows == Shows::before ? as_text(view.value) : view.shows == Shows::absent ? "absent" : "page";
}

}  // namespace

TEST_CASE("Commit clock: what is visible rises over finished commits only, and comes to all of them") {
  constexpr std::uint32_t kThreads = 4;
  constexpr Timestamp kEach = 20000;
  CommitClock clock(kThreads);
  const auto finished = std::make_unique<std::atomic<bool>[]>(kThreads * kEach + 1);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (Timestamp count = 0; count < kEach; ++count) {
        const Timestamp mine = clock.take();
        finished[mine].store(true, std::memory_order_relaxed);
        clock.finish(mine);
        const Timestamp visible = clock.visible();
        wrong += visible < mine;
        for (Timestamp at = visible; at > 0 && at + 2 * kThreads > visible; --at)
          wrong += !finished[at].load(std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(clock.visible() == kThreads * kEach);
}

TEST_CASE("Versions: a snapshot is shown what the first writer that it does not show has overwritten") {
  VersionStore store(4, nullptr);
  Writer writer(store, 0), other(store, 1);
  const Timestamp at_0 = store.snapshots().enter(2);
  CHECK(text(store.look(kTable, as_bytes("k"), at_0, kNobody)) == "page");
  writer.overwrite("k", "0");
  CHECK(text(store.look(kTable, as_bytes("k"), at_0, kNobody)) == "0");
  CHECK(store.look(kTable, as_bytes("k"), at_0, writer.stamp()).shows == Shows::own);
  writer.overwrite("k", "0.5");  // between two writes of one transaction: no other transaction sees it
  writer.commit();
  const Timestamp at_1 = store.clock().visible();
  other.overwrite("k", "1");
  other.roll_back();
  writer.overwrite_and_commit("k", "1");
  const Timestamp at_3 = store.clock().visible();
  writer.change({.table = kTable,
                 .page = 1,
                 .kind = ChangeKind::insert,
                 .key = as_bytes("new"),
                 .before = {},
                 .after = {}});
  writer.overwrite_and_commit("k", "3");
  const auto shown = [&](const char* key, Timestamp at) {
    return text(store.look(kTable, as_bytes(key), at, kNobody));
  };
  CHECK(shown("k", at_0) == "0");
  CHECK(shown("k", at_1) == "1");
  CHECK(shown("k", at_1 + 1) == "1");  // where that one was rolled back
  CHECK(shown("k", at_3) == "3");
  CHECK(shown("new", at_3) == "absent");
  CHECK(shown("new", store.clock().visible()) == "page");
  CHECK(shown("k", store.clock().visible()) == "page");
  CHECK(text(store.look(kTable + 1, as_bytes("k"), at_0, kNobody)) == "page");
  CHECK(store.statistics().versions == 5);
  CHECK(store.statistics().oldest_snapshot_age == 4);
  store.snapshots().leave(2);
}

TEST_CASE("Versions: one that was rolled back is no reason for a conflict, one that committed below it is") {
  VersionStore store(4, nullptr);
  Writer writer(store, 0), other(store, 1);
  const auto overwritten = [&](Timestamp snapshot) {
    return store.is_overwritten_above(kTable, as_bytes("k"), snapshot, other.stamp());
  };
  const Timestamp at = store.snapshots().enter(2);
  CHECK_FALSE(overwritten(at));
  writer.overwrite("k", "0");
  writer.roll_back();
  CHECK_FALSE(overwritten(at));
  writer.overwrite_and_commit("k", "0");
  const Timestamp later = store.clock().visible();
  writer.overwrite("k", "1");
  writer.roll_back();
  CHECK(overwritten(at));
  CHECK_FALSE(overwritten(later));
  other.overwrite("k", "1");
  CHECK_FALSE(overwritten(later));
  other.commit();
  store.snapshots().leave(2);
}

TEST_CASE("Versions: a record is shown with the end of the last commit in its bucket that was not durable") {
  VersionStore store(4, nullptr);
  Writer writer(store, 0);
  const auto end_of = [&](const char* key) {
    return store.look(kTable, as_bytes(key), store.snapshots().enter(2), kNobody).depends_on;
  };
  writer.end = 500;
  writer.overwrite_and_commit("k", "0");
  CHECK(end_of("k") == 500);
  CHECK(end_of("other") == 0);
  writer.overwrite("k", "1");
  writer.end = 700;
  CHECK(end_of("k") == 500);
  writer.roll_back();
  CHECK(end_of("k") == 500);
  writer.overwrite_and_commit("k", "1");
  store.snapshots().leave(2);
  store.collect(*writer.queue);
  CHECK_FALSE(store.has(kTable, as_bytes("k")));
  CHECK(end_of("k") == 700);  // also where the version is gone
  store.snapshots().leave(2);
}

TEST_CASE("Versions: a new snapshot's reader looks at one, however many there are of the record") {
  VersionStore store(4, nullptr);
  Writer writer(store, 0);
  const Timestamp old = store.snapshots().enter(1);
  for (int i = 0; i < 10000; ++i) writer.overwrite_and_commit("k", std::to_string(i));
  const VersionStore::View newest = store.look(kTable, as_bytes("k"), store.snapshots().enter(2), kNobody);
  CHECK(newest.shows == Shows::page);
  CHECK(newest.steps == 1);
  const VersionStore::View oldest = store.look(kTable, as_bytes("k"), old, kNobody);
  CHECK(text(oldest) == "0");
  CHECK(oldest.steps == 10000);
  CHECK(store.look(kTable, as_bytes("none"), old, kNobody).steps == 0);
  store.snapshots().leave(1);
  store.snapshots().leave(2);
}

TEST_CASE("Versions: versions that no snapshot needs go, and their memory is used again") {
  VersionStore store(4, nullptr);
  Writer writer(store, 0);
  for (int i = 0; i < 100000; ++i) {
    writer.overwrite_and_commit(key_of(i % 5000), "before");
    if (writer.queue->is_due()) store.collect(*writer.queue);
  }
  CHECK(store.statistics().versions < 300);
  CHECK(store.statistics().memory_bytes_peak < 300000);
  for (int i = 0; i < 5000; ++i) {
    const std::string key = key_of(i);
    if (store.has(kTable, as_bytes(key)))
      CHECK(text(store.look(kTable, as_bytes(key), store.clock().visible(), kNobody)) == "page");
  }
}

TEST_CASE(
    "Versions: a snapshot that is in use holds what was overwritten since, and statistics say how much") {
  VersionStore store(4, nullptr);
  Writer writer(store, 0), other(store, 1);
  writer.overwrite_and_commit("k", "before");
  const Timestamp old = store.snapshots().enter(2);
  constexpr int kCommits = 5001;
  for (int i = 0; i < kCommits; ++i) {
    Writer& each = i % 2 == 0 ? writer : other;
    each.overwrite_and_commit("k", std::to_string(i));
    store.collect(*each.queue);
  }
  const VersionStatistics held = store.statistics();
  CHECK(held.versions >= kCommits);
  CHECK(held.bytes > held.versions * sizeof(Version));
  CHECK(held.memory_bytes >= held.bytes);
  CHECK(held.oldest_snapshot_age == kCommits);
  CHECK(text(store.look(kTable, as_bytes("k"), old, kNobody)) == "0");

  store.snapshots().leave(2);
  store.snapshots().enter(2);  // needs none of them, but might stand on one
  store.collect(*writer.queue);
  CHECK_FALSE(store.has(kTable, as_bytes("k")));  // with what the other one has written below
  store.collect(*writer.queue);
  CHECK(store.statistics().versions >= kCommits);
  store.snapshots().leave(2);
  for (int i = 0; i < 2; ++i) {
    other.overwrite_and_commit("x", "");
    store.collect(*other.queue);
    store.collect(*writer.queue);
  }
  const VersionStatistics now = store.statistics();
  CHECK(now.versions <= 2);
  CHECK(now.oldest_snapshot_age == 0);
  CHECK(now.memory_bytes < held.memory_bytes);
  CHECK(now.memory_bytes_peak >= held.memory_bytes);
}

TEST_CASE("Versions: what a session leaves goes when another collects, and all of it with the last session") {
  VersionStore store(4, nullptr);
  {
    Writer last(store, 1);
    {
      Writer writer(store, 0);
      store.snapshots().enter(2);
      for (int i = 0; i < 500; ++i) writer.overwrite_and_commit(key_of(i), "before");
      writer.overwrite("never", "before");  // as behind a log that has failed
    }
    CHECK(store.statistics().versions == 501);
    CHECK(store.has(kTable, as_bytes(key_of(7))));
    store.snapshots().leave(2);
    store.collect(*last.queue);
    CHECK_FALSE(store.has(kTable, as_bytes(key_of(7))));
    last.overwrite_and_commit("x", "");
    store.collect(*last.queue);
    CHECK(store.statistics().versions == 2);
    CHECK(store.has(kTable, as_bytes("never")));
  }
  CHECK(store.statistics().versions == 0);
  CHECK(store.statistics().bytes == 0);
  CHECK(store.statistics().memory_bytes == 0);
  CHECK_FALSE(store.has(kTable, as_bytes("never")));
}

TEST_CASE("Versions: readers find what they need while writers link, unlink and use memory again") {
  // A record's value is a number; a writer overwrites all of them with the next one in one commit, under a lock. A reader
  // reads a record as a page would be read, then its chain: all records have one value in its snapshot.
  constexpr int kRecords = 12, kWriters = 2;
  VersionStore store(4, nullptr);
  std::array<std::atomic<int>, kRecords> pages{};
  std::vector<std::string> keys;
  for (int i = 0; i < kRecords; ++i) keys.push_back(key_of(i));
  SpinLatch lock;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (WorkerId worker = 0; worker < kWriters; ++worker) {
    threads.emplace_back([&, worker] {
      Writer writer(store, worker);
      for (int round = 0; !stop.load(std::memory_order_relaxed); ++round) {
        {
          const std::lock_guard guard(lock);
          const int old = pages[0].load(std::memory_order_relaxed);
          for (int i = 0; i < kRecords; ++i) {
            writer.overwrite(keys[static_cast<std::size_t>(i)], std::to_string(old));
            pages[static_cast<std::size_t>(i)].store(old + 1, std::memory_order_release);
          }
          if (round % 5 == 0) {
            for (auto& page : pages) page.store(old, std::memory_order_release);
            writer.roll_back();
          } else {
            writer.commit();
          }
        }
        if (writer.queue->is_due() || round % 3 == 0) store.collect(*writer.queue);
      }
    });
  }
  int before = 0;
  std::optional<Writer> reader(std::in_place, store, 2);  // that writes nothing
  // On until the writers have written: the reader may happen to be done before they begin.
  for (int round = 0; round < 20'000 || (before == 0 && round < 20'000'000); ++round) {
    const Timestamp snapshot = store.snapshots().enter(2);
    int first = -1;
    for (std::size_t i = 0; i < kRecords; ++i) {
      const int page = pages[i].load(std::memory_order_acquire);
      const VersionStore::View view = store.look(kTable, as_bytes(keys[i]), snapshot, kNobody);
      const int value = view.shows == Shows::before ? std::stoi(as_text(view.value)) : page;
      if (first < 0) first = value;
      wrong += value != first;
    }
    wrong += first < before;
    before = first;
    store.snapshots().leave(2);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  reader.reset();
  CHECK(wrong.load() == 0);
  CHECK(before > 0);
  CHECK(store.statistics().versions == 0);
}

namespace {

/// Sessions of one database, with `records` records.
struct Fixture {
  explicit Fixture(int records) {
    database = Database::open(memory_database(directory.path()));
    table = database->create_table("t", table_under_test());
    const auto session = attach();
    session->begin();
    for (int i = 0; i < records; ++i)
      REQUIRE(session->insert(table, as_bytes(key_of(i)), as_bytes("value")) == Status::ok);
    session->commit();
  }
  std::unique_ptr<Session> attach(Isolation level = Isolation::snapshot,
                                  CommitPolicy policy = CommitPolicy::durable) const {
    return database->attach(policy, level);
  }
  void update(Session& session, int key) const {
    session.begin();
    REQUIRE(session.update(table, as_bytes(key_of(key)), as_bytes("other")) == Status::ok);
    session.commit();
  }
  VersionStatistics statistics() const { return database->version_statistics(); }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
};

}  // namespace

TEST_CASE(
    "Versions: sessions keep few without an old snapshot, all that it needs with one, none behind the last") {
  const auto level = GENERATE(Isolation::snapshot, Isolation::read_committed);
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  Fixture f(100);
  CHECK(f.statistics().versions == 0);
  {
    const auto writer = f.attach(level, policy), reader = f.attach();
    const auto update_all = [&](int times) {
      for (int i = 0; i < 100 * times; ++i) f.update(*writer, i % 100);
      writer->wait_for_acknowledgements();
    };
    update_all(20);
    CHECK(f.statistics().versions < 400);
    reader->begin();
    update_all(20);
    CHECK(f.statistics().versions >= 2000);
    CHECK(f.statistics().oldest_snapshot_age == 2000);
    reader->commit();
    CHECK(f.statistics().oldest_snapshot_age == 0);
    for (int i = 0; i < 2; ++i) {
      f.update(*writer, i);
      writer->wait_for_acknowledgements();
    }
    CHECK(f.statistics().versions <= 2);
  }
  CHECK(f.statistics().versions == 0);
  CHECK(f.statistics().memory_bytes == 0);
}

TEST_CASE("Versions: two-phase locking writes none") {
  Fixture f(10);
  const auto session = f.attach(Isolation::two_phase_locking);
  f.update(*session, 1);
  CHECK(f.statistics().memory_bytes == 0);
  CHECK(f.statistics().versions == 0);
}

TEST_CASE("Versions: a ghost stays while an old snapshot shows its record, and goes behind it") {
  constexpr int kRecords = 300;
  Fixture f(kRecords);
  const auto reader = f.attach(), writer = f.attach();
  reader->begin();
  writer->begin();
  for (int i = 0; i < kRecords; ++i) REQUIRE(writer->remove(f.table, as_bytes(key_of(i))) == Status::ok);
  writer->commit();
  // Records that need room where the ghosts are, and their undo.
  const std::string large(1000, 'x');
  for (const bool commits : {false, true}) {
    writer->begin();
    for (int i = 0; i < kRecords; i += 10) {
      REQUIRE(writer->insert(f.table, as_bytes(key_of(i) + "+"), as_bytes(large)) == Status::ok);
    }
    commits ? static_cast<void>(writer->commit()) : writer->abort();
  }
  const Lsn before = f.database->log().reserved();
  writer->wait_for_acknowledgements();
  CHECK(f.database->log().reserved() == before);
  CHECK(scan_all(*reader, f.table).size() == kRecords);
  reader->commit();
  writer->wait_for_acknowledgements();
  if (table_under_test() == TableKind::btree)
    CHECK(f.database->log().reserved() > before);  // that they were taken away is logged
  reader->begin();
  CHECK(scan_all(*reader, f.table).size() == kRecords / 10);
  reader->commit();
  f.database->check();
}

TEST_CASE("Versions: a transaction that only reads a snapshot logs nothing and takes no lock") {
  Fixture f(10);
  const auto writer = f.attach(), reader = f.attach();
  writer->begin();
  for (int i = 0; i < 10; ++i) REQUIRE(writer->remove(f.table, as_bytes(key_of(i))) == Status::ok);
  const Lsn before = f.database->log().reserved();
  reader->begin_without_waiting();
  CHECK(scan_all(*reader, f.table).size() == 10);
  reader->commit();
  CHECK(f.database->log().reserved() == before);
  writer->abort();
}

TEST_CASE("Versions: they are gone after a crash, and what they were of is whole") {
  TemporaryDirectory directory;
  const auto database = Database::open(small_database(directory.path()));
  const TableId table = database->create_table("t", table_under_test());
  const auto writer = database->attach(CommitPolicy::durable, Isolation::snapshot);
  const auto reader = database->attach(CommitPolicy::durable, Isolation::snapshot);
  const auto put = [&](const char* key, const char* value) {
    Status status = writer->update(table, as_bytes(key), as_bytes(value));
    if (status == Status::not_found) status = writer->insert(table, as_bytes(key), as_bytes(value));
    REQUIRE(status == Status::ok);
  };
  writer->begin();
  put("a", "1");
  put("b", "1");
  writer->commit();
  reader->begin();
  writer->begin();
  put("a", "2");
  REQUIRE(writer->remove(table, as_bytes("b")) == Status::ok);
  writer->commit();
  writer->begin();
  put("a", "lost");
  put("c", "lost");
  database->log().flush(database->log().reserved());
  const Killed killed(directory.path());
  const auto again = killed.open();
  CHECK(contents(*again, "t") == std::map<std::string, std::string>{{"a", "2"}});
  CHECK(scan_all(*reader, table) == std::map<std::string, std::string>{{"a", "1"}, {"b", "1"}});
  writer->abort();
  reader->commit();
}

TEST_CASE("Versions: sessions that read under locks and sessions that read versions take turns") {
  Fixture f(3);
  {
    const auto reader = f.attach();
    CHECK_THROWS_AS(f.attach(Isolation::two_phase_locking), ConfigError);
    f.update(*reader, 1);
  }
  {
    const auto locking = f.attach(Isolation::two_phase_locking);
    CHECK_THROWS_AS(f.attach(), ConfigError);
    f.update(*locking, 2);
  }
  const auto reader = f.attach();
  reader->begin();
  CHECK(read_text(*reader, f.table, key_of(0)) == "value");
  CHECK(read_text(*reader, f.table, key_of(2)) == "other");
  reader->commit();
}

}  // namespace muster
