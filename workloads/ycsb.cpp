#include "workloads/ycsb.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <thread>
#include <type_traits>
#include <utility>

#include "algorithms/parts/backoff.h"
#include "engine/error.h"
#include "engine/index/btree.h"
#include "engine/log/log_reader.h"
#include "workloads/engine_measurement.h"
#include "workloads/random.h"
#include "workloads/ycsb_operations.h"
#include "workloads/ycsb_value.h"

namespace muster {
namespace {

static_assert(YcsbValue::kMaxBytes <= BTree::kMaxValueBytes && sizeof(YcsbKey) <= BTree::kMaxKeyBytes);

constexpr const char* kTable = "usertable";  // YCSB's own name for it

/// Of a record that no transaction has updated.
constexpr std::uint64_t kInsertedStamp = 0;

/// What one worker did in one repetition; written when it leaves, by that worker.
struct WorkerResult {
  TransactionCounts measured;
  std::uint64_t commits_logged = 0;  ///< in all, warm-up included: transactions that wrote
  std::uint64_t inserted = 0;        ///< records, likewise, by those that were committed
  std::uint64_t values_read = 0;
  std::uint64_t scans = 0;
  WaitCounters waits;
};

/// The stamp that every key's last committed write left, or must have left.
///
/// Ordering  An entry is written under its record's exclusive lock, after the transaction is prepared (so that
///           nothing can undo it) and before its commit, and read once all workers have been joined: the
///           locks order the writes, so that relaxed ones will do. Session::increment()'s locks are shared: add() counts
///           atomically, and nothing is read through the count.
class Stamps {
 public:
  explicit Stamps(std::uint64_t records) : stamps_(records) {}
  void set(std::uint64_t key, std::uint64_t stamp) { stamps_[key].store(stamp, std::memory_order_relaxed); }
  /// Has the entry at hand when the locks are about to be given up: a commit waits for its stores.
  void prefetch(std::uint64_t key) const { __builtin_prefetch(&stamps_[key], 1); }
  void increment(std::uint64_t key) { set(key, (*this)[key] + 1); }
  void add(std::uint64_t key) { stamps_[key].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t operator[](std::uint64_t key) const { return stamps_[key].load(std::memory_order_relaxed); }

 private:
  std::vector<std::atomic<std::uint64_t>> stamps_;
};

/// What the workers of a workload share; constant while they work but for the stamps.
struct Shared {
  YcsbOptions options;
  TableId table = 0;
  YcsbValue values;
  Stamps stamps;

  bool inserts() const { return options.mix == YcsbMix::load || options.mix == YcsbMix::e; }
  /// Of a record's number. Where records are inserted, a bijection spreads them over the whole table, those loaded beforehand as
  /// well.
  YcsbKey key(std::uint64_t number) const { return ycsb_key(inserts() ? mix(number) : number); }
};

/// Executes one transaction at a time, in memory that it uses again.
class YcsbExecution {
 public:
  /// Returns Status::ok, or the reason for which the engine rolled back. Stamps updates from `next_stamp` on.
  Status execute(Shared& shared, Session& session, std::span<const YcsbOperation> transaction,
                 std::uint64_t& next_stamp) {
    written_.clear();
    new_value_.resize(shared.values.bytes());
    bool sleeps = shared.options.think.count() != 0;
    for (const YcsbOperation& operation : transaction) {
      if (sleeps && operation.writes()) {
        std::this_thread::sleep_for(shared.options.think);
        sleeps = false;
      }
      const YcsbKey key = shared.key(operation.key);
      Status status = Status::ok;
      if (operation.kind == YcsbOperation::Kind::insert) {
        status = insert(shared, session, operation.key, key);
      } else if (operation.kind == YcsbOperation::Kind::read) {
        status = session.read(shared.table, key, value_);
        if (status == Status::ok) stamp_read(shared, operation.key);
      } else if (operation.kind == YcsbOperation::Kind::scan) {
        status = scan(shared, session, operation, key);
      } else if (operation.kind == YcsbOperation::Kind::update) {
        status = write(shared, session, operation.key, key, next_stamp++);
      } else if (operation.kind == YcsbOperation::Kind::increment) {
        status = session.increment(shared.table, key, YcsbValue::kStampOffset, 1);
        if (status == Status::ok) written_.emplace_back(operation.key, kInsertedStamp);
      } else {
        status = session.read_for_update(shared.table, key, value_);
        if (status == Status::ok)
          status = write(shared, session, operation.key, key, stamp_read(shared, operation.key) + 1);
      }
      if (was_rolled_back(status)) return status;
      if (status == Status::already_exists)
        throw VerificationError(fmt::format("ycsb: key {}: expected none, found a value", operation.key));
      if (status != Status::ok)
        throw VerificationError(fmt::format("ycsb: key {}: expected a value, found none", operation.key));
    }
    return Status::ok;
  }

