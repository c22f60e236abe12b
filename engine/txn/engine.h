#pragma once

#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>

#include "engine/log/log_manager.h"
#include "engine/txn/active_transactions.h"
#include "engine/txn/admission.h"
#include "engine/txn/begin_record.h"
#include "engine/txn/commit_queue.h"
#include "engine/txn/gap_readers.h"
#include "engine/txn/lock_manager.h"
#include "engine/txn/serial_procedures.h"
#include "engine/txn/serialization_graph.h"
#include "engine/txn/table_locks.h"
#include "engine/txn/tables.h"
#include "engine/txn/versions.h"

namespace muster {

/// How sessions log and lock.
struct SessionOptions {
  bool early_lock_release = false;
  BeginRecord begin_record = BeginRecord::lazy;
  ReadCommitted read_committed = ReadCommitted::versions;
  PartitionNumber partitions = 8;
  DeadlockOptions deadlock;
};

/// What the sessions of a database share.
class Engine {
 public:
  Engine(LogManager& its_log, const Tables& its_tables, const SessionOptions& its_options,
         const LogOptions& log_options, TransactionId next_transaction, std::uint32_t sessions_max,
         const MemoryPlacement* memory)
      : log(its_log),
        tables(its_tables),
        commit_queue(its_log, log_options.group_commits, log_options.group_timeout),
        options(its_options),
        begins(sessions_max + 1),
        locks(memory, its_options.deadlock),
        table_locks(sessions_max + 1),
        active(sessions_max + 1),  // the log's workers: the database itself appends, too
        versions(sessions_max + 1, memory),
        serialization(sessions_max, memory),
        partitions(its_options.partitions),
        next_transaction_(next_transaction),
        sessions_max_(sessions_max),
        admission_(its_options.read_committed) {}

  LogManager& log;
  const Tables& tables;
  CommitQueue commit_queue;  // of CommitPolicy::queued_group
  const SessionOptions options;
  BeginCounters begins;
  LockManager locks;
  TableLocks table_locks;
  GapReaders gap_readers;
  ActiveTransactions active;
  VersionStore versions;
  SerializationGraph serialization;
  PartitionMap partitions;  // of Isolation::serial
  Procedures procedures;

  /// Whether a ghost may go. It may if no transaction can revive it or still has to meet its lock, no snapshot shows its
  /// record, and no inserter still has to meet marks in the gap below it.
  bool may_reclaim(TableId table, Bytes key) {
    return locks.is_free(lock_name(table, key), log.durable()) && !versions.has(table, key) &&
           serialization.is_free(gap_name(table, key));
  }

  /// Numbers [result, result + kTransactionBlock) for one session, so that not every transaction of every
  /// session writes the same line.
  TransactionId take_transactions() {
    return next_transaction_.fetch_add(kTransactionBlock, std::memory_order_relaxed);  // relaxed: only unique
  }
  TransactionId next_transaction() const { return next_transaction_.load(std::memory_order_relaxed); }
  static constexpr TransactionId kTransactionBlock = 1024;

  /// Throws std::runtime_error when there are as many as there may be, ConfigError as Admission does.
  void session_begins(Isolation level) {
    admission_.join(level);
    // relaxed: a count, no more
    if (sessions_.fetch_add(1, std::memory_order_relaxed) < sessions_max_) return;
    session_ends(level);
    throw std::runtime_error("log_buffer.max_workers sessions are attached already");
  }
  void session_ends(Isolation level) {
    sessions_.fetch_sub(1, std::memory_order_relaxed);
    admission_.leave(level);
  }
  std::uint32_t sessions() const { return sessions_.load(std::memory_order_relaxed); }

  /// Throws when nothing can be committed any more: the log has failed, or a rollback was left half done.
  /// What is in memory then may hold changes that no transaction committed; the files and the log are sound, and
  /// opening the database again repairs it.
  void throw_if_failed() const {
    log.throw_if_failed();
    if (failed_.load(std::memory_order_acquire)) std::rethrow_exception(failure_);  // pairs with fail()
  }
  /// Before the locks are released that hide what is half done.
  void fail(std::exception_ptr why) {
    const std::lock_guard guard(failing_);
    if (failed_.load(std::memory_order_relaxed)) return;  // relaxed: under the mutex; the first one counts
    failure_ = why;
    failed_.store(true, std::memory_order_release);  // publishes failure_
  }

 private:
  alignas(kCacheLine) std::atomic<TransactionId> next_transaction_;
  std::atomic<std::uint32_t> sessions_{0};
  const std::uint32_t sessions_max_;
  Admission admission_;
  alignas(kCacheLine) std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
  std::mutex failing_;
};

}  // namespace muster
