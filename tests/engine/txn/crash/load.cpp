#include "tests/engine/txn/crash/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/engine/txn/crash/crash_testing.h"
#include "tests/engine/txn/log_devices.h"

namespace muster::crash {
namespace {

using Random = std::mt19937_64;

constexpr std::uint32_t kMembersMax = 6;
constexpr std::string_view kTable = "groups";
constexpr char kAborted = '!';  // the first byte of whatever an aborted transaction writes

Bytes bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
std::string text(Bytes from) {
  return {reinterpret_cast<const char*>(from.data()), from.size()};
}

std::string counter_key(std::uint32_t group) {
  return fmt::format("{:06}/counter", group);
}
std::string member_key(std::uint32_t group, std::uint32_t member) {
  return fmt::format("{:06}/{}", group, member);
}

/// What a member holds at a version; empty: it is not there.
std::string member_value(std::uint32_t group, std::uint32_t member, std::uint64_t version) {
  Random random(version * 1'000'003 + group * kMembersMax + member);
  if (member >= 1 + group % kMembersMax || random() % 4 == 0) return {};
  return fmt::format("{}.{}.{}.{}", group, member, version, std::string(random() % 300, 'v'));
}

/// A counter's content: where the group is and with which other group it got there.
struct Counter {
  std::uint64_t version = 0;
  std::uint32_t other_group = 0;
  std::uint64_t other_version = 0;

  std::string to_text() const { return fmt::format("{} {} {}", version, other_group, other_version); }
  static Counter parse(const std::string& from) {
    Counter counter;
    unsigned long long version = 0, other_version = 0;
    if (std::sscanf(from.c_str(), "%llu %u %llu", &version, &counter.other_group, &other_version) != 3) {
      throw std::runtime_error("a counter holds " + from);
    }
    counter.version = version;
    counter.other_version = other_version;
    return counter;
  }
};

void send(int descriptor, const Report& report) {
  write_at_once(descriptor, &report, sizeof report);
}

/// What an acknowledgement needs after the transaction is gone.
struct Acknowledgement {
  int descriptor = -1;
  Report report;
  std::atomic<bool> free{true};
};

void on_acknowledged(void* context) noexcept {
  auto* acknowledgement = static_cast<Acknowledgement*>(context);
  send(acknowledgement->descriptor, acknowledgement->report);
  acknowledgement->free.store(true, std::memory_order_release);  // pairs with Worker::acknowledgement()
}

/// Forgets, when the process is killed, what was not synced; planted: everything until the ring has wrapped.
std::unique_ptr<LogDevice> make_device(const LogOptions& log, Lsn begin, Plant plant) {
  class Unsynced : public LogDevice {
   public:
    explicit Unsynced(std::unique_ptr<LogDevice> device) : device_(std::move(device)) {}
    Lsn start() const override { return device_->start(); }
    std::uint64_t incarnation() const override { return device_->incarnation(); }
    void write(Lsn from, Bytes what) override { device_->write(from, what); }
    void sync() override {
      if (++calls_ % 64 == 0) device_->sync();
    }
    void remove_below(Lsn lsn) override { device_->remove_below(lsn); }

   private:
    std::unique_ptr<LogDevice> device_;
    std::uint64_t calls_ = 0;
  };
  auto device = make_holding_device(log, begin);
  if (plant == Plant::skipped_sync) return std::make_unique<Unsynced>(std::move(device));
  return device;
}

class Worker {
 public:
  Worker(Database& database, TableId table, const LoadOptions& options, std::uint32_t number, int descriptor)
      : options_(options),
        table_(table),
        descriptor_(descriptor),
        random_(options.seed * 1000 + number),
        session_(database.attach(options.policy)) {}

  void run() {
    for (;;) {
      const auto first = static_cast<std::uint32_t>(random_() % kGroups);
      // Often two groups, often the same ones as others: deadlocks happen.
      const auto second = random_() % 2 == 0 ? first : static_cast<std::uint32_t>(random_() % (kGroups / 20));
      transaction(first, second, random_() % 10 == 0);
    }
  }

 private:
  /// Whether it is still there: not after a deadlock.
  bool transaction(std::uint32_t first, std::uint32_t second, bool aborting) {
    session_->begin();
    Counter a, b;
    if (!read(first, a) || (second != first && !read(second, b))) return false;
    ++a.version;
    if (second != first) ++b.version;
    if (!advance(first, {a.version, second, second != first ? b.version : a.version}, aborting)) return false;
    if (second != first && !advance(second, {b.version, first, a.version}, aborting)) return false;
    if (aborting) {
      session_->abort();
      return true;
    }
    Report report{Report::began, first, a.version, second, 0, second != first ? b.version : a.version};
    send(descriptor_, report);
    report.kind = Report::acknowledged;
    Acknowledgement& acknowledgement = next_acknowledgement();
    acknowledgement.descriptor = descriptor_;
    acknowledgement.report = report;
    if (options_.plant == Plant::early_acknowledgement) send(descriptor_, report);
    session_->commit(on_acknowledged, &acknowledgement);
    return true;
  }

