#include "workloads/history_workload.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include "algorithms/parts/backoff.h"
#include "engine/index/btree.h"
#include "engine/io/file.h"
#include "workloads/engine_measurement.h"
#include "workloads/history/check.h"
#include "workloads/history/history_file.h"
#include "workloads/history/rotating_keys.h"
#include "workloads/random.h"
#include "workloads/summary.h"
#include "workloads/ycsb_value.h"

namespace muster {
namespace {

using history::Model;
using history::Outcome;

using Number = std::uint32_t;  // a value; a list is an array of them
static_assert(HistoryOptions::kWritesMax * sizeof(Number) <= BTree::kMaxValueBytes);

/// A worker's notes of its transactions, in its own memory.
struct Log {
  struct Operation {
    std::uint64_t key;
    bool is_read;
    std::uint32_t begin, end;  // of values
  };
  struct Transaction {
    std::uint64_t invoked, completed;
    Outcome outcome;
    std::uint32_t operations_end;
  };
  std::vector<Transaction> transactions;
  std::vector<Operation> operations;
  std::vector<Number> values;

  void note(std::uint64_t key, bool is_read, std::span<const Number> what) {
    const auto begin = static_cast<std::uint32_t>(values.size());
    values.insert(values.end(), what.begin(), what.end());
    operations.push_back({key, is_read, begin, static_cast<std::uint32_t>(values.size())});
  }
  void end(std::uint64_t invoked, std::uint64_t completed, Outcome outcome) {
    transactions.push_back({invoked, completed, outcome, static_cast<std::uint32_t>(operations.size())});
  }
};

struct HistoryOfWorker {
  TransactionCounts measured;
  WaitCounters waits;
  Log log;
};

/// What all workers of a repetition share.
///
/// Ordering  [events] acquired and released: a transaction draws a number when it is invoked and one when it completes. If the
///                    invocation of B has a larger number than the completion of A, B sees all memory that A's worker wrote
///                    before. The check calls this real time.
struct Shared {
  Shared(const HistoryOptions& its_options, TableId its_table, std::uint64_t repetition)
      : options(its_options),
        table(its_table),
        first_key(repetition << 40),
        keys(its_options.keys, its_options.writes_a_key) {}

  std::uint64_t event() {
    return events.fetch_add(1, std::memory_order_acq_rel);
  }  // [events] orders memory, too

  const HistoryOptions& options;
  const TableId table;
  const std::uint64_t first_key;  // no earlier repetition had it
  history::RotatingKeys keys;
  alignas(kCacheLine) std::atomic<std::uint64_t> events{0};
};

class Worker {
 public:
  Worker(Shared& shared, Session& session, TimedTransactions& transactions, const Random& random)
      : shared_(shared), session_(session), transactions_(transactions), random_(random) {}

  HistoryOfWorker run(const RunControl& control, WorkerProgress& progress) {
    MeasuredWaits waits;
    Phase seen = Phase::warm_up;
    std::uint64_t done = 0, user_bytes = 0;
    Backoff backoff;
    for (Phase phase = control.phase(); phase != Phase::stop; phase = control.phase()) {
      if (phase != seen) [[unlikely]] {
        seen = phase;
        waits.begin();
        result_.measured = {};
      }
      if (!transactions_.wait_for_start(control, phase)) break;
      if (transaction(control, phase)) {
        ++result_.measured.committed;
        user_bytes += changed_bytes_;
        progress.set(++done, user_bytes);
        backoff = {};
      } else {
        ++result_.measured.aborted;
        backoff.pause();
      }
    }
    session_.wait_for_acknowledgements();
    result_.waits = waits.end();
    return std::move(result_);
  }

 private:
  /// Returns whether it was committed.
  bool transaction(const RunControl& control, Phase phase) {
    const std::uint64_t invoked = shared_.event();
    session_.begin();
    changed_bytes_ = 0;
    bool wrote = false;
    const bool open = operations(wrote);
    const bool committed = open && transactions_.commit(session_, wrote, control, phase);
    if (open && !committed) ++result_.measured.conflicts;  // commit() refused it
    result_.log.end(invoked, shared_.event(), committed ? Outcome::ok : Outcome::fail);
    return committed;
  }

