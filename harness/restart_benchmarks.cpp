#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "engine/database.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "harness/doomed_process.h"
#include "harness/run_directory.h"
#include "workloads/random.h"
#include "workloads/ycsb_value.h"

// How long a restart takes: a process loads a table, takes a checkpoint and updates records until the log has grown by so much.
// Then it is killed with SIGKILL, and the opening of the database is timed.

namespace muster {
namespace {

constexpr std::uint64_t kRecords = 50'000;
constexpr std::size_t kValueBytes = 100;
constexpr int kBatch = 16;  // changes a transaction
constexpr std::size_t kMemtableBytes = std::size_t{1} << 20;

DatabaseOptions options_in(const std::filesystem::path& directory) {
  DatabaseOptions options;
  options.directory = directory;
  options.log_buffer.max_workers = 2;
  options.log.segment_bytes = std::uint64_t{1} << 20;
  options.checkpoint_bytes = 0;  // but for those that this file asks for
  options.lsm.memtable_bytes = kMemtableBytes;
  return options;
}

void require(Status status) {
  if (status != Status::ok) throw std::runtime_error("a record is not as the load left it");
}

void load(Database& database, TableId table, Session& session) {
  const std::vector<std::byte> value(kValueBytes);
  for (std::uint64_t number = 0; number < kRecords;) {
    session.begin();
    for (int i = 0; i < kBatch && number < kRecords; ++i, ++number)
      require(session.insert(table, ycsb_key(number), value));
    session.commit();
  }
  database.checkpoint();
}

/// Returns when the log has grown by `log_bytes` and is durable.
void update(Database& database, TableId table, Session& session, std::uint64_t log_bytes) {
  Random random(1, 1);
  std::vector<std::byte> value(kValueBytes);
  for (const Lsn end = database.log().reserved() + log_bytes; database.log().reserved() < end;) {
    session.begin();
    for (int i = 0; i < kBatch; ++i) {
      value[0] = static_cast<std::byte>(random.next());
      require(session.update(table, ycsb_key(random.below(kRecords)), value));
    }
    session.commit();
  }
  database.log().flush(database.log().reserved());
}

/// In a process of its own. Says by a byte that it is ready to be killed.
[[noreturn]] void work(const std::filesystem::path& directory, TableKind kind, std::uint64_t log_bytes,
                       int ready) {
  const auto database = Database::open(options_in(directory));
  const TableId table = database->create_table("t", kind);
  const auto session = database->attach(CommitPolicy::async);
  load(*database, table, *session);
  update(*database, table, *session, log_bytes);
  if (write(ready, "!", 1) != 1) throw std::runtime_error("the pipe is closed");
  for (;;) pause();
}

void kill_behind_updates(const std::filesystem::path& directory, TableKind kind, std::uint64_t log_bytes) {
  std::array<int, 2> ready{};
  if (pipe(ready.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t process = start_doomed("restart", [&] { work(directory, kind, log_bytes, ready[1]); });
  close(ready[1]);
  char byte = 0;
  const bool is_ready = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  ::kill(process, SIGKILL);
  int status = 0;
  waitpid(process, &status, 0);
  if (!is_ready) throw std::runtime_error("the process ended before it had made its changes");
}

class Report final : public RestartObserver {
 public:
  void progress(const RestartProgress&) override {}
  void finished(const RestartStatistics& statistics) override { found = statistics; }
  RestartStatistics found;
};

void restart(benchmark::State& state, TableKind kind, std::uint64_t log_bytes) {
  for ([[maybe_unused]] auto _ : state) {
    const RunDirectory directory(benchmark_directory(), false);
    kill_behind_updates(directory.database(), kind, log_bytes);
    Report report;
    DatabaseOptions options = options_in(directory.database());
    options.restart_observer = &report;
    const auto begin = std::chrono::steady_clock::now();
    const auto database = Database::open(options);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    state.counters["restart_ms"] = took.count();
    state.counters["redone"] = static_cast<double>(report.found.redone);
    state.counters["log_read_bytes"] = static_cast<double>(report.found.log_bytes_read);
    database->close();
  }
}

}  // namespace

void register_restart_benchmarks() {
  for (const TableKind kind : {TableKind::btree, TableKind::lsm}) {
    for (const std::uint64_t mebibytes : {1u, 4u, 16u}) {
      benchmark::RegisterBenchmark(
          fmt::format("restart/{}/log_mebibytes:{}", name_of(kind), mebibytes).c_str(),
          [kind, mebibytes](benchmark::State& state) { restart(state, kind, mebibytes << 20); })
          ->Iterations(1)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
    }
  }
}

}  // namespace muster
