#include <fmt/format.h>

#include <stdexcept>

#include "algorithms/parts/backoff.h"
#include "engine/txn/transaction_session.h"

// The session's part of Isolation::serial. A partition is an exclusive lock that a transaction takes before it runs; an operation
// checks that its transaction has the lock. All the rest is as under two-phase locking: the session or the log's drainer
// releases the lock when the commit is in the log buffer or is durable, and the next holder knows what it depends on.

namespace muster {

Status TransactionSession::call(std::string_view name, Bytes arguments, std::vector<std::byte>& result,
                                Callback callback, void* context) {
  if (active_) throw std::logic_error("call: the transaction before has not ended");
  const Procedure& procedure = procedures_.get(name);
  partitions_.clear();
  if (level_ == Isolation::serial) procedure.partitions(arguments, partitions_);
  result.clear();
  start(false);
  Status status = Status::ok;
  try {
    if (level_ == Isolation::serial) own_partitions();
    in_procedure_ = true;
    status = procedure.run(*this, arguments, result);
    in_procedure_ = false;
    if (refusal_) std::rethrow_exception(std::exchange(refusal_, nullptr));
  } catch (...) {
    in_procedure_ = false;
    refusal_ = nullptr;
    if (active_) roll_back();
    throw;
  }
  if (!active_) return was_rolled_back(status) ? status : Status::deadlock;
  if (status != Status::ok) {
    roll_back();
    return status;
  }
  return commit(callback, context) ? Status::ok : Status::conflict;
}

/// Takes the partitions in rising order, so that no two transactions wait for each other. Only a deadlock policy refuses a lock
/// here, since it does not know that order; then the session tries again.
void TransactionSession::own_partitions() {
  for (Backoff backoff; !take_partitions(); backoff.pause()) engine_.locks.release_all(locks_, 0);
  if (ghosts_.is_due()) reclaim_ghosts();
}

bool TransactionSession::take_partitions() {
  bool all = true;
  partitions_.for_each([&](PartitionNumber partition) {
    const LockName name = partition_name(partition);
    all = all && (waits_for_locks_ ? engine_.locks.acquire(locks_, name, LockMode::exclusive)
                                   : engine_.locks.try_acquire(locks_, name, LockMode::exclusive));
  });
  return owns_partitions_ = all;
}

/// A transaction that does not wait takes its partitions with its first operation, which can report that it failed.
bool TransactionSession::has_partitions() {
  require_transaction();
  if (owns_partitions_ || take_partitions()) return true;
  roll_back();
  return false;
}

/// Rolls back and throws where the partition is not this transaction's.
void TransactionSession::require_partition(PartitionNumber partition, const std::string& wanted_for) {
  if (partitions_.has(partition)) return;
  const ConfigError refusal("partition", std::to_string(partition),
                            "want one that the procedure named, for " + wanted_for);
  refusal_ = std::make_exception_ptr(refusal);  // call() throws it even if the procedure catches it here
  roll_back();
  throw refusal;
}

bool TransactionSession::owns(TableId table, Bytes key) {
  if (!has_partitions()) return false;
  const PartitionNumber partition = partitions_.map().of(table, key);
  if (!partitions_.has(partition)) {
    std::string digits;
    for (const std::byte byte : key) digits += fmt::format("{:02x}", static_cast<unsigned>(byte));
    require_partition(partition, fmt::format("key {} of table {}", digits, table));
  }
  return true;
}

/// A scan also reads what lies between two keys. By range it needs the partitions in between, by hash all partitions.
Status TransactionSession::scan_partitions(TableId table, Bytes from,
                                           const std::function<bool(Bytes key, Bytes value)>& visit) {
  if (!has_partitions()) return Status::deadlock;
  const Table& records = engine_.tables.get(table);
  const PartitionMap& map = partitions_.map();
  const std::string wanted_for = fmt::format("a scan of table {}", table);
  const bool by_range = map.is_by_range(table);
  PartitionNumber next = by_range ? map.of(table, from) : 0;
  const auto require_up_to = [&](PartitionNumber last) {
    for (; next <= last; ++next) require_partition(next, wanted_for);
  };
  if (!by_range) require_up_to(map.count() - 1);
  bool stopped = false;
  records.scan(from, [&](const TableRecord& record) {
    if (by_range) require_up_to(map.of(table, record.key));
    // Read the record again: visit() may have changed it.
    if (records.find(record.key, scanned_) == Status::ok) {
      stopped = !visit(record.key, scanned_) || !active_;
      return !stopped;
    }
    if (record.ghost) note_ghost(table, record);
    return true;
  });
  if (!active_) return Status::deadlock;  // visit() has ended the transaction
  if (by_range && !stopped) require_up_to(map.last_of(table));
  return Status::ok;
}

/// Whether no unfinished removal can have left the ghosts of the key's partition. While another transaction owns the partition,
/// one can. While this transaction owns it, none can until its first change.
bool TransactionSession::is_partition_quiet(TableId table, Bytes key) {
  const PartitionNumber partition = partitions_.map().of(table, key);
  if (active_ && owns_partitions_ && !has_changed() && partitions_.has(partition))
    return locks_.depends_on() <= engine_.log.durable();
  return engine_.locks.is_free(partition_name(partition), engine_.log.durable());
}

}  // namespace muster