  /// Returns whether the transaction is still open.
  bool operations(bool& wrote) {
    const std::uint64_t count = 1 + random_.below(shared_.options.operations);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto place = static_cast<std::uint32_t>(random_.below(shared_.options.keys));
      const bool reads = random_.uniform() < shared_.options.reads;
      const Status status = reads ? read(place) : write(place);
      if (status == Status::already_exists) {  // another transaction inserted the key in between
        session_.abort();
        return false;
      }
      if (status == Status::deadlock) ++result_.measured.deadlocks;
      if (status == Status::conflict) ++result_.measured.conflicts;
      if (was_rolled_back(status)) return false;
      if (status != Status::ok)
        throw VerificationError("history: a record that was there is gone, and no transaction removes any");
      wrote = wrote || !reads;
    }
    return true;
  }

  Status read(std::uint32_t place) {
    const std::uint64_t key = shared_.first_key + shared_.keys.to_read(place);
    const Status status = session_.read(shared_.table, ycsb_key(key), value_);
    if (status != Status::ok && status != Status::not_found) return status;
    take(status);
    result_.log.note(key, true, numbers_);
    return Status::ok;
  }

  Status write(std::uint32_t place) {
    const auto [drawn, number] = shared_.keys.to_write(place);
    const std::uint64_t key = shared_.first_key + drawn;
    // Noted before it is tried: if the write fails, no transaction may see it either.
    result_.log.note(key, false, std::span(&number, 1));
    const YcsbKey name = ycsb_key(key);
    changed_bytes_ += sizeof name;
    if (shared_.options.model == Model::rw_register) {
      const Bytes value = std::as_bytes(std::span(&number, 1));
      changed_bytes_ += value.size();
      const Status status = session_.update(shared_.table, name, value);
      return status == Status::not_found ? session_.insert(shared_.table, name, value) : status;
    }
    const Status status = session_.read_for_update(shared_.table, name, value_);
    if (status != Status::ok && status != Status::not_found) return status;
    take(status);
    numbers_.push_back(number);
    const Bytes list = std::as_bytes(std::span(numbers_));
    changed_bytes_ += list.size();
    return status == Status::ok ? session_.update(shared_.table, name, list)
                                : session_.insert(shared_.table, name, list);
  }

  /// Takes the numbers out of the value that was read.
  void take(Status status) {
    numbers_.assign(status == Status::ok ? value_.size() / sizeof(Number) : 0, 0);
    if (!numbers_.empty()) std::memcpy(numbers_.data(), value_.data(), numbers_.size() * sizeof(Number));
  }

  Shared& shared_;
  Session& session_;
  TimedTransactions& transactions_;
  Random random_;
  std::vector<std::byte> value_;
  std::vector<Number> numbers_;
  std::uint64_t changed_bytes_ = 0;  // keys and values, by this transaction
  HistoryOfWorker result_;
};

/// The workers' transactions as one history, in the order of their begins.
history::History together(const std::vector<HistoryOfWorker>& workers, Model model,
                          std::uint32_t first_process) {
  struct Place {
    std::uint64_t invoked;
    std::uint32_t worker, transaction;
  };
  std::vector<Place> order;
  for (std::uint32_t worker = 0; worker < workers.size(); ++worker) {
    const auto& transactions = workers[worker].log.transactions;
    for (std::uint32_t i = 0; i < transactions.size(); ++i)
      order.push_back({transactions[i].invoked, worker, i});
  }
  std::ranges::sort(order, {}, &Place::invoked);
  history::History all(model);
  std::unordered_map<std::uint64_t, history::Key> names;
  const auto key_of = [&](std::uint64_t key) {
    const auto [place, is_new] = names.try_emplace(key, 0);
    if (is_new) place->second = all.key(std::to_string(key));
    return place->second;
  };
  std::vector<history::Value> list;
  for (const Place& place : order) {
    const Log& log = workers[place.worker].log;
    const Log::Transaction& t = log.transactions[place.transaction];
    all.add({first_process + place.worker, t.outcome, t.invoked, t.completed, 0, 0, 0});
    std::uint32_t i = place.transaction == 0 ? 0 : log.transactions[place.transaction - 1].operations_end;
    for (; i < t.operations_end; ++i) {
      const Log::Operation& o = log.operations[i];
      const history::Key key = key_of(o.key);
      list.assign(log.values.begin() + o.begin, log.values.begin() + o.end);
      if (!o.is_read) {
        all.write(key, list.front());
      } else if (t.outcome != Outcome::ok) {
        all.read_unknown(key);
      } else if (model == Model::list_append) {
        all.read_list(key, list);
      } else {
        all.read_register(key, list.empty() ? std::nullopt : std::optional(list.front()));
      }
    }
  }
  all.seal();
  return all;
}

class HistoryWorkload final : public Workload {
 public:
  HistoryWorkload(const HistoryOptions& options, const EngineRun& run, DatabaseOpener open)
      : open_(std::move(open)), run_(run), options_(options), results_(run.threads), measurement_(run) {
    run_.database.log_buffer.max_workers = run.threads + 1;  // one more thread walks the trees
  }