  /// Notes what verification has to find at the end. Called while the transaction holds its locks and nothing can undo it.
  void note_written(Shared& shared) const {
    if (shared.inserts()) return;  // verification finds a record by its number
    if (shared.options.modify == YcsbModify::increment) {
      for (const auto& [key, stamp] : written_) shared.stamps.add(key);
      return;
    }
    for (const auto& [key, stamp] : written_) {
      // Increments are counted apart from the values: two transactions that read the same value would otherwise agree with it.
      shared.options.mix == YcsbMix::f ? shared.stamps.increment(key) : shared.stamps.set(key, stamp);
    }
  }

 private:
  Status insert(Shared& shared, Session& session, std::uint64_t number, const YcsbKey& key) {
    shared.values.write(number, kInsertedStamp, new_value_);
    const Status status = session.insert(shared.table, key, new_value_);
    if (status == Status::ok) written_.emplace_back(number, kInsertedStamp);
    return status;
  }

  Status scan(Shared& shared, Session& session, const YcsbOperation& operation, const YcsbKey& key) {
    std::uint32_t left = operation.records;
    YcsbKey last = key;
    const Status status = session.scan(shared.table, key, [&](Bytes found, Bytes value) {
      const bool is_first = left == operation.records;
      const auto number = YcsbValue::number(value);
      if (!number || !std::ranges::equal(found, shared.key(*number)) ||
          shared.values.stamp(*number, value) != kInsertedStamp) {
        throw VerificationError(fmt::format(
            "ycsb: scan from key {}: expected a whole value of the key, found another one", operation.key));
      }
      if (is_first ? !std::ranges::equal(found, key) : !std::ranges::lexicographical_compare(last, found)) {
        throw VerificationError(
            fmt::format("ycsb: scan from key {}: expected rising keys from there on", operation.key));
      }
      std::ranges::copy(found, last.begin());
      return --left != 0;
    });
    if (status == Status::ok && left == operation.records) return Status::not_found;
    return status;
  }

  Status write(Shared& shared, Session& session, std::uint64_t number, const YcsbKey& key,
               std::uint64_t stamp) {
    shared.stamps.prefetch(number);
    shared.values.write(number, stamp, new_value_);
    const Status status = session.update(shared.table, key, new_value_);
    if (status == Status::ok) written_.emplace_back(number, stamp);
    return status;
  }

  std::uint64_t stamp_read(const Shared& shared, std::uint64_t key) {
    if (const auto stamp = shared.values.stamp(key, value_)) return *stamp;
    throw VerificationError(fmt::format(
        "ycsb: key {}: expected a whole value of it, found {} bytes that are none", key, value_.size()));
  }

  std::vector<std::pair<std::uint64_t, std::uint64_t>> written_;  // by this transaction: key, stamp
  std::vector<std::byte> value_;                                  // that was read
  std::vector<std::byte> new_value_;
};

/// The arguments of the procedure that a transaction is under Isolation::serial: the first stamp, then the operations.
class YcsbCall {
 public:
  static_assert(std::is_trivially_copyable_v<YcsbOperation>);

  static void write(std::uint64_t first_stamp, std::span<const YcsbOperation> transaction,
                    std::vector<std::byte>& into) {
    into.resize(sizeof first_stamp + transaction.size_bytes());
    std::memcpy(into.data(), &first_stamp, sizeof first_stamp);
    std::memcpy(into.data() + sizeof first_stamp, transaction.data(), transaction.size_bytes());
  }
  static void read(Bytes from, std::uint64_t& first_stamp, std::vector<YcsbOperation>& transaction) {
    std::memcpy(&first_stamp, from.data(), sizeof first_stamp);
    const Bytes operations = from.subspan(sizeof first_stamp);
    transaction.resize(operations.size() / sizeof(YcsbOperation));
    std::memcpy(transaction.data(), operations.data(), operations.size());
  }
};

constexpr const char* kProcedure = "ycsb";

/// Memory of the thread that executes a call.
struct Scratch {
  std::uint64_t stamp = 0;
  std::vector<YcsbOperation> transaction;
  YcsbExecution execution;

