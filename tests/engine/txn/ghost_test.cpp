#include <fcntl.h>

#include <array>
#include <atomic>
#include <thread>

#include "engine/log/log_reader.h"
#include "engine/storage/slotted_page.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster {
namespace {

using Contents = std::map<std::string, std::string>;
const auto kDurable = CommitPolicy::durable;

struct Options {
  bool early_lock_release = false;
  Gate* gate = nullptr;  // for the log's syncs
};

/// A table of `records` records.
struct Fixture {
  explicit Fixture(std::uint64_t records, const Options& with = {}) {
    DatabaseOptions options = small_database(directory.path());
    options.early_lock_release = with.early_lock_release;
    if (with.gate != nullptr) {
      options.make_log_device = [gate = with.gate](const LogOptions& log, Lsn begin) {
        return std::make_unique<GatedLogDevice>(make_holding_device(log, begin), *gate);
      };
    }
    database = Database::open(options);
    table = database->create_table("t");
    const auto session = database->attach(kDurable);
    session->begin();
    for (std::uint64_t i = 0; i < records; ++i) put(*session, key_of(i), "old");
    session->commit();
  }
  void put(Session& session, const std::string& key, const std::string& value) {
    REQUIRE(session.insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
    committed[key] = value;
  }
  void remove(Session& session, const std::string& key) {
    REQUIRE(session.remove(table, as_bytes(key)) == Status::ok);
  }
  /// As a session leaves them that does nothing behind its commit.
  void leave_ghosts(Gate& gate, const std::vector<std::string>& keys) {
    const auto& session = leaving_.emplace_back(database->attach(CommitPolicy::pipelined));
    gate.close();
    session->begin();
    for (const std::string& key : keys) {
      remove(*session, key);
      committed.erase(key);
    }
    session->commit();
    gate.open();
    database->log().flush(database->log().reserved());
  }
  std::filesystem::path file() const { return directory.path() / (std::to_string(table) + ".table"); }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  Contents committed;

 private:
  std::vector<std::unique_ptr<Session>> leaving_;
};

/// What one transaction of a thread of its own reads by a scan of the table.
class Scanning {
 public:
  Scanning(Database& database, TableId table)
      : thread_([this, &database, table] {
          seen_ = contents(database, table);
          done_.store(true);
        }) {}
  ~Scanning() {
    if (thread_.joinable()) thread_.join();
  }
  bool done() const { return done_.load(); }
  Contents seen() {
    thread_.join();
    return seen_;
  }