  std::string_view operations() const override { return "transactions"; }

  void load(const std::function<bool()>& /*interrupted*/) override {
    database_ = open_(run_.database);
    table_ = database_->create_table("histories", run_.table);
  }

  void prepare() override {
    shared_.emplace(options_, table_, repetition_);
    results_ = std::vector<HistoryOfWorker>(run_.threads);
    measurement_.begin();
  }

  void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) override {
    const auto session = database_->attach(run_.policy, run_.isolation);
    const Random random(run_.seed, repetition_ * run_.threads + worker + 1);
    results_[worker] =
        Worker(*shared_, *session, measurement_.transactions(worker), random).run(control, progress);
  }

  Progressed sample(const Progressed& counted) override { return measurement_.sample(*database_, counted); }
  void window_edge(const Progressed& done) override { measurement_.window_edge(done); }

  RepetitionReport finish() override {
    RepetitionReport report;
    report.transactions.emplace();
    for (const HistoryOfWorker& worker : results_) {
      *report.transactions += worker.measured;
      add(report.waits, worker.waits);
    }
    measurement_.add_to(report);
    const auto first_process = static_cast<std::uint32_t>(repetition_ * run_.threads);
    const history::History all = together(results_, options_.model, first_process);
    results_ = std::vector<HistoryOfWorker>(run_.threads);
    keep(all);
    verify(all);
    ++repetition_;
    return report;
  }

  std::vector<Check> close() override {
    verify_trees(*database_);
    database_->close();
    database_.reset();
    return {{fmt::format("transactions whose history is {}", history::name_of(level())), transactions_},
            {"trees walked, each page in its place", 1}};
  }

 private:
  bool has_times() const { return run_.policy != CommitPolicy::pipelined; }
  history::Level level() const {
    const history::Level promised = history::promised_by(run_.isolation);
    if (has_times() || history::order_of(promised) == history::Order::none) return promised;
    return promised == history::Level::strong_snapshot ? history::Level::snapshot
                                                       : history::Level::serializable;
  }

  /// The first repetition replaces the file, each later one appends to it.
  void keep(const history::History& all) {
    if (options_.file.empty()) return;
    const std::string text = history::to_text(all, history::syntax_of(options_.file), events_kept_);
    events_kept_ += 2 * all.transactions().size();
    if (repetition_ == 0) return replace_file(options_.file, std::as_bytes(std::span(text)));
    File::open(options_.file, O_WRONLY | O_APPEND).append(std::as_bytes(std::span(text)));
  }

  void verify(const history::History& all) {
    try {
      const history::Verdict verdict = history::check(all, history::order_of(level()));
      transactions_ += verdict.committed;
      if (verdict.satisfies(level())) return;
      throw VerificationError(fmt::format("history: {}\n{}", history::in_one_line(verdict, level()),
                                          history::in_words(verdict, all)));
    } catch (const history::BadHistory& bad) {
      throw VerificationError(fmt::format("history: transaction {}: {}", bad.transaction(), bad.what()));
    }
  }

  const DatabaseOpener open_;
  EngineRun run_;
  const HistoryOptions options_;
  std::unique_ptr<Database> database_;
  TableId table_ = 0;
  std::optional<Shared> shared_;   // of a repetition
  std::uint64_t events_kept_ = 0;  // in the file
  std::uint64_t repetition_ = 0;
  std::vector<HistoryOfWorker> results_;  // each written once a repetition, by its worker, when it leaves
  std::uint64_t transactions_ = 0;        // committed, in all repetitions
  EngineMeasurement measurement_;
};

}  // namespace

std::unique_ptr<Workload> make_history_workload(const HistoryOptions& options, const EngineRun& run,
                                                const DatabaseOpener& open) {
  return std::make_unique<HistoryWorkload>(options, run, open);
}

}  // namespace muster