  bool read(std::uint32_t group, Counter& counter) {
    const Status status = session_->read_for_update(table_, bytes(counter_key(group)), value_);
    if (was_rolled_back(status)) return false;
    if (status == Status::ok) counter = Counter::parse(text(value_));
    return true;
  }

  bool advance(std::uint32_t group, const Counter& next, bool aborting) {
    const std::string mark = aborting ? std::string(1, kAborted) : std::string();
    for (std::uint32_t member = 0; member < kMembersMax; ++member) {
      if (!put(member_key(group, member), member_value(group, member, next.version), mark)) return false;
    }
    return put(counter_key(group), next.to_text(), mark);
  }

  bool put(const std::string& key, const std::string& value, const std::string& mark) {
    Status status;
    if (value.empty()) {
      status = session_->remove(table_, bytes(key));
    } else {
      const std::string marked = mark + value;
      status = session_->update(table_, bytes(key), bytes(marked));
      if (status == Status::not_found) status = session_->insert(table_, bytes(key), bytes(marked));
    }
    return !was_rolled_back(status);
  }

  Acknowledgement& next_acknowledgement() {
    for (Acknowledgement& candidate : acknowledgements_) {
      if (candidate.free.exchange(false, std::memory_order_acquire)) return candidate;  // on_acknowledged()
    }
    session_->wait_for_acknowledgements();
    return next_acknowledgement();
  }

  const LoadOptions& options_;
  const TableId table_;
  const int descriptor_;
  Random random_;
  std::unique_ptr<Session> session_;
  std::vector<std::byte> value_;
  std::array<Acknowledgement, 64> acknowledgements_;
};

}  // namespace

DatabaseOptions database_options(const LoadOptions& options) {
  DatabaseOptions database =
      small_database(options.directory, options.algorithm, options.threads, options.early_lock_release);
  database.make_log_device = [plant = options.plant](const LogOptions& log, Lsn begin) {
    return make_device(log, begin, plant);
  };
  return database;
}

int run_load(const LoadOptions& options, int descriptor) {
  const auto database = Database::open(database_options(options));
  const auto found = database->find_table(kTable);
  const TableId table = found ? *found : database->create_table(kTable, options.table);
  std::vector<std::thread> threads;
  for (std::uint32_t number = 0; number < options.threads; ++number) {
    threads.emplace_back([&, number] { Worker(*database, table, options, number, descriptor).run(); });
  }
  for (auto& thread : threads) thread.join();
  return 0;
}

int verify(const LoadOptions& options, int descriptor) {
  const auto database = Database::open(database_options(options));
  const auto fail = [](const std::string& what) {
    fmt::print(stderr, "{}\n", what);
    return 1;
  };
  database->check();
  std::map<std::string, std::string> records;
  if (const auto table = database->find_table(kTable)) {
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    const Status status = session->scan(*table, {}, [&](Bytes key, Bytes value) {
      records.emplace(text(key), text(value));
      return true;
    });
    session->commit();
    if (status != Status::ok) return fail("the scan met a deadlock where no other transaction is");
  }
  for (const auto& [key, value] : records) {
    if (value.empty() || value.front() == kAborted)
      return fail(fmt::format("{} holds an aborted {}", key, value));
  }
  std::vector<Counter> counters(kGroups);
  for (std::uint32_t group = 0; group < kGroups; ++group) {
    const auto found = records.find(counter_key(group));
    if (found == records.end()) continue;
    counters[group] = Counter::parse(found->second);
    records.erase(found);
    for (std::uint32_t member = 0; member < kMembersMax; ++member) {
      const auto record = records.find(member_key(group, member));
      const std::string is = record == records.end() ? std::string() : record->second;
      const std::string should = member_value(group, member, counters[group].version);
      if (is != should) {
        return fail(fmt::format("group {} is at version {}, but member {} holds \"{}\" instead of \"{}\"",
                                group, counters[group].version, member, is, should));
      }
      if (record != records.end()) records.erase(record);
    }
  }
  if (!records.empty()) return fail(fmt::format("{} belongs to no group", records.begin()->first));
  for (std::uint32_t group = 0; group < kGroups; ++group) {
    const Counter& counter = counters[group];
    if (counter.version == 0) continue;
    if (counters.at(counter.other_group).version < counter.other_version) {
      return fail(fmt::format("group {} reached version {} together with group {} at {}, which is at {}",
                              group, counter.version, counter.other_group, counter.other_version,
                              counters[counter.other_group].version));
    }
    send(descriptor, {Report::found, group, counter.version, group, 0, counter.version});
  }
  send(descriptor, {Report::finished, 0, 0, 0, 0, 0});
  return 0;
}

}  // namespace muster::crash
