#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/index/btree.h"
#include "engine/isolation.h"
#include "engine/log/log_manager.h"
#include "engine/lsm/lsm_options.h"
#include "engine/storage/buffer_manager.h"
#include "engine/txn/begin_record.h"
#include "engine/txn/deadlock_policy.h"
#include "engine/txn/lock_mode.h"
#include "engine/txn/restart_report.h"
#include "engine/txn/serial_procedures.h"
#include "engine/txn/version_statistics.h"
#include "engine/types.h"

namespace muster {

struct DatabaseOptions {
  /// Tables, catalogue and (under log/, unless log.directory says otherwise) the log. With log.device
  /// "memory" the tables are unnamed files there and nothing outlives the Database.
  std::filesystem::path directory;
  std::string algorithm = "border_collie";
  LogBufferOptions log_buffer;
  LogOptions log;
  /// Pages of 4 KiB that may be in memory at a time: 4 at least for each of log_buffer.max_workers, and 16.
  std::size_t frames = 65536;
  /// A checkpoint is taken beside running transactions when the log has grown by so many bytes since the last one (0: none
  /// on this account), or so much time has passed and it has grown at all (0: whatever the time); log.device "file". At
  /// least log.segment_bytes, or nothing could go.
  std::uint64_t checkpoint_bytes = std::uint64_t{256} << 20;
  std::chrono::milliseconds checkpoint_time{0};
  /// Threads that redo pages after a crash, 8 at most; 0: as many as there are processing units for this process.
  std::uint32_t redo_workers = 0;
  lsm::LsmOptions lsm;                                     ///< of all tables of TableKind::lsm
  Replacement replacement = Replacement::clock;            ///< of pages in the frames
  ReadLatch read_latch = ReadLatch::optimistic;            ///< of pages that are read
  BeginRecord begin_record = BeginRecord::lazy;            ///< when a transaction's begin is logged
  ReadCommitted read_committed = ReadCommitted::versions;  ///< how Isolation::read_committed reads
  PartitionNumber partitions = 8;                          ///< of Isolation::serial, 1 to kPartitionsMax
  DeadlockOptions deadlock;  ///< how the engine keeps transactions from waiting for each other for ever
  /// Locks are released when the commit record is in the log buffer instead of when it is durable.
  bool early_lock_release = false;
  /// Is told how the restart goes, if one is given. Needed until open() returns.
  RestartObserver* restart_observer = nullptr;
  /// Where one is given, open() never returns: it throws RestartCut.
  RestartLimits restart_limits;
  /// Makes the device that the log goes to from the given LSN on, instead of the one that `log` names. For tests
  /// that make it fail or forget.
  std::function<std::unique_ptr<LogDevice>(const LogOptions& log, Lsn begin)> make_log_device;
};

inline constexpr PartitionNumber kPartitionsMax = 1024;

/// Throws ConfigError where an option is out of range or no engine may trust the algorithm. Touches no file.
void check(const DatabaseOptions& options);

class Session;

/// A set of tables with transactions over them. Thread-safe, except that open and close stand alone.
class Database {
 public:
  /// Opens or creates, and recovers what a crash left. Throws ConfigError (an unsafe or stalling algorithm,
  /// an option out of range, a directory that another process has open), DamageError, std::system_error.
  static std::unique_ptr<Database> open(const DatabaseOptions& options);
  /// close() if that was not called; errors are lost then. Where sessions are attached it is not a clean end: they
  /// refuse everything, and what is open is released with the last of them.
  virtual ~Database() = default;

  /// Durable when it returns. ConfigError when the name is taken or not UTF-8.
  virtual TableId create_table(std::string_view name, TableKind kind = TableKind::btree) = 0;
  /// The table whose pages are in this file and nowhere else; its name is the file's absolute path, links resolved. Makes
  /// it, durably and as a B+ tree, where the database has none: then the path has to be free or an empty file, in a directory that is there.
  /// Throws ConfigError, std::system_error. log.device "file".
  virtual TableId open_table(const std::filesystem::path& file) = 0;
  virtual std::optional<TableId> find_table(std::string_view name) const = 0;

  /// One thread's way in. Every commit of the session follows `policy`; `level` isolates every transaction.
  /// Throws ConfigError while a session of an incompatible level is attached (txn/admission.h).
  virtual std::unique_ptr<Session> attach(CommitPolicy policy,
                                          Isolation level = Isolation::two_phase_locking) = 0;

  /// Sessions may call the procedure from now on, until the database is closed: code is not on the disk. Throws
  /// ConfigError where the name is taken.
  virtual void register_procedure(std::string_view name, Procedure procedure) = 0;
  /// For Isolation::serial: partition i of the table has the keys from bounds[i - 1] on and below bounds[i]. A hash spreads
  /// the keys of a table without bounds. The bounds are not on the disk either. Throws ConfigError where they do not rise or
  /// are too many, std::logic_error while a session is attached.
  virtual void partition_by_range(TableId table, std::vector<std::string> bounds) = 0;