  /// A thread constructs its own when it passes the declaration; inside a lambda that another thread made it would not.
  static Scratch& of_this_thread() {
    static thread_local Scratch scratch;
    return scratch;
  }
};

Procedure ycsb_procedure(Shared& shared) {
  return {.partitions =
              [&shared](Bytes arguments, PartitionSet& touched) {
                Scratch& scratch = Scratch::of_this_thread();
                YcsbCall::read(arguments, scratch.stamp, scratch.transaction);
                for (const YcsbOperation& operation : scratch.transaction)
                  touched.add(shared.table, shared.key(operation.key));
              },
          .run =
              [&shared](Session& session, Bytes arguments, std::vector<std::byte>&) {
                Scratch& scratch = Scratch::of_this_thread();
                YcsbCall::read(arguments, scratch.stamp, scratch.transaction);
                const Status status =
                    scratch.execution.execute(shared, session, scratch.transaction, scratch.stamp);
                if (status == Status::ok) scratch.execution.note_written(shared);
                return status;
              }};
}

/// One worker in one repetition.
class YcsbWorker {
 public:
  YcsbWorker(Shared& shared, Session& session, TimedTransactions& transactions, Isolation isolation,
             std::uint64_t seed, std::uint64_t stream, std::uint32_t worker, std::uint32_t workers)
      : shared_(shared),
        session_(session),
        transactions_(transactions),
        calls_(isolation == Isolation::serial),
        is_reader_(worker < shared.options.readers),
        operations_(shared.options, seed, stream, worker, workers),
        next_stamp_(stream << 40 | 1) {
    if (shared.options.latency_from == LatencyFrom::begin && !is_reader_) transactions.time_from_start();
  }

  WorkerResult run(const RunControl& control, WorkerProgress& progress) {
    MeasuredWaits waits;
    Phase seen = Phase::warm_up;
    std::uint64_t done = 0, user_bytes = 0;
    for (Phase phase = control.phase(); phase != Phase::stop; phase = control.phase()) {
      if (phase != seen) [[unlikely]] {
        seen = phase;
        waits.begin();
        result_.measured = {};
      }
      operations_.next(transaction_);
      if (!transactions_.wait_for_start(control, phase)) break;
      if (calls_) {
        call(control, phase);
      } else {
        if (!execute_until_done(control)) break;
        execution_.note_written(shared_);
        if (!transactions_.commit(session_, writes(), control, phase))
          throw VerificationError("ycsb: a commit was refused after prepare() had accepted the transaction");
      }
      user_bytes += count();
      progress.set(++done, user_bytes);
    }
    session_.wait_for_acknowledgements();
    result_.waits = waits.end();
    return result_;
  }

 private:
  /// False where the run was stopped before the engine accepted the transaction.
  bool execute_until_done(const RunControl& control) {
    for (Backoff backoff;; backoff.pause()) {
      is_reader_ ? session_.begin_read_only() : session_.begin();
      const Status status = execution_.execute(shared_, session_, transaction_, next_stamp_);
      if (status == Status::ok && session_.prepare()) return true;
      result_.measured.count_rollback(status);
      if (control.stopped()) return false;
    }
  }

  /// The whole transaction is one call. The engine never rolls it back for the sake of another one.
  void call(const RunControl& control, Phase phase) {
    YcsbCall::write(next_stamp_, transaction_, arguments_);
    next_stamp_ += transaction_.size();
    const bool committed =
        transactions_.finish(writes(), control, phase, [&](auto acknowledge, void* context) {
          return session_.call(kProcedure, arguments_, outcome_, acknowledge, context) == Status::ok;
        });
    if (!committed) throw VerificationError("ycsb: a procedure was rolled back under isolation serial");
  }

  bool writes() const { return std::ranges::any_of(transaction_, &YcsbOperation::writes); }

  /// Counts a transaction that was committed. Returns the bytes of the keys and values that it has changed.
  std::uint64_t count() {
    std::uint64_t changes = 0;
    for (const YcsbOperation& operation : transaction_) {
      changes += operation.writes();
      if (operation.kind == YcsbOperation::Kind::scan) ++result_.scans;
      if (operation.kind == YcsbOperation::Kind::insert) ++result_.inserted;
      if (operation.kind == YcsbOperation::Kind::read ||
          operation.kind == YcsbOperation::Kind::read_modify_write)
        ++result_.values_read;
    }
    if (changes != 0) ++result_.commits_logged;
    ++result_.measured.committed;
    return changes * (sizeof(YcsbKey) + shared_.values.bytes());
  }