 private:
  Contents seen_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// Time for what must not happen.
void linger() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

/// In a table's file.
struct Slots {
  std::uint64_t records = 0, ghosts = 0, pages = 0;
};
Slots slots_in(const std::filesystem::path& table_file) {
  struct alignas(kWordBytes) {
    std::array<std::byte, kPageBytes> bytes;
  } page;
  Slots found;
  const File file = File::open(table_file, O_RDONLY);
  for (; file.read_at(found.pages * kPageBytes, page.bytes) == kPageBytes; ++found.pages) {
    const PageView view(page.bytes.data());
    const PageShape shape = view.shape();
    if (shape.kind != PageKind::leaf) continue;
    for (std::uint32_t i = 0; i < shape.slots; ++i) ++(view.is_ghost(i) ? found.ghosts : found.records);
  }
  return found;
}

/// After a checkpoint.
Slots slots_of(Fixture& f) {
  f.database->check();
  f.database->checkpoint();
  return slots_in(f.file());
}

std::uint64_t reclaim_records(const std::filesystem::path& log) {
  std::uint64_t found = 0;
  LogReader reader(log);
  while (const auto record = reader.next()) found += record->type == RecordType::reclaim ? 1 : 0;
  return found;
}

}  // namespace

TEST_CASE("ghost: a scan waits for a removal that is not committed, and sees what came of it") {
  Fixture f(50);
  auto remover = f.database->attach(kDurable);
  remover->begin();
  for (const std::uint64_t i : {0u, 7u, 8u, 49u}) f.remove(*remover, key_of(i));
  Scanning scan(*f.database, f.table);
  linger();
  CHECK_FALSE(scan.done());
  SECTION("it is committed") {
    remover->commit();
    for (const std::uint64_t i : {0u, 7u, 8u, 49u}) f.committed.erase(key_of(i));
  }
  SECTION("it is rolled back") {
    remover->abort();
  }
  SECTION("its session ends") {
    remover.reset();
  }
  CHECK(scan.seen() == f.committed);
  CHECK(contents(*f.database, f.table) == f.committed);
}

TEST_CASE("ghost: a scan that met no removed record any more is acknowledged after the removal is durable") {
  Gate gate;
  Fixture f(50, {.early_lock_release = true, .gate = &gate});
  auto remover = f.database->attach(CommitPolicy::pipelined);
  auto busy = f.database->attach(CommitPolicy::pipelined);
  auto reader = f.database->attach(kDurable);
  gate.close();
  remover->begin();
  f.remove(*remover, key_of(7));
  remover->commit();
  f.committed.erase(key_of(7));
  // Others on the same leaf, who would take the ghost away if they might.
  for (std::uint64_t i = 0; i < 40; ++i) {
    busy->begin();
    REQUIRE(busy->insert(f.table, as_bytes("key00000007b" + key_of(i)), as_bytes(std::string(200, 'b'))) ==
            Status::ok);
    busy->abort();
  }
  reader->begin();
  CHECK(scan_all(*reader, f.table) == f.committed);
  std::atomic<bool> acknowledged{false};
  std::thread committing([&] {
    reader->commit([](void* flag) noexcept { static_cast<std::atomic<bool>*>(flag)->store(true); },
                   &acknowledged);
  });
  linger();
  CHECK_FALSE(acknowledged.load());
  gate.open();
  committing.join();
  CHECK(acknowledged.load());
}

TEST_CASE("ghost: who removed a record inserts it again, and rolls back to what was there") {
  Fixture f(50);
  auto session = f.database->attach(kDurable);
  session->begin();
  f.remove(*session, key_of(7));
  CHECK(read_text(*session, f.table, key_of(7)) == std::nullopt);
  CHECK(session->remove(f.table, as_bytes(key_of(7))) == Status::not_found);
  CHECK(session->update(f.table, as_bytes(key_of(7)), as_bytes("x")) == Status::not_found);
  const std::string value(GENERATE(1u, 3u, 1000u), 'n');
  REQUIRE(session->insert(f.table, as_bytes(key_of(7)), as_bytes(value)) == Status::ok);
  CHECK(session->insert(f.table, as_bytes(key_of(7)), as_bytes(value)) == Status::already_exists);
  CHECK(read_text(*session, f.table, key_of(7)) == value);
  if (GENERATE(true, false)) {
    session->commit();
    f.committed[key_of(7)] = value;
  } else {
    if (GENERATE(true, false)) f.remove(*session, key_of(7));
    session->abort();
  }
  CHECK(contents(*f.database, f.table) == f.committed);
  session.reset();
  CHECK(slots_of(f).ghosts == 0);
}

TEST_CASE("ghost: another transaction inserts what was removed, and its rollback leaves it removed") {
  Gate gate;
  Fixture f(50, {.gate = &gate});
  f.leave_ghosts(gate, {key_of(7), key_of(8)});
  auto inserter = f.database->attach(kDurable);
  inserter->begin();
  const std::string value(GENERATE(1u, 3u, 1000u), 'n');
  REQUIRE(inserter->insert(f.table, as_bytes(key_of(7)), as_bytes(value)) == Status::ok);
  if (GENERATE(true, false)) {
    inserter->commit();
    f.committed[key_of(7)] = value;
  } else {
    inserter->abort();
  }
  CHECK(contents(*f.database, f.table) == f.committed);
  inserter.reset();
  CHECK(slots_of(f).ghosts == 0);
}

TEST_CASE("ghost: it stays as long as a transaction holds the lock of its name") {
  Gate gate;
  Fixture f(50, {.gate = &gate});
  f.leave_ghosts(gate, {key_of(7), key_of(8)});
  auto reader = f.database->attach(kDurable);
  reader->begin();
  CHECK(read_text(*reader, f.table, key_of(7)) == std::nullopt);
  const auto scan_and_change = [&] {
    const auto session = f.database->attach(kDurable);
    session->begin();
    CHECK(scan_all(*session, f.table) == f.committed);
    REQUIRE(session->update(f.table, as_bytes(key_of(9)), as_bytes("old")) == Status::ok);
    session->commit();  // and takes away what it has met and may
  };
  scan_and_change();
  CHECK(slots_of(f).ghosts == 1);
  reader->commit();
  scan_and_change();
  CHECK(slots_of(f).ghosts == 0);
}

TEST_CASE("ghost: a deadlock's victim gets back what it removed") {
  Fixture f(50);
  auto a = f.database->attach(kDurable);
  auto b = f.database->attach(kDurable);
  a->begin();
  b->begin();
  f.remove(*a, key_of(7));
  f.remove(*b, key_of(30));
  REQUIRE(b->insert(f.table, as_bytes("b"), as_bytes("b")) == Status::ok);
  std::atomic<Status> of_b{Status::ok};
  std::thread scanning([&] {
    of_b.store(b->scan(f.table, {}, [](Bytes, Bytes) { return true; }));  // meets the ghost that a has left
    if (of_b.load() == Status::ok) b->commit();
  });
  std::vector<std::byte> value;
  const Status of_a = a->scan(f.table, {}, [](Bytes, Bytes) { return true; });
  if (of_a == Status::ok) a->commit();
  scanning.join();
  REQUIRE((of_a == Status::deadlock) != (of_b.load() == Status::deadlock));
  if (of_a == Status::ok) {
    f.committed.erase(key_of(7));
  } else {
    f.committed.erase(key_of(30));
    f.committed["b"] = "b";
  }
  CHECK(contents(*f.database, f.table) == f.committed);
  a.reset();
  b.reset();
  CHECK(slots_of(f).ghosts == 0);
}

TEST_CASE("ghost: insertions and removals over and over leave a table as small as it was") {
  const bool early = GENERATE(false, true);
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  const bool aborts = GENERATE(false, true);
  CAPTURE(early, policy, aborts);
  Fixture f(0, {.early_lock_release = early});
  {
    auto session = f.database->attach(policy);
    const std::string value(900, 'v');
    for (std::uint64_t i = 0; i < 300; ++i) {  // a queue: what comes in has a new key, and goes out again
      if (i % 32 == 0) session->wait_for_acknowledgements();
      session->begin();
      REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes(value)) == Status::ok);
      if (i >= 20 && !aborts) f.remove(*session, key_of(i - 20));
      if (aborts) {
        session->abort();
      } else {
        session->commit();
      }
    }
    session->wait_for_acknowledgements();
    f.database->log().flush(f.database->log().reserved());
  }
  const Slots slots = slots_of(f);
  CHECK(slots.records == (aborts ? 0 : 20));
  CHECK(slots.ghosts < 64);  // whose commit was not durable when the session ended
  CHECK(slots.pages < 40);   // all of them would take 75
}

