#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster {
namespace {

using Contents = std::map<std::string, std::string>;
using Result = std::vector<std::byte>;

constexpr PartitionNumber kPartitions = 4;

DatabaseOptions in_partitions(DatabaseOptions options) {
  options.partitions = kPartitions;
  return options;
}

/// A table whose partition i has the keys "0..." to "3...", and the procedures of the tests.
struct Fixture {
  Fixture() : Fixture(in_partitions(memory_database({}))) {}
  explicit Fixture(DatabaseOptions options) {
    if (options.directory.empty()) options.directory = directory.path();
    database = Database::open(options);
    table = database->create_table("t", table_under_test());
    database->partition_by_range(table, {"1", "2", "3"});
  }
  std::unique_ptr<Session> attach(CommitPolicy policy = CommitPolicy::durable,
                                  Isolation level = Isolation::serial) {
    return database->attach(policy, level);
  }
  /// A procedure whose arguments are keys of one byte each. It names the partitions of these keys.
  void add(std::string_view name, std::function<Status(Session&)> run) {
    database->register_procedure(name,
                                 {.partitions =
                                      [this](Bytes keys, PartitionSet& touched) {
                                        for (std::size_t i = 0; i < keys.size(); ++i)
                                          touched.add(table, keys.subspan(i, 1));
                                      },
                                  .run = [run](Session& session, Bytes, Result&) { return run(session); }});
  }
  /// A procedure "slow" that stays inside until it is let go, and then writes the key.
  struct Slow {
    std::atomic<bool> let_go{false}, inside{false};
  };
  void add_slow(Slow& slow, const char* key) {
    add("slow", [this, &slow, key](Session& session) {
      slow.inside.store(true);
      comes_true([&] { return slow.let_go.load(); });
      return put(session, key, "slow");
    });
  }
  Status put(Session& session, std::string_view key, std::string_view value) const {
    const Status status = session.update(table, as_bytes(key), as_bytes(value));
    return status == Status::not_found ? session.insert(table, as_bytes(key), as_bytes(value)) : status;
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  TableId table = 0;
  Result result;
};

/// A call in a thread of its own.
class Calling {
 public:
  Calling(Session& session, std::string procedure, std::string arguments)
      : thread_([this, &session, procedure = std::move(procedure), arguments = std::move(arguments)] {
          Result result;
          status_ = session.call(procedure, as_bytes(arguments), result);
          returned_.store(true, std::memory_order_release);  // publishes status_
        }) {}
  ~Calling() { static_cast<void>(join()); }
  bool returned() const { return returned_.load(std::memory_order_acquire); }
  Status join() {
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  Status status_ = Status::not_found;
  std::atomic<bool> returned_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("Serial: a procedure's changes are committed, and its result comes back") {
  Fixture f;
  f.database->register_procedure("echo", {.partitions = [&](Bytes, PartitionSet& touched) { touched.add(0); },
                                          .run =
                                              [&](Session& session, Bytes arguments, Result& result) {
                                                result.assign(arguments.begin(), arguments.end());
                                                return f.put(session, "0a", "1");
                                              }});
  {
    const auto session = f.attach();
    f.result = Result(3);
    CHECK(session->call("echo", as_bytes("hello"), f.result) == Status::ok);
    CHECK(as_text(f.result) == "hello");
    CHECK(session->call("echo", as_bytes(""), f.result) == Status::ok);
    CHECK(f.result.empty());
  }
  CHECK(contents(*f.database, f.table) == Contents{{"0a", "1"}});
}

TEST_CASE("Serial: two procedures of different partitions run at once") {
  Fixture f;
  std::atomic<int> inside{0};
  std::atomic<bool> met{true};
  f.add("meet", [&](Session&) {
    inside.fetch_add(1);
    if (!comes_true([&] { return inside.load() == 2; })) met.store(false);
    return Status::ok;
  });
  const auto a = f.attach(), b = f.attach();
  Calling first(*a, "meet", "0"), second(*b, "meet", "1");
  CHECK(first.join() == Status::ok);
  CHECK(second.join() == Status::ok);
  CHECK(met.load());
}

TEST_CASE("Serial: a slow procedure stalls its own partitions, and no other") {
  Fixture f;
  Fixture::Slow procedure;
  f.add_slow(procedure, "0");
  f.add("fast", [&](Session&) { return Status::ok; });
  const auto a = f.attach(), b = f.attach(), c = f.attach();
  Calling slow(*a, "slow", "0");
  CHECK(comes_true([&] { return procedure.inside.load(); }));
  for (int i = 0; i < 100; ++i) CHECK(c->call("fast", as_bytes("123"), f.result) == Status::ok);
  Calling same(*b, "fast", "10");
  CHECK(comes_true([&] { return b->waits(); }));
  CHECK(!a->waits());
  // Partitions are taken in rising order: what waits for 0 has not taken 1.
  CHECK(c->call("fast", as_bytes("1"), f.result) == Status::ok);
  CHECK(!same.returned());
  procedure.let_go.store(true);
  CHECK(slow.join() == Status::ok);
  CHECK(same.join() == Status::ok);
}

TEST_CASE("Serial: an interactive transaction waits until it is alone, and procedures wait for it") {
  Fixture f;
  Fixture::Slow procedure;
  f.add_slow(procedure, "3");
  f.add("fast", [&](Session& session) { return f.put(session, "0", "fast"); });
  const auto a = f.attach(), b = f.attach(), c = f.attach();
  Calling slow(*a, "slow", "3");
  CHECK(comes_true([&] { return procedure.inside.load(); }));
  std::atomic<bool> begun{false}, ends{false};
  std::string seen;
  std::thread interactive([&] {
    b->begin();
    begun.store(true);
    seen = read_text(*b, f.table, "3").value_or("nothing");
    comes_true([&] { return ends.load(); });
    b->commit();
  });
  CHECK(comes_true([&] { return b->waits(); }));
  CHECK(!begun.load());
  procedure.let_go.store(true);
  CHECK(comes_true([&] { return begun.load(); }));
  Calling fast(*c, "fast", "0");
  CHECK(comes_true([&] { return c->waits(); }));
  ends.store(true);
  interactive.join();
  CHECK(seen == "slow");
  CHECK(fast.join() == Status::ok);
  CHECK(slow.join() == Status::ok);
}

TEST_CASE("Serial: a transaction that does not wait is refused at its first operation") {
  Fixture f;
  const auto a = f.attach(), b = f.attach();
  a->begin();
  CHECK(a->insert(f.table, as_bytes("0"), as_bytes("1")) == Status::ok);
  b->begin_without_waiting();
  CHECK(b->read(f.table, as_bytes("3"), f.result) == Status::deadlock);
  CHECK_THROWS_AS(b->commit(), std::logic_error);
  a->commit();
  b->begin_without_waiting();
  CHECK(b->read(f.table, as_bytes("0"), f.result) == Status::ok);
  b->commit();
}

TEST_CASE("Serial: a key of a partition that was not named is refused, and all is rolled back") {
  Fixture f;
  f.add("astray", [&](Session& session) {
    if (f.put(session, "0", "1") != Status::ok) return Status::conflict;
    return f.put(session, "1", "1");
  });
  f.add("stubborn", [&](Session& session) {
    static_cast<void>(f.put(session, "0", "1"));
    for (int i = 0; i < 2; ++i) {
      try {
        static_cast<void>(f.put(session, "1", "1"));
      } catch (const std::exception&) {}
    }
    return Status::ok;
  });
  {
    const auto session = f.attach();
    for (const char* procedure : {"astray", "stubborn"}) {
      try {
        static_cast<void>(session->call(procedure, as_bytes("0"), f.result));
        FAIL("not refused");
      } catch (const ConfigError& error) {
        CHECK(std::string(error.what()) ==
              "partition = 1: want one that the procedure named, for key 31 of table " +
                  std::to_string(f.table));
      }
    }
    CHECK(session->call("astray", as_bytes("10"), f.result) == Status::ok);  // it goes on
  }
  CHECK(contents(*f.database, f.table) == Contents{{"0", "1"}, {"1", "1"}});
}

TEST_CASE("Serial: a scan needs the partitions of all that lies between its keys") {
  Fixture f;
  const TableId hashed = f.database->create_table("hashed", table_under_test());
  TableId table = f.table;
  std::size_t met_max = 100;
  f.add("fill", [&](Session& session) {
    for (const char* key : {"0", "1", "3"}) {
      if (f.put(session, key, "v") != Status::ok) return Status::conflict;
    }
    return Status::ok;
  });
  f.database->register_procedure("count", {.partitions =
                                               [&](Bytes digits, PartitionSet& touched) {
                                                 for (const std::byte digit : digits)
                                                   touched.add(static_cast<PartitionNumber>(digit) - '0');
                                               },
                                           .run =
                                               [&](Session& session, Bytes, Result& result) {
                                                 return session.scan(table, {}, [&](Bytes key, Bytes) {
                                                   result.insert(result.end(), key.begin(), key.end());
                                                   return result.size() < met_max;
                                                 });
                                               }});
  const auto session = f.attach();
  const auto count = [&](const char* partitions) {
    const Status status = session->call("count", as_bytes(partitions), f.result);
    return status == Status::ok ? as_text(f.result) : "nothing";
  };
  REQUIRE(session->call("fill", as_bytes("013"), f.result) == Status::ok);
  CHECK(count("0123") == "013");
  CHECK_THROWS_AS(count("013"), ConfigError);  // another session may insert a "2" meanwhile
  CHECK_THROWS_AS(count("012"), ConfigError);
  met_max = 2;
  CHECK(count("01") == "01");
  CHECK_THROWS_AS(count("0"), ConfigError);
  table = hashed;
  CHECK(count("0123").empty());
  CHECK_THROWS_AS(count("012"), ConfigError);
}

TEST_CASE("Serial: what a procedure throws rolls it back and reaches the caller, and so does a status") {
  Fixture f;
  f.add("throws", [&](Session& session) -> Status {
    static_cast<void>(f.put(session, "0", "thrown"));
    throw std::domain_error("no such room");
  });
  f.add("declines", [&](Session& session) {
    static_cast<void>(f.put(session, "0", "declined"));
    return Status::not_found;
  });
  f.add("ends", [&](Session& session) {
    static_cast<void>(f.put(session, "0", "ended"));
    session.commit();
    return Status::ok;
  });
  f.add("calls", [&](Session& session) {
    Result inner;
    return session.call("declines", as_bytes("0"), inner);
  });
  for (const Isolation level : {Isolation::serial, Isolation::two_phase_locking}) {
    const auto session = f.attach(CommitPolicy::durable, level);
    CHECK_THROWS_AS(session->call("throws", as_bytes("0"), f.result), std::domain_error);
    CHECK(session->call("declines", as_bytes("0"), f.result) == Status::not_found);
    CHECK_THROWS_AS(session->call("ends", as_bytes("0"), f.result), std::logic_error);
    CHECK_THROWS_AS(session->call("calls", as_bytes("0"), f.result), std::logic_error);
    CHECK(!session->waits());
    session->begin();
    CHECK(scan_all(*session, f.table).empty());
    session->commit();
  }
}

TEST_CASE("Serial: bad requests are refused in a line, and nothing has begun") {
  Fixture f;
  const auto nothing = [](Session&, Bytes, Result&) { return Status::ok; };
  const auto everywhere = [](Bytes, PartitionSet& touched) { touched.add(kPartitions); };
  f.database->register_procedure("nowhere", {.partitions = everywhere, .run = nothing});
  CHECK_THROWS_AS(f.database->register_procedure("nowhere", {.partitions = everywhere, .run = nothing}),
                  ConfigError);
  CHECK_THROWS_AS(f.database->register_procedure("half", {.partitions = everywhere, .run = {}}), ConfigError);
  CHECK_THROWS_AS(f.database->partition_by_range(f.table, {"b", "a"}), ConfigError);
  CHECK_THROWS_AS(f.database->partition_by_range(f.table, {"a", "b", "c", "d"}), ConfigError);
  CHECK_THROWS_AS(f.database->partition_by_range(99, {"a"}), ConfigError);
  const auto session = f.attach();
  CHECK_THROWS_AS(f.database->partition_by_range(f.table, {"a"}), std::logic_error);
  CHECK_THROWS_AS(session->call("unknown", {}, f.result), ConfigError);
  try {
    static_cast<void>(session->call("nowhere", {}, f.result));
    FAIL("not refused");
  } catch (const ConfigError& error) {
    CHECK(std::string(error.what()) == "partition = 4: want 0 to 3 (engine.partitions)");
  }
  session->begin();  // nothing was left behind
  CHECK_THROWS_AS(session->call("nowhere", {}, f.result), std::logic_error);
  session->commit();
  // No other level runs beside serial, which takes no locks.
  CHECK_THROWS_AS(f.attach(CommitPolicy::durable, Isolation::two_phase_locking), ConfigError);
  TemporaryDirectory other;
  for (const PartitionNumber partitions : {PartitionNumber{0}, kPartitionsMax + 1}) {
    DatabaseOptions options = memory_database(other.path());
    options.partitions = partitions;
    CHECK_THROWS_AS(Database::open(options), ConfigError);
  }
}

TEST_CASE(
    "Serial: a partition is free when the commit is durable, or, released early, what it showed is waited "
    "for") {
  const bool early = GENERATE(false, true);
  Gate gate;
  DatabaseOptions options = in_partitions(small_database({}));
  options.early_lock_release = early;
  options.make_log_device = [&](const LogOptions& log, Lsn begin) {
    return std::make_unique<GatedLogDevice>(make_holding_device(log, begin), gate);
  };
  Fixture f(options);
  f.add("write", [&](Session& session) { return f.put(session, "0", "1"); });
  std::atomic<bool> read{false};
  f.add("read", [&](Session& session) {
    read.store(read_text(session, f.table, "0") == "1");
    return Status::ok;
  });
  const auto writer = f.attach(CommitPolicy::pipelined), reader = f.attach();
  gate.close();
  CHECK(writer->call("write", as_bytes("0"), f.result) == Status::ok);
  {
    Calling reading(*reader, "read", "0");
    CHECK(comes_true([&] { return early ? read.load() : reader->waits(); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    CHECK(!reading.returned());
    CHECK(read.load() == early);
    gate.open();
    CHECK(reading.join() == Status::ok);
  }
  CHECK(read.load());
}

TEST_CASE(
    "Serial: transfers by procedures keep the sum, whatever the policy, and a kill loses none that was "
    "committed") {
  const CommitPolicy policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  const bool early = GENERATE(false, true);
  DatabaseOptions options = in_partitions(small_database({}));
  options.early_lock_release = early;
  Fixture f(options);
  constexpr int kAccounts = 40, kThreads = 3, kTransfers = 300;
  const auto account = [](std::uint64_t i) { return std::to_string(i % kPartitions) + "/" + key_of(i); };
  struct Transfer {
    std::uint64_t from, to;
  };
  const auto transfer_of = [](Bytes arguments) {
    Transfer transfer;
    std::memcpy(&transfer, arguments.data(), sizeof transfer);
    return transfer;
  };
  f.database->register_procedure(
      "transfer",
      {.partitions =
           [&](Bytes arguments, PartitionSet& touched) {
             const Transfer transfer = transfer_of(arguments);
             touched.add(f.table, as_bytes(account(transfer.from)));
             touched.add(f.table, as_bytes(account(transfer.to)));
           },
       .run =
           [&](Session& session, Bytes arguments, Result& value) {
             const Transfer transfer = transfer_of(arguments);
             for (const auto& [number, change] : {std::pair(transfer.from, -1), std::pair(transfer.to, 1)}) {
               const std::string key = account(number);
               if (session.read(f.table, as_bytes(key), value) != Status::ok) return Status::conflict;
               const std::string amount = std::to_string(std::stoi(as_text(value)) + change);
               // Ghosts come and go, too.
               if (session.remove(f.table, as_bytes(key)) != Status::ok ||
                   session.insert(f.table, as_bytes(key), as_bytes(amount)) != Status::ok)
                 return Status::conflict;
             }
             return transfer.from % 10 == 0 ? Status::not_found : Status::ok;  // rolled back
           }});
  {
    const auto session = f.attach();
    session->begin();
    for (int i = 0; i < kAccounts; ++i) {
      REQUIRE(session->insert(f.table, as_bytes(account(static_cast<std::uint64_t>(i))), as_bytes("1000")) ==
              Status::ok);
    }
    session->commit();
  }
  std::atomic<int> wrong_sums{0}, unexpected{0}, committed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937_64 random(static_cast<std::uint64_t>(t));
      const auto session = f.attach(policy);
      Result result;
      for (int i = 0; i < kTransfers; ++i) {
        if (i % 40 == 0) {
          session->begin();
          int sum = 0;
          for (const auto& [key, amount] : scan_all(*session, f.table)) sum += std::stoi(amount);
          if (sum != 1000 * kAccounts) wrong_sums.fetch_add(1);
          session->commit();
        }
        const Transfer transfer{random() % kAccounts, random() % kAccounts};
        const Status status = session->call("transfer", std::as_bytes(std::span(&transfer, 1)), result);
        if (status == Status::ok) committed.fetch_add(1);
        if (status != (transfer.from % 10 == 0 ? Status::not_found : Status::ok)) unexpected.fetch_add(1);
      }
      session->wait_for_acknowledgements();
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong_sums.load() == 0);
  CHECK(unexpected.load() == 0);
  CHECK(committed.load() > 0);
  f.database->check();
  f.database->log().flush(f.database->log().reserved());
  const Contents before = contents(*f.database, f.table);
  int sum = 0;
  for (const auto& [key, amount] : before) sum += std::stoi(amount);
  CHECK(sum == 1000 * kAccounts);
  const Killed killed(f.directory.path());
  CHECK(contents(*killed.open(), "t") == before);
}

TEST_CASE("Serial: ghosts go when their session has the partition again") {
  if (table_under_test() != TableKind::btree) return;  // compactions take ghosts away there
  Fixture f(in_partitions(small_database({})));
  constexpr int kRecords = 200;
  const auto key = [](int i) { return std::string("0").append(key_of(static_cast<std::uint64_t>(i))); };
  f.add("fill", [&](Session& session) {
    Status status = Status::ok;
    for (int i = 0; i < kRecords && status == Status::ok; ++i) status = f.put(session, key(i), "x");
    return status;
  });
  f.add("empty", [&](Session& session) {
    Status status = Status::ok;
    for (int i = 0; i < kRecords && status == Status::ok; ++i)
      status = session.remove(f.table, as_bytes(key(i)));
    return status;
  });
  f.add("nothing", [](Session&) { return Status::ok; });
  const auto session = f.attach();
  const Lsn begin = f.database->log().reserved();
  const auto reclaims = [&] {
    f.database->log().flush(f.database->log().reserved());
    LogReader reader(f.directory.path() / "log", begin);
    std::size_t found = 0;
    while (const auto record = reader.next()) found += record->type == RecordType::reclaim ? 1 : 0;
    return found;
  };
  REQUIRE(session->call("fill", as_bytes("0"), f.result) == Status::ok);
  REQUIRE(session->call("empty", as_bytes("0"), f.result) == Status::ok);
  CHECK(reclaims() == 0);
  REQUIRE(session->call("nothing", as_bytes("0"), f.result) == Status::ok);
  CHECK(reclaims() > 0);
}

}  // namespace muster
