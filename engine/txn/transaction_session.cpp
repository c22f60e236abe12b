#include "engine/txn/transaction_session.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/txn/undo.h"

namespace muster {
namespace {

/// A session with so many ghosts on its list adds no more ghosts of other sessions.
constexpr std::size_t kForeignGhostsMax = 4096;

/// Whether sessions that read versions may run beside this level.
bool writes_versions(Isolation level) {
  return level == Isolation::read_committed || level == Isolation::snapshot ||
         level == Isolation::serializable_snapshot;
}

bool reads_versions(Isolation level, ReadCommitted read_committed) {
  return writes_versions(level) &&
         (level != Isolation::read_committed || read_committed == ReadCommitted::versions);
}

}  // namespace

TransactionSession::TransactionSession(std::shared_ptr<Engine> engine, CommitPolicy policy, Isolation level)
    : owned_(std::move(engine)),
      engine_(*owned_),
      registration_(engine_, level),
      policy_(policy),
      level_(level),
      worker_(engine_.log.attach()),
      reads_versions_(reads_versions(level, engine_.options.read_committed)),
      procedures_(engine_.procedures),
      partitions_(engine_.partitions) {
  if (!writes_versions(level)) return;
  versions_.emplace(engine_, worker_,
                    level == Isolation::read_committed ? SessionVersions::SnapshotOf::operation
                                                       : SessionVersions::SnapshotOf::transaction);
  if (level == Isolation::serializable_snapshot) member_ = &engine_.serialization.join();
}

TransactionSession::~TransactionSession() {
  try {
    if (active_) abort();
  } catch (const std::exception&) {  // the engine has noted that it failed, and tells the other sessions
  }
  engine_.log.wait_for_acknowledgements(worker_);
  if (versions_) versions_->collect();  // before the ghosts, which they keep
  if (member_ != nullptr)
    engine_.serialization.leave(*member_, engine_.versions.clock().visible());  // likewise
  reclaim_ghosts();
  versions_.reset();  // the worker is another session's from now on
  engine_.log.detach(worker_);
  engine_.locks.forget(locks_);
}

void TransactionSession::begin() {
  start(false);
  own_everything();
}

void TransactionSession::begin_read_only() {
  start(true);
  own_everything();
}

/// Under Isolation::serial an interactive transaction takes all partitions: nothing says yet which it will touch.
void TransactionSession::own_everything() {
  if (level_ != Isolation::serial) return;
  partitions_.add_all();
  own_partitions();
}

void TransactionSession::start(bool read_only) {
  require_no_procedure();
  if (active_) throw std::logic_error("begin: the transaction before has not ended");
  engine_.throw_if_failed();
  if (engine_.options.begin_record != BeginRecord::lazy) log_begin();
  engine_.locks.begins(locks_, std::exchange(was_victim_, false));
  active_ = true;
  ++transactions_;
  waits_for_locks_ = true;
  owns_partitions_ = false;
  is_read_only_ = read_only;
  if (member_ != nullptr) {
    begin_serializable(read_only);
  } else if (versions_) {
    versions_->begin();
  }
}

void TransactionSession::begin_without_waiting() {
  start(false);
  waits_for_locks_ = false;
  if (level_ == Isolation::serial) partitions_.add_all();
}

TransactionId TransactionSession::new_number() {
  if (next_number_ == numbers_end_) {
    next_number_ = engine_.take_transactions();
    numbers_end_ = next_number_ + Engine::kTransactionBlock;
  }
  return next_number_++;
}

void TransactionSession::log_begin() {
  const TransactionId number = new_number();
  engine_.active.begins(worker_, engine_.log.durable());
  is_registered_ = true;
  begin_ = last_ = engine_.log.append_begin(worker_, number).begin;
  transaction_ = number;
}

bool TransactionSession::leaves_no_trace() {
  if (has_changed()) return false;
  if (transaction_ == 0) return true;
  const bool retracted =
      engine_.options.begin_record == BeginRecord::elided && engine_.log.retract_begin(worker_, begin_);
  engine_.begins.count(worker_, retracted);
  return retracted;
}

void TransactionSession::require_transaction() const {
  if (!active_) throw std::logic_error("there is no transaction: begin() comes first, also after a deadlock");
}

void TransactionSession::require_no_procedure() const {
  if (in_procedure_) throw std::logic_error("a procedure's transaction ends with the procedure");
}

bool TransactionSession::lock(TableId table, Bytes key, LockMode mode) {
  if (level_ == Isolation::serial) return owns(table, key);
  require_transaction();
  const bool reads = mode == LockMode::shared;
  return intend(table, reads ? TableLocks::Intent::read : TableLocks::Intent::write) &&
         lock(lock_name(table, key), mode);
}

/// Notes the intention. Within a transaction, only the first call for a table does more than read the thread's own slot. False:
/// the transaction has been rolled back.
bool TransactionSession::intend(TableId table, TableLocks::Intent intent) {
  if (table >= BufferManager::kMaxTables) return true;  // the operation refuses it later
  if (engine_.table_locks.intends(worker_, table, intent)) return true;
  if (engine_.table_locks.intend(worker_, table, intent)) return true;
  return lock(intent == TableLocks::Intent::read ? readers_name(table) : writers_name(table), LockMode::add);
}

Status TransactionSession::lock_table(TableId table, LockMode mode) {
  require_transaction();
  engine_.tables.get(table);
  using Intent = TableLocks::Intent;
  if (mode == LockMode::add) throw std::invalid_argument("lock_table: want shared or exclusive");
  for (const auto& [intent, name] :
       {std::pair(Intent::write, writers_name(table)), std::pair(Intent::read, readers_name(table))}) {
    if (intent == Intent::read && mode == LockMode::shared) break;
    if (!lock(name, mode)) return Status::deadlock;
    guarded_.emplace_back(table, intent);
    engine_.table_locks.guard(table, intent);
    if (!await_others(table, intent)) return rolled_back(), Status::deadlock;
  }
  return Status::ok;
}

/// Waits until no other worker has the intention. False: the time was over before.
bool TransactionSession::await_others(TableId table, TableLocks::Intent intent) {
  const auto until = std::chrono::steady_clock::now() + engine_.options.deadlock.timeout;
  for (Backoff backoff; engine_.table_locks.others_intend(worker_, table, intent); backoff.pause()) {
    if (!waits_for_locks_ || std::chrono::steady_clock::now() > until) return false;
  }
  return true;
}

bool TransactionSession::lock(LockName name, LockMode mode) {
  require_transaction();
  if (waits_for_locks_ ? engine_.locks.acquire(locks_, name, mode)
                       : engine_.locks.try_acquire(locks_, name, mode)) {
    return true;
  }
  return rolled_back();
}

bool TransactionSession::rolled_back() {
  roll_back();
  was_victim_ = true;
  return false;
}

Status TransactionSession::read(TableId table, Bytes key, std::vector<std::byte>& value) {
  if (reads_versions_) return read_version(table, key, value);
  const bool is_short = level_ == Isolation::read_committed && !locks_.mode_of(lock_name(table, key));
  if (!lock(table, key, LockMode::shared)) return Status::deadlock;
  const Status status = engine_.tables.get(table).find(key, value);
  if (is_short) engine_.locks.release_early(locks_, lock_name(table, key));
  return status;
}

Status TransactionSession::read_for_update(TableId table, Bytes key, std::vector<std::byte>& value) {
  if (const Status locked = lock_for_write(table, key); locked != Status::ok) return locked;
  if (member_ != nullptr) engine_.serialization.read(*member_, lock_name(table, key));
  return engine_.tables.get(table).find(key, value);
}

Status TransactionSession::insert(TableId table, Bytes key, Bytes value) {
  if (const Status locked = lock_for_write(table, key); locked != Status::ok) return locked;
  const Status status = insert_between_locks(table, key, value);
  if (gap_.name != 0) leave_gap();
  return mark_write(table, key, status);
}

Status TransactionSession::insert_between_locks(TableId table, Bytes key, Bytes value) {
  for (;;) {
    const Status status = engine_.tables.get(table).insert(key, value, *this);
    if (status != Status::conflict) return status;
    if (!lock(refused_.name, refused_.mode)) return Status::deadlock;
  }
}

/// Waits for no lock, since the leaf is latched. insert_between_locks() waits for a refused lock later, and tries again.
bool TransactionSession::may_insert(TableId table, Bytes key, const Bytes* successor) {
  const LockName name = successor != nullptr ? gap_name(table, *successor) : end_gap_name(table);
  if (versions_) mark_insertion(table, key, name);
  if (level_ != Isolation::two_phase_locking && level_ != Isolation::read_committed) return true;
  const auto try_lock = [this](LockName wanted, LockMode mode) {
    refused_ = {wanted, mode};
    return engine_.locks.try_acquire(locks_, wanted, mode);
  };
  if (gap_.name != name) {
    if (gap_.name != 0) leave_gap();  // while this waited, another transaction inserted a key in between
    gap_ = {name, locks_.mode_of(name)};
  }
  if (!try_lock(name, LockMode::add)) return false;
  return !gap_.before || try_lock(gap_name(table, key), LockMode::shared);
}

/// Under two-phase locking only scans lock gaps. While no running transaction has scanned the table, there is no gap to ask for.
bool TransactionSession::guards_gaps(TableId table) const {
  if (versions_ && engine_.serialization.is_in_use()) return true;
  const bool locks_gaps = level_ == Isolation::two_phase_locking || level_ == Isolation::read_committed;
  return locks_gaps && engine_.gap_readers.any(table);
}

void TransactionSession::join_gap_readers(TableId table) {
  if (std::ranges::find(gaps_read_in_, table) != gaps_read_in_.end()) return;
  gaps_read_in_.push_back(table);
  engine_.gap_readers.join(table);
}

/// The record is in its page, or will not come. Gives the gap's lock the mode that it had before.
void TransactionSession::leave_gap() {
  const Gap gap = std::exchange(gap_, {});
  const std::optional<LockMode> now = locks_.mode_of(gap.name);
  if (!now || now == gap.before) return;
  if (gap.before) {
    engine_.locks.weaken(locks_, gap.name);
  } else {
    engine_.locks.release_early(locks_, gap.name);
  }
}

Status TransactionSession::update(TableId table, Bytes key, Bytes value) {
  if (const Status locked = lock_for_write(table, key); locked != Status::ok) return locked;
  return mark_write(table, key, engine_.tables.get(table).update(key, value, *this));
}

Status TransactionSession::remove(TableId table, Bytes key) {
  if (const Status locked = lock_for_write(table, key); locked != Status::ok) return locked;
  return mark_write(table, key, engine_.tables.get(table).remove(key, *this));
}

/// At other levels a transaction beside this one may need the value before, which an increment's record does not hold.
Status TransactionSession::increment(TableId table, Bytes key, std::size_t offset, std::int64_t by) {
  if (level_ != Isolation::two_phase_locking) return Session::increment(table, key, offset, by);
  if (!lock(table, key, LockMode::add)) return Status::deadlock;
  return engine_.tables.get(table).increment(key, {offset, by}, *this);
}

Status TransactionSession::scan(TableId table, Bytes from,
                                const std::function<bool(Bytes key, Bytes value)>& visit) {
  if (member_ != nullptr) return scan_marked(table, from, visit);
  if (reads_versions_) return scan_versions(table, from, visit);
  if (level_ == Isolation::serial) return scan_partitions(table, from, visit);
  require_transaction();
  return level_ == Isolation::read_committed ? scan_committed(table, from, visit)
                                             : scan_serializable(table, from, visit);
}

/// If the table has changed before the scan had the locks, the scan reads it again from the last record on. A record that comes
/// first then and was locked before needs no second check: no transaction can have changed it or inserted a key before it.
Status TransactionSession::scan_serializable(TableId table, Bytes from,
                                             const std::function<bool(Bytes, Bytes)>& visit) {
  const Table& records = engine_.tables.get(table);
  if (!intend(table, TableLocks::Intent::read)) return Status::deadlock;
  join_gap_readers(table);
  std::vector<std::byte> last(from.begin(), from.end());
  bool was_visited = false;  // `last`
  LockName locked = 0;       // a record that is locked, with its gap, since before the table was read
  bool end_is_locked = false;
  bool done = false;
  const auto meet = [&](const TableRecord& record) {
    if (was_visited && std::ranges::equal(record.key, last)) return true;
    const LockName name = lock_name(table, record.key);
    if (!lock(gap_name(table, record.key), LockMode::shared) || !lock(name, LockMode::shared)) return false;
    if (name != locked && !record.is_current()) {
      locked = name;
      return false;
    }
    if (record.stays) {
      last.assign(record.key.begin(), record.key.end());
      was_visited = true;
    }
    if (record.ghost) {
      note_ghost(table, record);
    } else {
      done = !visit(record.key, record.value);
    }
    return active_ && !done;  // an operation of visit() may have rolled the transaction back
  };
  while (!done) {
    const bool came_to_end = records.scan(last, std::ref(meet));
    if (!active_) return Status::deadlock;
    done = done || (came_to_end && end_is_locked);
    if (done || !came_to_end) continue;
    if (!lock(end_gap_name(table), LockMode::shared)) return Status::deadlock;
    end_is_locked = true;
  }
  return Status::ok;
}

/// Reads each record under its lock, and releases the lock before it shows the record.
Status TransactionSession::scan_committed(TableId table, Bytes from,
                                          const std::function<bool(Bytes, Bytes)>& visit) {
  const Table& records = engine_.tables.get(table);
  if (!intend(table, TableLocks::Intent::read)) return Status::deadlock;
  std::vector<std::byte> again;
  records.scan(from, [&](const TableRecord& record) {
    const LockName name = lock_name(table, record.key);
    const bool is_short = !locks_.mode_of(name);
    if (!lock(name, LockMode::shared)) return false;
    // What the tree showed may have been uncommitted: a record may be gone, and a ghost revived.
    const bool current = record.is_current();
    const bool found = current ? !record.ghost : records.find(record.key, again) == Status::ok;
    if (is_short) engine_.locks.release_early(locks_, name);
    if (found) return visit(record.key, current ? record.value : again) && active_;
    if (record.ghost) note_ghost(table, record);
    return true;
  });
  return active_ ? Status::ok : Status::deadlock;
}

void TransactionSession::note_ghost(TableId table, const TableRecord& ghost) {
  if (ghost.stays && ghosts_.size() < kForeignGhostsMax) ghosts_.add(table, ghost.key);
}

Lsn TransactionSession::change(const RecordChange& change) {
  if (is_read_only_) throw std::logic_error("a transaction that begin_read_only() has begun changes nothing");
  undo_.make_room(change);
  if (versions_) versions_->keep(change);
  if (change.kind == ChangeKind::remove) ghosts_.add(change.table, change.key);
  LogPosition position;
  if (transaction_ == 0) {
    const TransactionId number = new_number();
    engine_.active.begins(worker_, engine_.log.durable());
    is_registered_ = true;
    position = engine_.log.append_begin_and_change(worker_, number, change);
    transaction_ = number;
  } else {
    position = engine_.log.append_change(worker_, transaction_, last_, change);
  }
  undo_.add(change, position.begin, last_);
  last_ = position.begin;
  return position.end;
}

Lsn TransactionSession::restructure(std::span<const PageImage> pages) {
  return engine_.log.append_structure(worker_, pages).end;
}

bool TransactionSession::may_reclaim(TableId table, Bytes key) {
  if (level_ == Isolation::serial) return is_partition_quiet(table, key);
  return engine_.may_reclaim(table, key);
}

Lsn TransactionSession::reclaim(const Reclaim& ghosts) {
  return engine_.log.append_reclaim(worker_, ghosts).end;
}

/// Between transactions, whose outcome does not hang on it. Where it fails the ghosts stay; the next operation that needs the
/// same page or the log throws what is wrong with it.
void TransactionSession::reclaim_ghosts() noexcept {
  try {
    engine_.throw_if_failed();
    ghosts_.look([&](TableId table, Bytes key) {
      if (!may_reclaim(table, key)) return false;
      engine_.tables.get(table).reclaim(key, *this);
      return true;
    });
  } catch (const std::exception&) {
    ghosts_.clear();
  }
}

/// After a transaction. Under Isolation::serial ghosts wait for the next transaction (own_partitions()): by now another session
/// may have the partition.
void TransactionSession::tidy_up() noexcept {
  if (versions_) versions_->collect_if_due();  // before the ghosts, which they keep
  if (level_ != Isolation::serial && ghosts_.is_due()) reclaim_ghosts();
}

void TransactionSession::finish() {
  active_ = false;
  if (versions_) versions_->end();
  if (std::exchange(is_registered_, false)) engine_.active.ended(worker_);
  transaction_ = 0;
  begin_ = 0;
  last_ = 0;
  gap_ = {};
  is_prepared_ = false;
  for (const auto& [table, intent] : guarded_) engine_.table_locks.unguard(table, intent);
  guarded_.clear();
  engine_.table_locks.end(worker_);
  for (const TableId table : gaps_read_in_) engine_.gap_readers.leave(table);
  gaps_read_in_.clear();
  undo_.clear();
}

void TransactionSession::abort() {
  require_transaction();
  require_no_procedure();
  roll_back();
}

void TransactionSession::take_back(Undo& undo, std::size_t changes_kept) {
  for (; undo_.size() > changes_kept; undo_.remove_last()) {
    const UndoList::Entry entry = undo_.last();
    undo.take_back(engine_.tables, entry.table, entry.kind, entry.key, entry.before, entry.previous);
    if (entry.kind == ChangeKind::insert) ghosts_.add(entry.table, entry.key);
  }
}

void TransactionSession::roll_back() {
  const bool changed = has_changed();
  try {
    if (!leaves_no_trace()) {
      // No abort record where nothing is taken back: the begin may have gone all the same (retractions.h).
      if (changed) last_ = engine_.log.append_mark(worker_, transaction_, last_, RecordType::abort).begin;
      Undo undo(engine_.log, worker_, transaction_, last_, this);
      take_back(undo, 0);
      undo.end();
    }
  } catch (...) {
    give_up();
    throw;
  }
  if (versions_) engine_.versions.roll_back(versions_->written());
  if (member_ != nullptr) roll_back_marks();
  engine_.locks.release_all(locks_, 0);
  finish();
  if (changed) tidy_up();
}

bool TransactionSession::prepare() {
  require_transaction();
  require_no_procedure();
  if (member_ == nullptr || is_prepared_) return true;
  return is_prepared_ = may_commit();
}

/// A rollback is half done, and from now on nothing is committed: restart does the rest.
void TransactionSession::give_up() {
  engine_.fail(std::current_exception());
  engine_.locks.release_all(locks_, 0);
  finish();
}

Savepoint TransactionSession::savepoint() const {
  require_transaction();
  return {transactions_, undo_.size()};
}

void TransactionSession::roll_back_to(const Savepoint& savepoint) {
  require_transaction();
  if (savepoint.transaction != transactions_ || savepoint.changes > undo_.size())
    throw std::logic_error(
        "roll_back_to: the savepoint is of another transaction, or this one has gone back behind it");
  try {
    Undo undo(engine_.log, worker_, transaction_, last_, this);
    take_back(undo, savepoint.changes);
    last_ = undo.last();
  } catch (...) {
    give_up();
    throw;
  }
}

bool TransactionSession::commit(Callback callback, void* context) {
  require_transaction();
  require_no_procedure();
  if (!prepare()) return false;
  if (leaves_no_trace()) {
    commit_read_only(callback, context);
  } else {
    commit_in_log(callback, context);
    tidy_up();
  }
  collect_marks();
  return true;
}

void TransactionSession::commit_in_log(Callback callback, void* context) {
  const bool pipelined = policy_ == CommitPolicy::pipelined;
  LockRequest* held = nullptr;
  WrittenVersions written;
  try {
    engine_.throw_if_failed();
    Pending* const pending = pipelined ? &take_pending(callback, context) : nullptr;
    const Lsn end = policy_ == CommitPolicy::queued_group
                        ? engine_.commit_queue.commit(worker_, transaction_, last_)
                        : engine_.log.append_mark(worker_, transaction_, last_, RecordType::commit).end;
    if (versions_) written = versions_->written();
    finish();
    // The session does not wait for the log here, and its next transaction has to see this commit.
    const bool early = engine_.options.early_lock_release || policy_ == CommitPolicy::async;
    if (early || pipelined) show_commit(std::exchange(written, {}), end);
    if (early) {
      engine_.locks.release_all(locks_, end);
    } else {
      held = engine_.locks.release_shared(locks_);
    }
    if (pipelined) return acknowledge_later(*pending, end, held);
    if (policy_ != CommitPolicy::async) engine_.log.wait_for_commit(worker_, end, policy_);
  } catch (...) {
    // The engine has failed, and every session learns it: none takes for committed what these locks have hidden.
    if (active_) {
      // Before the locks go: no commit record, and nothing taken back.
      engine_.fail(std::current_exception());
      finish();
      held = engine_.locks.release_shared(locks_);
    }
    engine_.locks.release(held, 0);
    locks_.take_back(held);
    throw;
  }
  show_commit(written, 0);
  engine_.locks.release(held, 0);
  locks_.take_back(held);
  if (callback != nullptr) callback(context);
}

void TransactionSession::commit_read_only(Callback callback, void* context) {
  Lsn seen = policy_ == CommitPolicy::async ? 0 : locks_.depends_on();
  if (versions_ && policy_ != CommitPolicy::async) seen = std::max(seen, versions_->depends_on());
  engine_.locks.release_all(locks_, 0);
  finish();
  engine_.throw_if_failed();
  if (seen > engine_.log.durable()) {
    if (policy_ == CommitPolicy::pipelined) {
      return acknowledge_later(take_pending(callback, context), std::max(seen, last_pending_), nullptr);
    }
    engine_.log.wait_for_commit(worker_, seen, policy_);
  }
  if (callback != nullptr) callback(context);
}

void TransactionSession::acknowledge_later(Pending& pending, Lsn end, LockRequest* held) {
  pending.end = end;
  pending.held = held;
  last_pending_ = end;
  engine_.log.acknowledge_later(worker_, pending);
}

/// In the log's own thread. It takes bucket latches for moments; a thread that holds one never waits for the log.
void TransactionSession::on_durable(PendingCommit& commit, bool durable) noexcept {
  auto& pending = static_cast<Pending&>(commit);
  TransactionSession& session = *pending.session;
  session.engine_.locks.release(pending.held, 0);
  if (durable && pending.callback != nullptr) pending.callback(pending.context);
  pending.next = session.returned_.load(std::memory_order_relaxed);  // relaxed: checked by the exchange
  // release: pairs with take_pending(), which uses pending and its requests again.
  while (!session.returned_.compare_exchange_weak(pending.next, &pending, std::memory_order_release,
                                                  std::memory_order_relaxed)) {}
}

TransactionSession::Pending& TransactionSession::take_pending(Callback callback, void* context) {
  if (free_ == nullptr) {
    free_ = returned_.exchange(nullptr, std::memory_order_acquire);  // pairs with on_durable()
    for (Pending* pending = free_; pending != nullptr; pending = pending->next)
      locks_.take_back(pending->held);
  }
  if (free_ == nullptr) {
    free_ = &pendings_.emplace_back();
    free_->session = this;
    free_->acknowledge = on_durable;
  }
  Pending& pending = *free_;
  free_ = pending.next;
  pending.next = nullptr;
  pending.callback = callback;
  pending.context = context;
  return pending;
}

void TransactionSession::wait_for_acknowledgements() {
  engine_.log.wait_for_acknowledgements(worker_);
  if (active_) return;
  if (versions_) versions_->collect();  // before the ghosts, which they keep
  if (member_ != nullptr)
    engine_.serialization.collect(*member_, engine_.versions.clock().visible());  // likewise
  reclaim_ghosts();
}

}  // namespace muster
