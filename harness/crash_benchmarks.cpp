#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/database.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "harness/doomed_process.h"
#include "harness/run_directory.h"

// What a crash costs: clients run transactions at a fixed rate, each on a record of its own, which counts them. Then the
// process is killed with SIGKILL, the database is opened again, and each record says how many of its client's
// transactions are there. Those that the client had finished, its commit being under way, and that are not there, are
// lost; the client has not been told of them yet.

namespace muster {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kClients = 128;
constexpr double kRate = 2000;  // transactions a second, of all clients
constexpr auto kGroupTimeout = 100ms;

/// What one client has done, in memory that outlives the process. Relaxed: the counts are read once the process has been
/// waited for, which orders all that it wrote before.
struct alignas(kCacheLine) Client {
  std::atomic<std::uint64_t> finished;      // transactions of which commit was called
  std::atomic<std::uint64_t> acknowledged;  // and has returned
};
struct Shared {
  std::atomic<bool> loaded;  // relaxed: when to start the clock, no more
  std::array<Client, kClients> clients;
};

/// Zeros, shared with the processes that this one makes.
class SharedMemory {
 public:
  SharedMemory()
      : at_(mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (at_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { munmap(at_, sizeof(Shared)); }
  Shared& operator*() const { return *static_cast<Shared*>(at_); }
  Shared* operator->() const { return static_cast<Shared*>(at_); }

 private:
  void* const at_;
};

struct Setting {
  std::string policy_name;
  CommitPolicy policy = CommitPolicy::durable;
  std::uint32_t group = 1;
};

DatabaseOptions database_options(const Setting& setting, const std::filesystem::path& directory) {
  DatabaseOptions options;
  options.directory = directory;
  options.frames = 2048;
  options.log_buffer.max_workers = kClients + 2;
  options.log.group_commits = setting.group;
  options.log.group_timeout = kGroupTimeout;
  return options;
}

Bytes bytes_of(const std::uint64_t& number) {
  return std::as_bytes(std::span(&number, 1));
}

/// In the process that is to be killed: what ends otherwise is found out there.
void require(Status status) {
  if (status != Status::ok) throw std::runtime_error("a client's record is not there");
}

void run_client(Database& database, TableId table, CommitPolicy policy, std::uint64_t number,
                Client& client) {
  const auto session = database.attach(policy);
  std::mt19937_64 random(number);
  std::exponential_distribution<double> pause_s(kRate / kClients);
  for (std::uint64_t count = 1;; ++count) {
    std::this_thread::sleep_for(std::chrono::duration<double>(pause_s(random)));
    session->begin();
    require(session->update(table, bytes_of(number), bytes_of(count)));
    client.finished.store(count, std::memory_order_relaxed);
    session->commit();
    client.acknowledged.store(count, std::memory_order_relaxed);
  }
}

/// Until it is killed.
[[noreturn]] void run_clients(const Setting& setting, const std::filesystem::path& directory,
                              Shared& shared) {
  const auto database = Database::open(database_options(setting, directory));
  const TableId table = database->create_table("counts");
  {
    const auto session = database->attach(CommitPolicy::durable);
    session->begin();
    for (std::uint64_t number = 0; number < kClients; ++number)
      require(session->insert(table, bytes_of(number), bytes_of(0)));
    session->commit();
  }
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < kClients; ++number) {
    threads.emplace_back(
        [&, number] { run_client(*database, table, setting.policy, number, shared.clients[number]); });
  }
  shared.loaded.store(true, std::memory_order_relaxed);
  for (;;) pause();
}

void kill_at_work(const Setting& setting, const std::filesystem::path& directory, Shared& shared,
                  std::chrono::milliseconds time) {
  const pid_t process = start_doomed("crash", [&] { run_clients(setting, directory, shared); });
  int status = 0;
  while (!shared.loaded.load(std::memory_order_relaxed)) {
    if (waitpid(process, &status, WNOHANG) != 0) throw std::runtime_error("the database was not loaded");
    std::this_thread::sleep_for(1ms);
  }
  std::this_thread::sleep_for(time);
  ::kill(process, SIGKILL);
  waitpid(process, &status, 0);
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    throw std::runtime_error(fmt::format("the process that was to be killed has ended, status {}", status));
  }
}

/// How many finished transactions are not there after a restart. Throws where an acknowledged one is not.
std::uint64_t count_lost(const Setting& setting, const std::filesystem::path& directory,
                         const Shared& shared) {
  const auto database = Database::open(database_options(setting, directory));
  const TableId table = database->find_table("counts").value();
  const auto session = database->attach(CommitPolicy::durable);
  std::vector<std::byte> value;
  std::uint64_t lost = 0;
  session->begin();
  for (std::uint64_t number = 0; number < kClients; ++number) {
    std::uint64_t found = 0;
    if (session->read(table, bytes_of(number), value) == Status::ok)
      std::memcpy(&found, value.data(), sizeof found);
    const Client& client = shared.clients[number];
    if (found < client.acknowledged.load(std::memory_order_relaxed)) {
      throw std::runtime_error(fmt::format("client {}: an acknowledged transaction is lost", number));
    }
    lost += client.finished.load(std::memory_order_relaxed) - found;
  }
  session->commit();
  return lost;
}

/// The mean of a few kills at random moments, or a repetition would be all or nothing.
void crash(benchmark::State& state, const Setting& setting) {
  constexpr int kKills = 3;
  static std::mt19937_64 random(1);
  std::uint64_t lost = 0, finished = 0;
  for ([[maybe_unused]] auto _ : state) {
    for (int kill = 0; kill < kKills; ++kill) {
      const RunDirectory directory(benchmark_directory(), false);
      const SharedMemory shared;
      kill_at_work(setting, directory.database(), *shared, std::chrono::milliseconds(150 + random() % 100));
      lost += count_lost(setting, directory.database(), *shared);
      for (const Client& client : shared->clients)
        finished += client.finished.load(std::memory_order_relaxed);
    }
  }
  if (finished == 0) state.SkipWithError("no client finished a transaction");
  state.counters["lost"] = static_cast<double>(lost) / kKills;
  state.counters["finished"] = static_cast<double>(finished) / kKills;
}

}  // namespace

void register_crash_benchmarks() {
  const auto add = [](const Setting& setting) {
    benchmark::RegisterBenchmark(fmt::format("crash/{}/group:{}", setting.policy_name, setting.group).c_str(),
                                 [setting](benchmark::State& state) { crash(state, setting); })
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  };
  for (const std::uint32_t group : {1u, 4u, 16u, 64u}) {
    add({"group", CommitPolicy::group, group});
    add({"queued_group", CommitPolicy::queued_group, group});
  }
}

}  // namespace muster
