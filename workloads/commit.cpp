#include "workloads/commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "algorithms/parts/backoff.h"
#include "engine/index/btree.h"
#include "workloads/engine_measurement.h"
#include "workloads/summary.h"
#include "workloads/ycsb_value.h"

namespace muster {
namespace {

static_assert(CommitOptions::kMaxBytes <= BTree::kMaxValueBytes);

/// Records of which each worker has so many, and updates the middle one. The others are so long that they fill more
/// than a leaf on either side, so that no leaf holds records of two workers that are updated.
constexpr std::uint64_t kRecordsOfWorker = 9;
constexpr std::uint64_t kMiddle = kRecordsOfWorker / 2;
static_assert(kMiddle * CommitOptions::kMaxBytes >= kPageBytes);

YcsbKey key_of(std::uint32_t worker) {
  return ycsb_key(worker * kRecordsOfWorker + kMiddle);
}

struct CommitsOfWorker {
  std::uint64_t committed = 0;  // in all repetitions
  TransactionCounts measured{};
  WaitCounters waits{};
};

/// One worker in one repetition.
class CommitWorker {
 public:
  /// `committed`: transactions that the worker has committed in earlier repetitions.
  CommitWorker(Session& session, TimedTransactions& transactions, TableId table, std::uint32_t worker,
               std::uint32_t value_bytes, std::uint64_t committed)
      : session_(session),
        transactions_(transactions),
        table_(table),
        worker_(worker),
        key_(key_of(worker)),
        value_(value_bytes),
        result_{.committed = committed} {}

  CommitsOfWorker run(const RunControl& control, WorkerProgress& progress) {
    MeasuredWaits waits;
    Phase seen = Phase::warm_up;
    std::uint64_t done = 0;
    for (Phase phase = control.phase(); phase != Phase::stop; phase = control.phase()) {
      if (phase != seen) [[unlikely]] {
        seen = phase;
        waits.begin();
        result_.measured = {};
      }
      if (!transactions_.wait_for_start(control, phase)) break;
      if (!commit_until_done(control, phase)) break;
      ++done;
      progress.set(done, done * (sizeof(YcsbKey) + value_.size()));
    }
    session_.wait_for_acknowledgements();
    result_.waits = waits.end();
    return result_;
  }

 private:
  /// False where the run was stopped before the engine committed the transaction.
  bool commit_until_done(const RunControl& control, Phase phase) {
    const std::uint64_t count = result_.committed + 1;
    std::memcpy(value_.data(), &count, sizeof count);
    for (Backoff backoff;; backoff.pause()) {
      if (try_to_commit(control, phase)) {
        result_.committed = count;
        ++result_.measured.committed;
        return true;
      }
      if (control.stopped()) return false;
    }
  }

  /// False where the engine rolled the transaction back: a level may be stricter than it has to be.
  bool try_to_commit(const RunControl& control, Phase phase) {
    session_.begin();
    const Status status = session_.update(table_, key_, value_);
    if (status != Status::ok && !was_rolled_back(status)) {
      throw VerificationError(
          fmt::format("commit: worker {}: expected its record, which no other worker uses", worker_));
    }
    if (status == Status::ok && transactions_.commit(session_, true, control, phase)) return true;
    result_.measured.count_rollback(status);
    return false;
  }

  Session& session_;
  TimedTransactions& transactions_;
  const TableId table_;
  const std::uint32_t worker_;
  const YcsbKey key_;
  std::vector<std::byte> value_;
  CommitsOfWorker result_;
};

class Commit final : public Workload {
 public:
  Commit(const CommitOptions& options, const EngineRun& run, DatabaseOpener open)
      : open_(std::move(open)),
        run_(run),
        value_bytes_(options.value_bytes),
        results_(run.threads),
        measurement_(run) {
    run_.database.log_buffer.max_workers = run.threads + 1;  // one more loads and verifies
  }

  std::string_view operations() const override { return "transactions"; }

  void load(const std::function<bool()>& interrupted) override {
    database_ = open_(run_.database);
    table_ = database_->create_table("counts", run_.table);
    const auto session = database_->attach(CommitPolicy::async);
    const std::vector<std::byte> value(value_bytes_);
    const std::vector<std::byte> filler(CommitOptions::kMaxBytes);
    const std::uint64_t records = results_.size() * kRecordsOfWorker;
    for (std::uint64_t record = 0; record < records && !interrupted(); ++record) {
      session->begin();
      if (session->insert(table_, ycsb_key(record), record % kRecordsOfWorker == kMiddle ? value : filler) !=
          Status::ok) {
        throw VerificationError(fmt::format("commit: key {}: the load could not insert it", record));
      }
      session->commit();
    }
    database_->log().flush(database_->log().reserved());
  }

  void prepare() override { measurement_.begin(); }

  void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) override {
    const auto session = database_->attach(run_.policy, run_.isolation);
    results_[worker] = CommitWorker(*session, measurement_.transactions(worker), table_, worker, value_bytes_,
                                    results_[worker].committed)
                           .run(control, progress);
  }

  Progressed sample(const Progressed& counted) override { return measurement_.sample(*database_, counted); }
  void window_edge(const Progressed& done) override { measurement_.window_edge(done); }

  RepetitionReport finish() override {
    RepetitionReport report;
    report.transactions.emplace();
    for (const CommitsOfWorker& worker : results_) {
      *report.transactions += worker.measured;
      add(report.waits, worker.waits);
    }
    measurement_.add_to(report);
    report.storage->live_bytes =
        results_.size() * (kRecordsOfWorker * sizeof(YcsbKey) +
                           (kRecordsOfWorker - 1) * CommitOptions::kMaxBytes + value_bytes_);
    return report;
  }

  std::vector<Check> close() override {
    const std::uint64_t transactions = verify_counts();
    verify_trees(*database_);
    database_->close();
    database_.reset();
    return {{"transactions found in the records of their workers", transactions},
            {"trees walked, each page in its place", 1}};
  }

 private:
  std::uint64_t verify_counts() {
    std::uint64_t transactions = 0;
    const auto session = database_->attach(CommitPolicy::durable);
    for (std::uint32_t worker = 0; worker < results_.size(); ++worker) {
      const std::uint64_t found = count_of(*session, worker);
      if (found != results_[worker].committed) {
        throw VerificationError(
            fmt::format("commit: worker {}: expected {} transactions in its record, found {}", worker,
                        results_[worker].committed, found));
      }
      transactions += found;
    }
    return transactions;
  }

  std::uint64_t count_of(Session& session, std::uint32_t worker) const {
    std::uint64_t count = 0;
    std::vector<std::byte> value;
    session.begin();
    const Status status = session.read(table_, key_of(worker), value);
    session.commit();
    if (status != Status::ok || value.size() != value_bytes_) {
      throw VerificationError(fmt::format("commit: worker {}: expected a record of {} bytes, found {}",
                                          worker, value_bytes_, status == Status::ok ? value.size() : 0));
    }
    std::memcpy(&count, value.data(), sizeof count);
    return count;
  }

  const DatabaseOpener open_;
  EngineRun run_;
  const std::uint32_t value_bytes_;
  std::unique_ptr<Database> database_;
  TableId table_ = 0;

  std::vector<CommitsOfWorker> results_;  // each written once a repetition, by its worker, when it leaves
  EngineMeasurement measurement_;
};

}  // namespace

std::unique_ptr<Workload> make_commit(const CommitOptions& options, const EngineRun& run,
                                      const DatabaseOpener& open) {
  return std::make_unique<Commit>(options, run, open);
}

}  // namespace muster