  virtual LogManager& log() = 0;
  virtual BufferStatistics buffer_statistics() const = 0;
  virtual BeginStatistics begin_statistics() const = 0;
  virtual VersionStatistics version_statistics() const = 0;
  /// Over all tables of TableKind::lsm.
  virtual lsm::LsmStatistics lsm_statistics() const = 0;
  /// Writes what was changed before the call to the files and syncs them, while transactions run on, so that restart needs
  /// no older log but for transactions that were running; removes the log below. Any thread. Blocks create_table. Throws
  /// what failed: after a failed sync of a table nothing is committed any more, and the log that repairs it stays.
  virtual void checkpoint() = 0;
  /// The log is kept from here on, where a record begins. Rises with checkpoints. log.device "file".
  virtual Lsn log_begin() const = 0;
  /// Waits for a checkpoint that is on its way. None is taken, and so no log is removed, while the lock is held.
  virtual std::unique_lock<std::mutex> keep_log() = 0;
  /// Reads every table while no session is at work. Throws DamageError with what is wrong.
  virtual void check() const = 0;
  /// Writes everything back and marks a clean end. No session may be attached. Throws what has failed, if
  /// anything has, and so does every further call: the next opening recovers then. attach() and create_table() throw
  /// std::logic_error from now on.
  virtual void close() = 0;
};

/// A place in a transaction to which it can go back.
struct Savepoint {
  std::uint64_t transaction = 0;  ///< its number in the session, from 1
  std::size_t changes = 0;        ///< how many the transaction had made
};

/// Runs one transaction at a time, at the isolation level with which the session was attached. Not thread-safe. Every
/// operation may return Status::deadlock or Status::conflict: then the engine has rolled the transaction back, and there is
/// none any more (was_rolled_back()).
class Session {
 public:
  virtual ~Session() = default;  ///< aborts what is open, waits for what is pending

  /// Under Isolation::serial the transaction waits here until it has every partition to itself.
  virtual void begin() = 0;
  /// As begin, but for a transaction that never waits for a lock: an operation that would have to is the victim of a
  /// deadlock at once.
  virtual void begin_without_waiting() = 0;
  /// As begin, but for a transaction that changes nothing. Throws std::logic_error at its first change. Under
  /// serializable_snapshot its reads cost less if no serializable transaction that may write was running when it began.
  virtual void begin_read_only() = 0;
  virtual Status read(TableId table, Bytes key, std::vector<std::byte>& value) = 0;
  /// As read, but takes the exclusive lock, for a write that depends on what is read.
  virtual Status read_for_update(TableId table, Bytes key, std::vector<std::byte>& value) = 0;
  virtual Status insert(TableId table, Bytes key, Bytes value) = 0;
  virtual Status update(TableId table, Bytes key, Bytes value) = 0;
  virtual Status remove(TableId table, Bytes key) = 0;
  /// Locks the whole table until the transaction ends. A shared lock keeps other writers out, an exclusive one also readers
  /// that read under locks. For rare work on much of a table. Transactions that already use the table finish first; the call
  /// waits for them for at most engine.lock_timeout_ms. Operations lock their records all the same.
  virtual Status lock_table(TableId table, LockMode shared_or_exclusive) = 0;

  // These four prevent lost updates at the levels that allow them. Each reads and writes under the record's exclusive lock,
  // as read_for_update and update do, and never reads from an old snapshot.

  /// `change` gets the value and replaces it by the new one.
  Status modify(TableId table, Bytes key, const std::function<void(std::vector<std::byte>& value)>& change);
  /// Adds to the 64-bit little-endian number that begins at `offset` in the value; the sum wraps. Throws ConfigError where the
  /// value ends before the number does; the transaction goes on. Under two_phase_locking increments do not wait for each other.
  virtual Status increment(TableId table, Bytes key, std::size_t offset, std::int64_t by);
  Status append(TableId table, Bytes key, Bytes suffix);
  /// Status::mismatch where the value is not `expected`.
  Status compare_and_set(TableId table, Bytes key, Bytes expected, Bytes desired);

  virtual Status scan(TableId table, Bytes from,
                      const std::function<bool(Bytes key, Bytes value)>& visit) = 0;
  virtual void abort() = 0;

  /// Whether the transaction can commit. False: the engine could not serialize it and has rolled it back
  /// (serializable_snapshot only). After true, commit() does not refuse; call commit() or abort() next. The transaction
  /// keeps its locks and its snapshot until then.
  virtual bool prepare() = 0;
  virtual Savepoint savepoint() const = 0;
  /// Takes back what the transaction has changed since, and keeps its locks. A savepoint is valid until the transaction ends
  /// or goes back to an earlier savepoint. Throws std::logic_error for a savepoint of another transaction.
  virtual void roll_back_to(const Savepoint& savepoint) = 0;

  /// Ends the transaction; throws std::system_error when the log has failed. A read-only one logs nothing. False:
  /// prepare(), called here or before, has refused; the transaction is never acknowledged.
  /// `acknowledge(context)`, if given, is called once when the commit is acknowledged as the policy says:
  /// before this returns, or (pipelined) later by the log's own thread; never when the log fails first. It may use
  /// other sessions, as long as it waits for no lock of a transaction that is acknowledged later.
  virtual bool commit(void (*acknowledge)(void* context) noexcept = nullptr, void* context = nullptr) = 0;
  /// Begins a transaction, runs the procedure, and commits as commit() does, or rolls back. Under Isolation::serial, calls
  /// that share no partition run at the same time. Returns ok if the transaction has committed. Otherwise it has been rolled
  /// back, and the status is what the procedure returned or why the engine rolled back. Throws what the procedure throws, and
  /// ConfigError where the procedure touches a partition that it did not name.
  virtual Status call(std::string_view procedure, Bytes arguments, std::vector<std::byte>& result,
                      void (*acknowledge)(void* context) noexcept = nullptr, void* context = nullptr) = 0;
  /// Whether the session waits for another transaction's lock at this moment. False if the engine is about to refuse the wait
  /// as a deadlock. Any thread may ask.
  virtual bool waits() = 0;
  /// Pipelined: blocks until everything is acknowledged.
  virtual void wait_for_acknowledgements() = 0;

 private:
  std::vector<std::byte> modified_;  // used again, so that modify() allocates nothing
};

}  // namespace muster
