#include <atomic>
#include <numeric>
#include <thread>

#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"

namespace muster {
namespace {

struct CountedCommit : PendingCommit {
  std::atomic<int> acknowledged{0};
  std::atomic<int> refused{0};
  CountedCommit() {
    acknowledge = [](PendingCommit& commit, bool durable) noexcept {
      auto& self = static_cast<CountedCommit&>(commit);
      ++(durable ? self.acknowledged : self.refused);
    };
  }
};

constexpr std::uint32_t kWorkers = 4;
constexpr int kCommits = 200;

/// Commits from several threads; returns how many found themselves not durable afterwards.
int commit_from_threads(LogManager& log, CommitPolicy policy) {
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < kWorkers; ++t) {
    threads.emplace_back([&, t] {
      const WorkerId worker = log.attach();
      std::vector<CountedCommit> pending(kCommits);
      Lsn last = 0;
      for (int i = 0; i < kCommits; ++i) {
        const TransactionId transaction = 1 + t * kCommits + static_cast<std::uint32_t>(i);
        const LogPosition commit = append_transaction(log, worker, transaction);
        last = commit.end;
        switch (policy) {
          case CommitPolicy::durable:
          case CommitPolicy::group:
          case CommitPolicy::queued_group:
            log.wait_for_commit(worker, commit.end, policy);
            if (log.durable() < commit.end) ++wrong;
            break;
          case CommitPolicy::pipelined:
            pending[static_cast<std::size_t>(i)].end = commit.end;
            log.acknowledge_later(worker, pending[static_cast<std::size_t>(i)]);
            break;
          case CommitPolicy::async:
            break;
        }
      }
      if (policy == CommitPolicy::pipelined) {
        log.wait_for_acknowledgements(worker);
        if (log.durable() < last) ++wrong;
        for (const CountedCommit& commit : pending) {
          if (commit.acknowledged != 1 || commit.refused != 0) ++wrong;
        }
      }
      log.detach(worker);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return wrong;
}

}  // namespace

TEST_CASE("Commit policies: every acknowledged commit is in the log, with every safe algorithm") {
  for (const std::string& algorithm : safe_algorithms()) {
    for (const auto policy :
         {CommitPolicy::durable, CommitPolicy::group, CommitPolicy::pipelined, CommitPolicy::async}) {
      CAPTURE(algorithm, static_cast<int>(policy));
      TemporaryDirectory directory;
      {
        LogOptions options = file_log(directory.path(), 64 << 10);
        options.group_commits = 3;
        LogManager log(options, algorithm, small_ring(kWorkers));
        CHECK(commit_from_threads(log, policy) == 0);
        if (policy != CommitPolicy::async) CHECK(log.statistics().commits == kWorkers * kCommits);
      }
      FoundLog found = read_log(directory.path());
      CHECK(found.end.kind == LogEnd::Kind::clean);
      std::sort(found.committed.begin(), found.committed.end());
      std::vector<TransactionId> all(kWorkers * kCommits);
      std::iota(all.begin(), all.end(), 1);
      CHECK(found.committed == all);
    }
  }
}

}  // namespace muster
