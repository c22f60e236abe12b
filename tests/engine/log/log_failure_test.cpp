#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "engine/io/faulty_log_device.h"
#include "engine/io/file_log_device.h"
#include "engine/io/memory_log_device.h"
#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"

namespace muster {
namespace {

struct FaultyLog {
  explicit FaultyLog(const Faults& faults, std::string_view algorithm = "border_collie") {
    auto owned = std::make_unique<FaultyLogDevice>(
        std::make_unique<MemoryLogDevice>(std::chrono::nanoseconds(0)), faults);
    device = owned.get();
    log = std::make_unique<LogManager>(memory_log(), algorithm, small_ring(8), std::move(owned));
  }
  FaultyLogDevice* device;
  std::unique_ptr<LogManager> log;
};

struct CommitCountedElsewhere : PendingCommit {
  std::atomic<int>* durable_count = nullptr;
  std::atomic<int>* refused_count = nullptr;
  CommitCountedElsewhere() {
    acknowledge = [](PendingCommit& commit, bool durable) noexcept {
      auto& self = static_cast<CommitCountedElsewhere&>(commit);
      ++*(durable ? self.durable_count : self.refused_count);
    };
  }
};

bool is_failure(const std::system_error& error, int code, std::string_view operation) {
  const std::string what = error.what();
  return error.code() == std::error_code(code, std::generic_category()) &&
         what.find("the log has failed") != std::string::npos && what.find(operation) != std::string::npos;
}

}  // namespace

TEST_CASE("A failed log: every waiting and later call gets the first error, and nobody hangs") {
  for (const std::string& algorithm : safe_algorithms()) {
    for (const auto policy : {CommitPolicy::durable, CommitPolicy::group, CommitPolicy::async}) {
      for (const bool sync : {false, true}) {
        CAPTURE(algorithm, static_cast<int>(policy), sync);
        const Faults faults{
            .write = sync ? 0u : 3u, .write_bytes = 9, .sync = sync ? 3u : 0u, .error = ENOSPC};
        FaultyLog faulty(faults, algorithm);
        std::atomic<int> failed{0};
        std::atomic<int> wrong{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 6; ++t) {
          threads.emplace_back([&] {
            const WorkerId worker = faulty.log->attach();
            try {
              for (TransactionId i = 1;; ++i) {  // far more than the ring holds: some wait for room
                const LogPosition commit = append_transaction(*faulty.log, worker, i, std::string(2000, 'v'));
                if (policy == CommitPolicy::async) continue;
                faulty.log->wait_for_commit(worker, commit.end, policy);
                if (faulty.log->durable() < commit.end) ++wrong;
              }
            } catch (const std::system_error& error) {
              ++failed;
              if (!is_failure(error, ENOSPC, sync ? "fdatasync (injected)" : "write (injected)")) ++wrong;
            }
            faulty.log->detach(worker);
          });
        }
        for (std::thread& thread : threads) thread.join();
        CHECK(failed == 6);
        CHECK(wrong == 0);
        const Lsn durable = faulty.log->durable();
        const WorkerId worker = faulty.log->attach();
        CHECK_THROWS_AS(faulty.log->append_mark(worker, 1, 0, RecordType::commit), std::system_error);
        CHECK_THROWS_AS(faulty.log->flush(faulty.log->reserved()), std::system_error);
        CHECK_NOTHROW(faulty.log->flush(durable));  // what is durable stays so
        faulty.log->detach(worker);
        CHECK(faulty.log->durable() == durable);
        // Never retried: the device has heard nothing since.
        CHECK(faulty.device->writes() == 3);
        CHECK(faulty.device->syncs() == (sync ? 3 : 2));
      }
    }
  }
}

TEST_CASE("A failed log: pipelined commits are refused, but for those that were durable before") {
  FaultyLog faulty({.sync = 4});
  std::atomic<int> durable{0};
  std::atomic<int> refused{0};
  int pushed = 0;
  const WorkerId worker = faulty.log->attach();
  std::vector<CommitCountedElsewhere> commits(100000);
  try {
    for (CommitCountedElsewhere& commit : commits) {
      commit.durable_count = &durable;
      commit.refused_count = &refused;
      commit.end = append_transaction(*faulty.log, worker, 1).end;
      faulty.log->acknowledge_later(worker, commit);
      ++pushed;
    }
  } catch (const std::system_error&) {}
  faulty.log->wait_for_acknowledgements(worker);
  CHECK(pushed < static_cast<int>(commits.size()));
  CHECK(durable + refused == pushed);
  int below = 0;
  for (int i = 0; i < pushed; ++i) {
    if (commits[static_cast<std::size_t>(i)].end <= faulty.log->durable()) ++below;
  }
  CHECK(durable == below);
  CHECK(refused > 0);
  faulty.log->detach(worker);
}

TEST_CASE(
    "A failed log: what was acknowledged before is in the file, and the rest of it opens as a torn log") {
  TemporaryDirectory directory;
  TransactionId acknowledged = 0;
  {
    auto device = std::make_unique<FaultyLogDevice>(
        std::make_unique<FileLogDevice>(lock_log(directory.path()), kFirstLsn, 1 << 20),
        Faults{.write = 6, .write_bytes = 50, .error = ENOSPC});
    LogManager log(file_log(directory.path()), "border_collie", small_ring(), std::move(device));
    const WorkerId worker = log.attach();
    try {
      for (TransactionId i = 1;; ++i) {
        log.wait_for_commit(worker, append_transaction(log, worker, i).end, CommitPolicy::durable);
        acknowledged = i;
      }
    } catch (const std::system_error&) {}
    log.detach(worker);
  }
  const FoundLog found = read_log(directory.path());
  CHECK(found.committed.size() == acknowledged);
  CHECK(found.end.kind == LogEnd::Kind::torn);
  LogManager again(file_log(directory.path()), "border_collie", small_ring());
  CHECK(again.start() == found.end.lsn);
}

TEST_CASE("A failed log: a segment that cannot be preallocated stops commits with the cause") {
  TemporaryDirectory directory;
  LogManager log(file_log(directory.path(), 64 << 10), "border_collie", small_ring());
  const WorkerId worker = log.attach();
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 64 << 10;  // what a full disk does, but for the code
  setrlimit(RLIMIT_FSIZE, &small);
  std::error_code code;
  TransactionId acknowledged = 0;
  try {
    for (TransactionId i = 1; i < 10000; ++i) {
      log.wait_for_commit(worker, append_transaction(log, worker, i, std::string(500, 'v')).end,
                          CommitPolicy::durable);
      acknowledged = i;
    }
  } catch (const std::system_error& error) {
    code = error.code();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(code == std::errc::file_too_large);
  log.detach(worker);
  CHECK(read_log(directory.path()).committed.size() >= acknowledged);
}

}  // namespace muster
