#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>

#include "engine/database.h"
#include "engine/txn/engine.h"
#include "engine/txn/ghost_list.h"
#include "engine/txn/session_versions.h"
#include "engine/txn/undo_list.h"

namespace muster {

class Undo;

/// A session over an Engine.
///
/// Locks      An operation takes a record's lock before it touches the tree, whether the record is there or not. Shared locks
///            go when the commit record is in the log buffer: the next writer of those records commits behind it. Exclusive
///            locks go at the same moment with early lock release and for `async`, else when the commit is durable: after
///            the wait, or from the log's drainer for `pipelined`.
/// Versions   A level writes versions if sessions that read versions may run beside it. The session links a version before the
///            page changes. It stamps its versions when readers may see the commit, before the exclusive locks go: once the
///            commit record is in the log buffer with early lock release and for `async` and `pipelined`, else once the
///            commit is durable. See versions.h.
/// Gaps       A scan takes shared locks on each record that it meets, ghosts too, and on the gap below it, and at the table's
///            end on the gap there. Then it checks that what it has read has not changed. An inserter locks the gap that its
///            key goes into with LockMode::add, under the leaf's latch, until the record is in the page. If its own
///            transaction has locked that gap shared, the lock becomes exclusive until then, and the inserter locks the new
///            key's gap shared, too. A read of an absent key locks no gap: the key's own lock keeps other transactions from
///            inserting it. A ghost whose lock is free may go, and its gap becomes a part of the next one. A scan that has
///            locked the ghost's gap has locked the ghost, too, so the ghost stays. A table that pays for finding the
///            successor asks for the gap only while a transaction may have locked gaps there (gap_readers.h).
/// Counters   An increment under two-phase locking takes LockMode::add, so that transactions that add to one number do not wait
///            for each other. Undo subtracts what was added.
/// Tables     A transaction notes that it reads or writes in a table before it does (table_locks.h). If another transaction has
///            locked the table, it waits for a lock of LockMode::add on the table's readers' or writers' name instead. A
///            transaction that locks a table locks these names, and then waits for transactions that came before. That wait
///            is no edge of the graph, and ends after a time.
/// Read committed  With engine.read_committed = locks, a read releases its lock at once, and a scan releases each record's
///            lock before it goes on. Neither locks gaps. Insertions do: scans of two-phase locking wait for them.
/// Marks      A serializable snapshot transaction marks what it reads and writes, asks the graph at its commit whether it may
///            commit, and takes its timestamp through the graph. See serialization_graph.h.
/// Partitions Under Isolation::serial a transaction has its partitions' locks from the start, and takes no others
///            (serial_session.cpp).
/// Undo       reads a list in memory, not the log: restart alone reads the log.
/// Ghosts     A removal, and an insertion that is taken back, leave a ghost with the record's lock, which scans wait for as
///            for any other. The session takes it away after a transaction, once the lock is free and what it
///            protected is durable; what it leaves behind, another one's scan finds, or a record that needs room.
/// Read-only  A transaction that changed nothing logs nothing, unless begin records are eager or elided
///            (begin_record.h). It is acknowledged once what it has seen is durable, and (pipelined) not before its
///            session's earlier commits if it has to wait at all.
class TransactionSession final : public Session, private ChangeLog {
 public:
  TransactionSession(std::shared_ptr<Engine> engine, CommitPolicy policy, Isolation level);
  ~TransactionSession() override;

  void begin() override;
  void begin_without_waiting() override;
  void begin_read_only() override;
  Status read(TableId table, Bytes key, std::vector<std::byte>& value) override;
  Status read_for_update(TableId table, Bytes key, std::vector<std::byte>& value) override;
  Status insert(TableId table, Bytes key, Bytes value) override;
  Status update(TableId table, Bytes key, Bytes value) override;
  Status remove(TableId table, Bytes key) override;
  Status lock_table(TableId table, LockMode mode) override;
  Status increment(TableId table, Bytes key, std::size_t offset, std::int64_t by) override;
  Status scan(TableId table, Bytes from, const std::function<bool(Bytes key, Bytes value)>& visit) override;
  void abort() override;
  Savepoint savepoint() const override;
  void roll_back_to(const Savepoint& savepoint) override;
  bool prepare() override;
  bool commit(void (*acknowledge)(void* context) noexcept, void* context) override;
  void wait_for_acknowledgements() override;
  Status call(std::string_view procedure, Bytes arguments, std::vector<std::byte>& result,
              void (*acknowledge)(void* context) noexcept, void* context) override;
  bool waits() override { return engine_.locks.waits(locks_); }

 private:
  using Callback = void (*)(void* context) noexcept;

  /// A pipelined commit on its way. From the session to the drainer and back through returned_.
  struct Pending : PendingCommit {
    TransactionSession* session = nullptr;
    LockRequest* held = nullptr;
    Callback callback = nullptr;
    void* context = nullptr;
    Pending* next = nullptr;
  };

  Lsn change(const RecordChange& change) override;
  Lsn restructure(std::span<const PageImage> pages) override;
  bool may_insert(TableId table, Bytes key, const Bytes* successor) override;
  bool guards_gaps(TableId table) const override;
  bool may_reclaim(TableId table, Bytes key) override;
  Lsn reclaim(const Reclaim& ghosts) override;

