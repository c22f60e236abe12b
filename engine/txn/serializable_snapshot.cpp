#include <algorithm>
#include <stdexcept>
#include <utility>

#include "engine/txn/transaction_session.h"

namespace muster {

// What a session at level serializable_snapshot does in addition to one at snapshot.

void TransactionSession::begin_serializable(bool read_only) {
  const auto take = [this] {
    versions_->begin();
    return versions_->snapshot();
  };
  engine_.serialization.begin(*member_, take, read_only);
}

/// Rolls the transaction back if it cannot commit any more, and says whether it has.
bool TransactionSession::is_doomed() {
  require_transaction();
  if (is_prepared_) throw std::logic_error("after prepare() only commit() or abort() may come");
  if (member_ == nullptr || !SerializationGraph::is_doomed(member_->current())) return false;
  roll_back();
  return true;
}

/// As scan_versions(). The scan shows a record once it has marked the record and the gap below it, and has checked that no key
/// came into the gap before the marks. If one may have, it reads the table again. A record that comes first then and was marked
/// before needs no second check.
Status TransactionSession::scan_marked(TableId table, Bytes from,
                                       const std::function<bool(Bytes key, Bytes value)>& visit) {
  if (is_doomed()) return Status::conflict;
  if (SerializationGraph::is_safe(member_->current())) return scan_versions(table, from, visit);
  SerializationGraph& graph = engine_.serialization;
  const Table& records = engine_.tables.get(table);
  const SessionVersions::Reading reading(*versions_);
  const std::uint32_t transaction = versions_->transaction();
  std::vector<std::byte> last(from.begin(), from.end());
  bool was_shown = false;  // `last`
  LockName marked = 0;     // a record that was marked, with its gap, before the table was read
  bool end_is_marked = false;
  bool done = false;
  const auto meet = [&](const TableRecord& record) {
    if (was_shown && std::ranges::equal(record.key, last)) return true;
    const LockName name = lock_name(table, record.key);
    graph.read_gap(*member_, gap_name(table, record.key));
    graph.read(*member_, name);
    if (name != marked && !record.is_current()) {
      marked = name;
      return false;
    }
    // A ghost that a snapshot in use shows has a version, and stays for that.
    if (record.stays || engine_.versions.has(table, record.key)) {
      last.assign(record.key.begin(), record.key.end());
      was_shown = true;
    }
    done = !show(reading, table, record, visit);
    return !done;
  };
  while (!done) {
    const bool came_to_end = records.scan(last, std::ref(meet));
    done = done || (came_to_end && end_is_marked);
    if (done || !came_to_end) continue;
    graph.read_gap(*member_, end_gap_name(table));
    end_is_marked = true;
  }
  return active_ && versions_->transaction() == transaction ? Status::ok : Status::deadlock;
}

/// A change that fails because the record is absent or present has read that. The session holds the record's lock, so it may mark
/// after the change.
Status TransactionSession::mark_write(TableId table, Bytes key, Status status) {
  if (member_ == nullptr || was_rolled_back(status)) return status;
  const LockName name = lock_name(table, key);
  if (status == Status::ok) {
    engine_.serialization.write(*member_, name);
  } else {
    engine_.serialization.read(*member_, name);
  }
  return status;
}

/// Under the leaf's latch. Sessions of every level that may run beside serializable ones do this, since scans mark gaps.
void TransactionSession::mark_insertion(TableId table, Bytes key, LockName gap) {
  if (!engine_.serialization.is_in_use()) return;
  engine_.serialization.insert(member_,
                               {.above = gap, .gap = gap_name(table, key), .record = lock_name(table, key)});
}

/// Asks the graph whether the transaction may commit, and rolls it back if not.
bool TransactionSession::may_commit() {
  SerializableTransaction& me = member_->current();
  const bool wrote = me.wrote.load(std::memory_order_relaxed);  // relaxed: this thread's
  decided_ = nullptr;
  if (!engine_.serialization.decide(*member_)) {
    roll_back();
    return false;
  }
  if (wrote) decided_ = &me;
  return true;
}

/// After prepare() the graph has decided already.
void TransactionSession::roll_back_marks() {
  if (!is_prepared_) return engine_.serialization.roll_back(*member_);
  if (decided_ != nullptr) engine_.serialization.take_back(*member_, *std::exchange(decided_, nullptr));
}

/// New snapshots show the commit from now on.
void TransactionSession::show_commit(const WrittenVersions& written, Lsn end) {
  CommitClock& clock = engine_.versions.clock();
  if (decided_ == nullptr) return engine_.versions.commit(written, end);
  SerializableTransaction& me = *std::exchange(decided_, nullptr);
  engine_.versions.commit(
      written, end, [&] { return engine_.serialization.commit(*member_, me, [&] { return clock.take(); }); });
}

void TransactionSession::collect_marks() {
  if (member_ == nullptr || !engine_.serialization.is_due(*member_)) return;
  engine_.serialization.collect(*member_, engine_.versions.clock().visible());
}

}  // namespace muster