  Shared& shared_;
  Session& session_;
  TimedTransactions& transactions_;
  const bool calls_;
  const bool is_reader_;
  YcsbOperations operations_;
  std::uint64_t next_stamp_;
  std::vector<YcsbOperation> transaction_;
  YcsbExecution execution_;
  std::vector<std::byte> arguments_;
  std::vector<std::byte> outcome_;
  WorkerResult result_;
};

/// What the engine calls damage is here a run that failed.
template <class Verify>
auto undamaged(Verify&& verify) {
  try {
    return verify();
  } catch (const DamageError& error) {
    throw VerificationError(fmt::format("ycsb: {}", error.what()));
  }
}

class Ycsb final : public Workload {
 public:
  Ycsb(const YcsbOptions& options, const EngineRun& run, DatabaseOpener open)
      : open_(std::move(open)),
        run_(run),
        shared_{options, 0, YcsbValue(options.value_bytes, run.seed, options.modify == YcsbModify::increment),
                Stamps(options.records)},
        results_(run.threads),
        measurement_(run) {
    run_.database.log_buffer.max_workers = run.threads + 1;  // one more thread loads and verifies
  }

  std::string_view operations() const override { return "transactions"; }

  void load(const std::function<bool()>& interrupted) override {
    database_ = open_(run_.database);
    shared_.table = database_->create_table(kTable, run_.table);
    database_->register_procedure(kProcedure, ycsb_procedure(shared_));
    if (!shared_.inserts()) partition_evenly();
    const auto session = database_->attach(CommitPolicy::async);
    std::vector<std::byte> value(shared_.values.bytes());
    for (std::uint64_t key = 0; key < shared_.options.records && !interrupted();) {
      session->begin();
      for (const std::uint64_t end = std::min(key + kLoadBatch, shared_.options.records); key < end; ++key) {
        shared_.values.write(key, kInsertedStamp, value);
        if (session->insert(shared_.table, shared_.key(key), value) != Status::ok) {
          throw VerificationError(fmt::format("ycsb: key {}: the load could not insert it", key));
        }
      }
      session->commit();
    }
    loaded_ = database_->log().reserved();
    database_->log().flush(loaded_);
  }

  void prepare() override {
    std::fill(results_.begin(), results_.end(), WorkerResult{});
    measurement_.begin();
  }

  void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) override {
    const auto session = database_->attach(run_.policy, run_.isolation);
    results_[worker] = YcsbWorker(shared_, *session, measurement_.transactions(worker), run_.isolation,
                                  run_.seed, stream_of(worker), worker, workers())
                           .run(control, progress);
  }

  Progressed sample(const Progressed& counted) override { return measurement_.sample(*database_, counted); }
  void window_edge(const Progressed& done) override { measurement_.window_edge(done); }

  RepetitionReport finish() override {
    RepetitionReport report;
    report.transactions.emplace();
    for (std::uint32_t i = 0; i < workers(); ++i) {
      const WorkerResult& worker = results_[i];
      *report.transactions += worker.measured;
      add(report.waits, worker.waits);
      commits_logged_ += worker.commits_logged;
      values_read_ += worker.values_read;
      scans_ += worker.scans;
      inserted_.push_back({stream_of(i), worker.inserted});
    }
    measurement_.add_to(report);
    report.storage->live_bytes = records() * (sizeof(YcsbKey) + shared_.values.bytes());
    ++repetition_;
    return report;
  }

  std::vector<Check> close() override {
    std::vector<Check> checks{{"values read: whole, and the key's own", values_read_}};
    checks.push_back({"records that hold what was committed last", verify_records()});
    if (shared_.options.mix == YcsbMix::e) checks.push_back({"scans: whole values, rising keys", scans_});
    if (shared_.inserts())
      checks.push_back({"insertions found, as many as were committed", verify_insertions()});
    if (run_.database.log.device == "file") {
      const auto log_is_kept = database_->keep_log();
      const std::uint64_t log_records = undamaged([this] { return verify_log(); });
      const bool from_load = database_->log_begin() <= loaded_;
      checks.push_back({from_load ? "log records whole, from the load to the durable end"
                                  : "log records whole, from the last checkpoint to the durable end",
                        log_records});
      checks.push_back({from_load
                            ? "commits found in the log, as many as were acknowledged"
                            : "commits not looked for in the log, of which checkpoints gave back the begin",
                        commits_logged_});
    } else {
      checks.push_back({"log not read back: log.device is memory", 0});
    }
    undamaged([this] { database_->check(); });
    checks.push_back({"trees walked, each page in its place", 1});
    database_->close();
    database_.reset();
    return checks;
  }

 private:
  static constexpr std::uint64_t kLoadBatch = 128;

  /// In the table.
  std::uint64_t records() const {
    std::uint64_t all = shared_.options.records;
    for (const auto& [stream, count] : inserted_) all += count;
    return all;
  }
  std::uint32_t workers() const { return static_cast<std::uint32_t>(results_.size()); }
  /// From 1: none that a worker has had before.
  std::uint64_t stream_of(std::uint32_t worker) const { return repetition_ * results_.size() + worker + 1; }