  /// Locks, or rolls back: false after a deadlock.
  bool lock(TableId table, Bytes key, LockMode mode);
  bool lock(LockName name, LockMode mode);
  bool intend(TableId table, TableLocks::Intent intent);
  bool await_others(TableId table, TableLocks::Intent intent);
  bool rolled_back();
  Status insert_between_locks(TableId table, Bytes key, Bytes value);
  void leave_gap();
  void join_gap_readers(TableId table);
  Status scan_serializable(TableId table, Bytes from, const std::function<bool(Bytes, Bytes)>& visit);
  Status scan_committed(TableId table, Bytes from, const std::function<bool(Bytes, Bytes)>& visit);
  void note_ghost(TableId table, const TableRecord& ghost);
  void require_transaction() const;
  void require_no_procedure() const;

  // snapshot_reads.cpp
  Status read_version(TableId table, Bytes key, std::vector<std::byte>& value);
  Status scan_versions(TableId table, Bytes from, const std::function<bool(Bytes key, Bytes value)>& visit);
  bool show(const SessionVersions::Reading& reading, TableId table, const TableRecord& record,
            const std::function<bool(Bytes key, Bytes value)>& visit);
  /// Locks exclusively, or rolls back: after a deadlock, or a conflict with a transaction that has committed first.
  Status lock_for_write(TableId table, Bytes key);

  // serializable_snapshot.cpp
  void begin_serializable(bool read_only);
  bool is_doomed();
  Status scan_marked(TableId table, Bytes from, const std::function<bool(Bytes key, Bytes value)>& visit);
  Status mark_write(TableId table, Bytes key, Status status);
  void mark_insertion(TableId table, Bytes key, LockName gap);
  bool may_commit();
  void roll_back_marks();
  void show_commit(const WrittenVersions& written, Lsn end);
  void collect_marks();

  void start(bool read_only);
  void own_everything();
  void roll_back();
  void take_back(Undo& undo, std::size_t changes_kept);
  void give_up();
  void finish();
  void reclaim_ghosts() noexcept;
  void tidy_up() noexcept;  ///< when it is due
  TransactionId new_number();
  void log_begin();
  bool has_changed() const { return last_ != begin_; }
  /// Whether the transaction leaves nothing in the log: it changed nothing, and had not begun there or took that back.
  bool leaves_no_trace();
  void commit_in_log(Callback callback, void* context);
  void commit_read_only(Callback callback, void* context);
  void acknowledge_later(Pending& pending, Lsn end, LockRequest* held);
  static void on_durable(PendingCommit& commit, bool durable) noexcept;
  Pending& take_pending(Callback callback, void* context);

  // Isolation::serial, in serial_session.cpp.
  void own_partitions();
  bool take_partitions();
  bool has_partitions();
  void require_partition(PartitionNumber partition, const std::string& wanted_for);
  bool owns(TableId table, Bytes key);
  Status scan_partitions(TableId table, Bytes from, const std::function<bool(Bytes key, Bytes value)>& visit);
  bool is_partition_quiet(TableId table, Bytes key);

  /// Counts the session as long as it lives.
  struct Registration {
    Registration(Engine& its_engine, Isolation its_level) : engine(its_engine), level(its_level) {
      engine.session_begins(level);
    }
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    ~Registration() { engine.session_ends(level); }
    Engine& engine;
    const Isolation level;
  };

  const std::shared_ptr<Engine> owned_;  // first: goes last, and perhaps the whole database with it
  Engine& engine_;
  const Registration registration_;
  const CommitPolicy policy_;
  const Isolation level_;
  const WorkerId worker_;
  LockHolder locks_;
  std::optional<SessionVersions> versions_;  // at levels that write versions
  const bool reads_versions_;
  SerializationMember* member_ = nullptr;       // at serializable_snapshot, else null
  SerializableTransaction* decided_ = nullptr;  // this transaction, if it wrote, once it may commit
  bool active_ = false;
  std::uint64_t transactions_ = 0;  // how many have begun
  bool waits_for_locks_ = true;     // this transaction
  bool is_read_only_ = false;       // this transaction, by begin_read_only()
  bool was_victim_ = false;         // the transaction before
  bool is_registered_ = false;      // in engine_.active
  bool is_prepared_ = false;        // prepare() has said that it may commit
  TransactionId transaction_ = 0;   // 0 until something of it is logged
  TransactionId next_number_ = 0;   // [next_number_, numbers_end_) are this session's
  TransactionId numbers_end_ = 0;
  Lsn begin_ = 0;  // of a begin record that was logged without a change
  Lsn last_ = 0;   // the transaction's newest record
  UndoList undo_;
  GhostList ghosts_;
  KnownProcedures procedures_;
  bool in_procedure_ = false;
  PartitionSet partitions_;  // under Isolation::serial: the partitions that the transaction has named
  bool owns_partitions_ = false;
  std::exception_ptr refusal_;      // the procedure touched a partition that it had not named
  std::vector<std::byte> scanned_;  // a scan's record, read again

  /// The gap that the insertion under way has locked, and how the transaction held it before.
  struct Gap {
    LockName name = 0;
    std::optional<LockMode> before;
  };
  Gap gap_;
  /// Tables that the transaction has locked, and whether against readers or writers.
  std::vector<std::pair<TableId, TableLocks::Intent>> guarded_;
  std::vector<TableId> gaps_read_in_;  ///< where engine_.gap_readers counts the transaction
  struct Wish {
    LockName name = 0;
    LockMode mode = LockMode::shared;
  };
  Wish refused_;  // why may_insert() said no

  Lsn last_pending_ = 0;  // acknowledgements are asked for in this order
  Pending* free_ = nullptr;
  std::deque<Pending> pendings_;
  /// The drainer pushes, the session takes.
  alignas(kCacheLine) std::atomic<Pending*> returned_{nullptr};
};

}  // namespace muster
