#include <atomic>
#include <thread>

#include "engine/error.h"
#include "engine/io/memory_log_device.h"
#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"
#include "tests/engine/log/recording_device.h"

namespace muster {
namespace {

using namespace std::chrono_literals;

/// A log over a device that notes its syncs. The latency lets commits meet.
struct RecordedLog {
  explicit RecordedLog(const LogOptions& options = memory_log(), std::uint32_t workers = 8,
                       std::chrono::nanoseconds latency = 100us) {
    auto owned = std::make_unique<RecordingDevice>(std::make_unique<MemoryLogDevice>(latency));
    device = owned.get();
    log = std::make_unique<LogManager>(options, "border_collie", small_ring(workers), std::move(owned));
  }
  RecordingDevice* device;
  std::unique_ptr<LogManager> log;
};

/// Checks, when it is acknowledged, that the device has synced it.
struct CheckedCommit : PendingCommit {
  const RecordingDevice* device = nullptr;
  std::atomic<int>* early = nullptr;
  std::atomic<int>* acknowledged = nullptr;
  std::atomic<Lsn>* last = nullptr;
  std::atomic<int>* disordered = nullptr;

  CheckedCommit() {
    acknowledge = [](PendingCommit& commit, bool durable) noexcept {
      auto& self = static_cast<CheckedCommit&>(commit);
      if (!durable || self.device->synced() < self.end) ++*self.early;
      if (self.last->exchange(self.end) >= self.end) ++*self.disordered;
      ++*self.acknowledged;
    };
  }
};

}  // namespace

TEST_CASE("Flusher: a commit that is waited for returns after the sync that covers it") {
  for (const auto policy : {CommitPolicy::durable, CommitPolicy::group}) {
    RecordedLog recorded;
    std::atomic<int> early{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t) {
      threads.emplace_back([&] {
        const WorkerId worker = recorded.log->attach();
        for (TransactionId i = 1; i <= 100; ++i) {
          const LogPosition commit = append_transaction(*recorded.log, worker, i);
          recorded.log->wait_for_commit(worker, commit.end, policy);
          if (recorded.device->synced() < commit.end) ++early;
        }
        recorded.log->detach(worker);
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(early == 0);
    CHECK_FALSE(recorded.device->out_of_order());
  }
}

TEST_CASE("Flusher: a pipelined commit is acknowledged once, in order, after the sync that covers it") {
  RecordedLog recorded;
  std::atomic<int> early{0};
  std::atomic<int> acknowledged{0};
  std::atomic<int> disordered{0};
  constexpr std::size_t kCommits = 5000;  // more than may be on the way
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      const WorkerId worker = recorded.log->attach();
      std::atomic<Lsn> last{0};
      std::vector<CheckedCommit> commits(kCommits);
      for (std::size_t i = 0; i < kCommits; ++i) {
        CheckedCommit& commit = commits[i];
        commit.device = recorded.device;
        commit.early = &early;
        commit.acknowledged = &acknowledged;
        commit.disordered = &disordered;
        commit.last = &last;
        commit.end = append_transaction(*recorded.log, worker, i + 1).end;
        recorded.log->acknowledge_later(worker, commit);
      }
      recorded.log->wait_for_acknowledgements(worker);
      recorded.log->detach(worker);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(early == 0);
  CHECK(disordered == 0);
  CHECK(acknowledged == 3 * static_cast<int>(kCommits));
  CHECK(recorded.log->statistics().commits == 3 * kCommits);
}

TEST_CASE("Flusher: a group's flush waits until the group is complete") {
  // The first of two waits; nothing is flushed until the second has come. Bytes that nobody waits for yet may meet
  // an idle flush, before the first begins to wait: then that attempt shows nothing, and another is made.
  LogOptions options = memory_log();
  options.group_commits = 2;
  options.group_timeout = 1h;
  RecordedLog recorded(options);
  bool waited = false;
  for (TransactionId attempt = 0; attempt < 20 && !waited; ++attempt) {
    std::atomic<Lsn> first_end{0};
    std::thread first([&] {
      const WorkerId worker = recorded.log->attach();
      const LogPosition commit = append_transaction(*recorded.log, worker, 2 * attempt + 1);
      first_end = commit.end;
      recorded.log->wait_for_commit(worker, commit.end, CommitPolicy::group);
      recorded.log->detach(worker);
    });
    while (first_end == 0) std::this_thread::yield();
    std::this_thread::sleep_for(50ms);  // several times as long as the flusher leaves bytes alone
    waited = recorded.device->synced() < first_end;
    if (waited) {
      const WorkerId worker = recorded.log->attach();
      const LogPosition commit = append_transaction(*recorded.log, worker, 2 * attempt + 2);
      recorded.log->wait_for_commit(worker, commit.end, CommitPolicy::group);
      CHECK(recorded.device->synced() >= commit.end);
      recorded.log->detach(worker);
    }
    first.join();
  }
  CHECK(waited);
}

TEST_CASE("Flusher: a group that stays incomplete is flushed when its time is up") {
  LogOptions options = memory_log();
  options.group_commits = 100;
  options.group_timeout = 2ms;
  RecordedLog recorded(options);
  const WorkerId worker = recorded.log->attach();
  for (TransactionId i = 1; i <= 5; ++i) {
    const LogPosition commit = append_transaction(*recorded.log, worker, i);
    recorded.log->wait_for_commit(worker, commit.end, CommitPolicy::group);
    CHECK(recorded.device->synced() >= commit.end);
  }
  recorded.log->detach(worker);
}

TEST_CASE("Log: with force_each every record is durable when its append returns") {
  LogOptions options = memory_log();
  options.force_each = true;
  RecordedLog recorded(options, 8, 0us);
  std::atomic<int> early{0};
  std::vector<std::thread> threads;
  for (TransactionId t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      const WorkerId worker = recorded.log->attach();
      for (TransactionId i = 1; i <= 100; ++i) {
        const auto position =
            recorded.log->append_begin_and_change(worker, 100 * t + i, update_of("k", "b", "a"));
        if (recorded.device->synced() < position.end) ++early;
      }
      recorded.log->detach(worker);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(early == 0);
}

TEST_CASE("Log: with write_each the device gets every record by itself, and the same log") {
  TemporaryDirectory directory;
  LogOptions options = file_log(directory.path());
  options.write_each = true;
  {
    LogManager log(options, "border_collie", small_ring());
    const WorkerId worker = log.attach();
    Lsn end = 0;
    for (TransactionId i = 1; i <= 100; ++i) end = append_transaction(log, worker, i).end;
    log.flush(end);
    CHECK(log.statistics().writes == 300);  // begin, update, commit
    CHECK(log.statistics().syncs < 300);
    log.detach(worker);
  }
  const FoundLog found = read_log(directory.path());
  CHECK(found.committed.size() == 100);
  CHECK(found.records == 300);
  CHECK(found.end.kind == LogEnd::Kind::clean);
}

TEST_CASE("Flusher: commits that meet share a sync") {
  RecordedLog recorded(memory_log(), 16, 2ms);
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&] {
      const WorkerId worker = recorded.log->attach();
      for (TransactionId i = 1; i <= 20; ++i) {
        const LogPosition commit = append_transaction(*recorded.log, worker, i);
        recorded.log->wait_for_commit(worker, commit.end, CommitPolicy::durable);
      }
      recorded.log->detach(worker);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(recorded.device->syncs() * 3 < 16 * 20);
}

TEST_CASE("Flusher: clients that come back at once share nearly every sync, not every other one") {
  // In two cohorts a sync carries 8 of 16. A machine that does not run the clients for as long as a sync takes splits
  // them: then another attempt is made, with a slower device.
  double best = 0;
  for (auto latency = 4ms; latency < 500ms && best < 11; latency *= 2) {
    RecordedLog recorded(memory_log(), 16, latency);
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t) {
      threads.emplace_back([&] {
        const WorkerId worker = recorded.log->attach();
        for (TransactionId i = 1; i <= 40; ++i) {
          const LogPosition commit = append_transaction(*recorded.log, worker, i);
          recorded.log->wait_for_commit(worker, commit.end, CommitPolicy::durable);
        }
        recorded.log->detach(worker);
      });
    }
    for (std::thread& thread : threads) thread.join();
    best = std::max(best, 16 * 40 / static_cast<double>(recorded.device->syncs()));
  }
  CHECK(best >= 11);
}

TEST_CASE("Flusher: clients of all policies, some of them slow, get through together") {
  RecordedLog recorded(memory_log(), 8, 200us);
  std::atomic<int> early{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const CommitPolicy policy = t == 7 ? CommitPolicy::group : CommitPolicy::durable;
      const WorkerId worker = recorded.log->attach();
      for (TransactionId i = 1; i <= 50u * (t + 1); ++i) {  // one after the other leaves
        const LogPosition commit = append_transaction(*recorded.log, worker, i);
        if (t % 3 == 2) std::this_thread::sleep_for(std::chrono::microseconds(100 * t));
        if (i % 50 == 0) recorded.log->flush(commit.end);
        recorded.log->wait_for_commit(worker, commit.end, policy);
        if (recorded.device->synced() < commit.end) ++early;
      }
      recorded.log->detach(worker);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(early == 0);
}

TEST_CASE("Flusher: flush makes everything below durable, from threads without a slot") {
  RecordedLog recorded;
  const WorkerId worker = recorded.log->attach();
  std::atomic<Lsn> end{0};
  std::atomic<bool> stop{false};
  std::atomic<int> early{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!stop) {
        const Lsn wanted = end;
        if (wanted == 0) continue;
        recorded.log->flush(wanted);
        if (recorded.device->synced() < wanted) ++early;
      }
    });
  }
  for (TransactionId i = 1; i <= 2000; ++i) end = append_transaction(*recorded.log, worker, i).end;
  stop = true;
  for (std::thread& thread : threads) thread.join();
  recorded.log->flush(end);
  CHECK(recorded.log->durable() == end);
  CHECK(early == 0);
  CHECK_THROWS_AS(recorded.log->flush(end + 1), std::invalid_argument);
  recorded.log->detach(worker);
}

TEST_CASE("Flusher: what nobody asks for becomes durable all the same") {
  RecordedLog recorded;
  const WorkerId worker = recorded.log->attach();
  const LogPosition commit = append_transaction(*recorded.log, worker, 1);
  while (recorded.log->durable() < commit.end) std::this_thread::sleep_for(1ms);
  CHECK(recorded.device->synced() >= commit.end);
  recorded.log->detach(worker);
}

TEST_CASE("Flusher: records as large as the ring pass, with nobody waiting for them") {
  for (const std::string& algorithm : safe_algorithms()) {
    CAPTURE(algorithm);
    LogBufferOptions ring = small_ring(2);
    ring.capacity = 4096;
    LogManager log(memory_log(), algorithm, ring);
    const WorkerId worker = log.attach();
    Lsn end = 0;
    for (int i = 0; i < 20; ++i) {
      log.append_mark(worker, 1, 0, RecordType::abort);
      const std::string value(4096 - 32 - 24, 'v');
      end = log.append_change(worker, 1, 0, update_of("", "", value)).end;
    }
    CHECK_THROWS_AS(log.append_change(worker, 1, 0, update_of("", "", std::string(5000, 'v'))),
                    std::invalid_argument);
    log.flush(end);
    CHECK(log.durable() == end);
    log.detach(worker);
  }
}

TEST_CASE("Flusher: its thread can be placed, and is there from the beginning") {
  std::atomic<int> started{0};
  std::thread::id flusher;
  LogOptions options = memory_log();
  options.on_flusher_start = [&] {
    flusher = std::this_thread::get_id();
    ++started;
  };
  { LogManager log(options, "border_collie", small_ring()); }
  CHECK(started == 1);
  CHECK(flusher != std::this_thread::get_id());
}

TEST_CASE(
    "Flusher: acknowledgements are its thread's, whoever drains, since a drainer may hold a page's latch") {
  struct Commit : PendingCommit {
    std::atomic<std::thread::id> by;
  } pending;
  pending.acknowledge = [](PendingCommit& commit, bool) noexcept {
    static_cast<Commit&>(commit).by = std::this_thread::get_id();
  };
  std::atomic<bool> go{false};
  std::atomic<std::thread::id> flusher;
  LogOptions options = memory_log();
  options.on_flusher_start = [&] {
    flusher = std::this_thread::get_id();
    while (!go) std::this_thread::yield();
  };
  LogManager log(options, "border_collie", small_ring());
  const WorkerId worker = log.attach();
  pending.end = append_transaction(log, worker, 1).end;
  log.acknowledge_later(worker, pending);
  log.flush(pending.end);  // by this thread, as an eviction does
  CHECK(pending.by.load() == std::thread::id());
  go = true;
  log.wait_for_acknowledgements(worker);
  CHECK(pending.by.load() == flusher.load());
  log.detach(worker);
}

TEST_CASE("Flusher: statistics add up to what was written") {
  RecordedLog recorded;
  const WorkerId worker = recorded.log->attach();
  const LogStatistics before = recorded.log->statistics();
  Lsn end = 0;
  for (TransactionId i = 1; i <= 50; ++i) {
    end = append_transaction(*recorded.log, worker, i).end;
    recorded.log->wait_for_commit(worker, end, CommitPolicy::durable);
  }
  const LogStatistics done = recorded.log->statistics() - before;
  CHECK(done.bytes == end - kFirstLsn);
  CHECK(done.commits == 50);
  CHECK(done.syncs == recorded.device->syncs());
  CHECK(done.flush_bytes.count() == done.writes);
  CHECK(done.boundary_lag.count() >= done.writes);
  recorded.log->detach(worker);
}

TEST_CASE(
    "LogManager: an algorithm that no engine may trust and options out of range are refused in one line") {
  const auto refused = [](const LogOptions& options, std::string_view algorithm = "border_collie") {
    std::string what;
    try {
      LogManager log(options, algorithm, small_ring());
    } catch (const ConfigError& error) {
      what = error.what();
    }
    return !what.empty() && what.find('\n') == std::string::npos;
  };
  for (const AlgorithmInfo& info : algorithms()) {
    CAPTURE(info.name);
    CHECK(refused(memory_log(), info.name) == (info.unsafe || info.stalls_on_idle));
  }
  const auto with = [](auto change) {
    LogOptions options = memory_log();
    change(options);
    return options;
  };
  CHECK(refused(with([](LogOptions& o) { o.device = "tape"; })));
  CHECK(refused(with([](LogOptions& o) { o.direct = true; })));
  CHECK(refused(with([](LogOptions& o) { o.latency = -1us; })));
  CHECK(refused(with([](LogOptions& o) { o.group_commits = 0; })));
  CHECK(refused(with([](LogOptions& o) { o.group_timeout = -1us; })));
  CHECK(refused(with([](LogOptions& o) { o.device = "file"; })));  // no directory
  LogOptions file = file_log("unused");
  file.segment_bytes = 5000;
  CHECK(refused(file));
  file = file_log("unused");
  file.latency = 1us;
  CHECK(refused(file));
  CHECK_FALSE(std::filesystem::exists("unused"));
}

}  // namespace muster