  /// Partitions are ranges of keys, so that the keys of one worker lie in few of them. Where records are inserted, the
  /// table is left hashed: keys are mixed.
  void partition_evenly() {
    const std::uint64_t records = shared_.options.records;
    const std::uint64_t partitions = std::min<std::uint64_t>(run_.database.partitions, records);
    std::vector<std::string> bounds;
    for (std::uint64_t i = 1; i < partitions; ++i) {
      const YcsbKey key = shared_.key(records * i / partitions);
      bounds.emplace_back(reinterpret_cast<const char*>(key.data()), key.size());
    }
    database_->partition_by_range(shared_.table, std::move(bounds));
  }

  Status read(Session& session, std::uint64_t key, std::vector<std::byte>& value) const {
    session.begin();
    const Status status = session.read(shared_.table, shared_.key(key), value);
    session.commit();
    return status;
  }

  void verify_record(Session& session, std::uint64_t key, std::uint64_t expected,
                     std::vector<std::byte>& value) const {
    const Status status = read(session, key, value);
    const auto found = status == Status::ok ? shared_.values.stamp(key, value) : std::nullopt;
    if (found == expected) return;
    throw VerificationError(fmt::format("ycsb: key {}: expected the committed update {}, found {}", key,
                                        expected, found ? std::to_string(*found) : "no whole value"));
  }

  std::uint64_t verify_records() {
    const auto session = database_->attach(CommitPolicy::async);
    std::vector<std::byte> value;
    for (std::uint64_t key = 0; key < shared_.options.records; ++key) {
      verify_record(*session, key, shared_.stamps[key], value);
    }
    return shared_.options.records;
  }

  /// All that was committed, and what comes next in each stream is not there: it was rolled back, or never drawn.
  std::uint64_t verify_insertions() {
    const auto session = database_->attach(CommitPolicy::async);
    std::vector<std::byte> value;
    std::uint64_t found = 0;
    for (const auto& [stream, count] : inserted_) {
      for (std::uint64_t i = 0; i < count; ++i, ++found) {
        verify_record(*session, ycsb_insertion(stream, i), kInsertedStamp, value);
      }
      const std::uint64_t next = ycsb_insertion(stream, count);
      if (read(*session, next, value) != Status::not_found) {
        throw VerificationError(
            fmt::format("ycsb: key {}: expected none, found a record that was not committed", next));
      }
    }
    return found;
  }

  /// While the log is kept.
  std::uint64_t verify_log() {
    const Lsn end = database_->log().reserved();
    database_->log().flush(end);
    // Checkpoints may have given back what was logged first.
    const Lsn begin = std::max(loaded_, database_->log_begin());
    LogReader reader(run_.database.directory / "log", begin);
    std::uint64_t records = 0;
    std::uint64_t commits = 0;
    std::uint64_t rolled_back = 0;  // after no change: an end record without an abort record
    Lsn reached = begin;
    while (reached < end) {
      const auto record = reader.next();
      if (!record)
        throw VerificationError(
            fmt::format("ycsb: log: expected records up to LSN {}: {}", end, reader.end().what));
      ++records;
      if (record->type == RecordType::commit) ++commits;
      if (record->type == RecordType::end) ++rolled_back;
      if (record->type == RecordType::abort) --rolled_back;
      reached = record->end;
    }
    const std::uint64_t expected = commits_logged_ + database_->begin_statistics().kept;
    if (begin == loaded_ ? commits + rolled_back != expected : commits > expected) {
      throw VerificationError(fmt::format("ycsb: log: expected {} commits, found {}", expected, commits));
    }
    return records;
  }

  const DatabaseOpener open_;
  EngineRun run_;
  std::unique_ptr<Database> database_;
  Shared shared_;
  Lsn loaded_ = 0;  // end of the log when the load was durable

  std::uint64_t repetition_ = 0;
  std::vector<WorkerResult> results_;  // each written once, by its worker, when it leaves
  EngineMeasurement measurement_;

  std::uint64_t commits_logged_ = 0;  // over all repetitions
  std::uint64_t values_read_ = 0;
  std::uint64_t scans_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> inserted_;  // likewise: stream, records of it
};

}  // namespace

std::unique_ptr<Workload> make_ycsb(const YcsbOptions& options, const EngineRun& run,
                                    const DatabaseOpener& open) {
  return std::make_unique<Ycsb>(options, run, open);
}

}  // namespace muster