TEST_CASE("ghost: a scan beside insertions and removals never misses what only rollbacks have removed") {
  const bool early = GENERATE(false, true);
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined);
  constexpr std::uint64_t kKeys = 60;  // every third is only removed by transactions that roll back
  Fixture f(kKeys, {.early_lock_release = early});
  std::atomic<int> wrong{0};
  std::atomic<int> working{3};
  const auto work = [&](std::uint64_t number) {
    auto session = f.database->attach(policy);
    for (std::uint64_t step = 0; step < 400; ++step) {
      const std::uint64_t key = (step * 7 + number * 11) % kKeys;
      session->begin();
      Status status = session->remove(f.table, as_bytes(key_of(key)));
      if (status == Status::not_found)
        status = session->insert(f.table, as_bytes(key_of(key)), as_bytes(std::string(step % 300, 'v')));
      wrong += status == Status::ok ? 0 : 1;  // with one lock each there is no deadlock
      if (key % 3 == 0) {
        session->abort();
      } else {
        session->commit();
      }
    }
    --working;
  };
  const auto scan = [&] {
    do {
      std::uint64_t constants = 0;
      for (const auto& [key, value] : contents(*f.database, f.table))
        constants += std::stoull(key.substr(3)) % 3 == 0 ? 1 : 0;
      wrong += constants == kKeys / 3 ? 0 : 1;
    } while (working.load() > 0);
  };
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 3; ++number) threads.emplace_back(work, number);
  threads.emplace_back(scan);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  contents(*f.database, f.table);  // and takes away what the others have met locked
  CHECK(slots_of(f).ghosts == 0);
}

TEST_CASE("ghost: those of committed transactions that a crash leaves go when their leaf needs the room") {
  Gate gate;
  Fixture f(0, {.gate = &gate});
  const std::string value(150, 'v');
  {
    const auto session = f.database->attach(kDurable);
    session->begin();
    for (std::uint64_t i = 0; i < 400; ++i) f.put(*session, key_of(2 * i), value);
    session->commit();
  }
  std::vector<std::string> removed;
  for (std::uint64_t i = 0; i < 400; i += 2) removed.push_back(key_of(2 * i));
  f.leave_ghosts(gate, removed);

  const Killed killed(f.directory.path());
  const auto file = killed.path() / "1.table";
  killed.open()->close();
  const Slots before = slots_in(file);
  CHECK(before.records == 200);
  CHECK(before.ghosts == 200);
  SECTION("an insertion needs it") {
    const auto database = killed.open();
    const auto session = database->attach(kDurable);
    for (std::uint64_t i = 0; i < 400; i += 2) {
      session->begin();
      f.put(*session, key_of(2 * i + 1), value);
      session->commit();
    }
    CHECK(contents(*database, "t") == f.committed);
  }
  SECTION("a scan meets them") {
    const auto database = killed.open();
    CHECK(contents(*database, "t") == f.committed);
    database->close();
    CHECK(slots_in(file).ghosts == 0);
  }
  CHECK(slots_in(file).records == f.committed.size());
  CHECK(slots_in(file).pages == before.pages);
}

TEST_CASE(
    "ghost: restart redoes what was committed, takes back what was not, and leaves no ghost of its own") {
  Fixture f(200);
  auto session = f.database->attach(kDurable);
  session->begin();
  for (std::uint64_t i = 0; i < 200; i += 4) f.remove(*session, key_of(i));
  session->commit();
  for (std::uint64_t i = 0; i < 200; i += 4) f.committed.erase(key_of(i));
  session->begin();  // and is never committed
  for (std::uint64_t i = 0; i < 200; i += 8) {
    REQUIRE(session->insert(f.table, as_bytes(key_of(i)), as_bytes("loser")) == Status::ok);
    f.remove(*session, key_of(i + 1));
    REQUIRE(session->insert(f.table, as_bytes(key_of(i + 1)), as_bytes(std::string(300, 'l'))) == Status::ok);
    f.remove(*session, key_of(i + 2));
  }
  f.database->log().flush(f.database->log().reserved());
  CHECK(reclaim_records(f.directory.path() / "log") > 0);
  if (GENERATE(false, true)) f.database->checkpoint();  // with the loser's ghosts in the files
  const Killed killed(f.directory.path());
  const auto database = killed.open();
  database->check();
  CHECK(contents(*database, "t") == f.committed);
  database->close();
  const Slots slots = slots_in(killed.path() / "1.table");
  CHECK(slots.records == f.committed.size());
  CHECK(slots.ghosts == 0);
}

TEST_CASE("ghost: a transaction that only reads logs nothing, whatever it meets") {
  Gate gate;
  Fixture f(50, {.gate = &gate});
  f.leave_ghosts(gate, {key_of(7)});
  const auto reader = f.database->attach(kDurable);
  const Lsn before = f.database->log().reserved();
  reader->begin();
  CHECK(scan_all(*reader, f.table) == f.committed);
  reader->commit();
  CHECK(f.database->log().reserved() == before);
}

}  // namespace muster
