#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

#include "engine/catalogue.h"
#include "engine/log/log_manager.h"
#include "engine/log/log_reader.h"
#include "engine/storage/buffer_manager.h"
#include "engine/txn/redo_workers.h"
#include "engine/txn/restart_report.h"
#include "engine/txn/tables.h"

namespace muster {

/// What brings the files and the log to one state after a crash (ARIES): analysis, redo, undo. Each may be cut
/// off at any point by another crash and begins again with the next opening: redo changes only pages that are
/// older than the record, undo is logged, and the master moves on when everything is in the files.
///
///   ... open the tables' files
///   Restart restart(log_directory, master, catalogue, buffers, self_stored);   // nothing on the disk changes
///   restart.check_pages(...);                                     // nor here
///   ... open the log
///   restart.redo();
///   ... open the trees; `tables` has all tables from here on
///   restart.undo(log, tables);
///
/// The log is read once, forwards, and analysed and redone on the way: in memory, as long as no page must be evicted
/// for that. What does not fit into the frames, or into the memory of a table that stores itself, is redone in a second reading, once the first has found the log's end
/// and no damage. Undo goes backwards through the part that holds the losers' records.
///
/// One thread reads and analyses; others redo, each its own pages (redo_workers.h). In memory there is, besides the
/// frames: what the workers are given, a bit for each page of the tables, and a few numbers of each transaction that is
/// running where the reader is.
class Restart {
 public:
  /// Reads the log from master.log_begin to its end. DamageError: the end is not one that a crash leaves, the
  /// log does not reach the master's claim, a record that no run of this database can have written, or one that
  /// does not fit its page. `buffers`, `self_stored` and `observer` outlive this; together, the former two hold the tables
  /// of the catalogue, and `buffers` none of their pages. `redo_workers` as RedoWorkers takes it.
  Restart(const std::filesystem::path& log_directory, const Master& master, const Catalogue& catalogue,
          BufferManager& buffers, const SelfStoredTables& self_stored, RestartObserver* observer = nullptr,
          RestartLimits limits = {}, std::uint32_t redo_workers = 0);

  bool log_is_empty() const { return reader_end_ == log_begin_; }
  Lsn log_end() const { return reader_end_; }
  /// Where a record begins behind which there are no more than one.
  Lsn last_record() const { return last_record_; }
  /// No smaller number has been used by a transaction.
  TransactionId next_transaction() const { return next_transaction_; }

  /// Looks at what the disk holds, whatever the kernel remembers. Throws DamageError when a page in the file has
  /// been changed by a record that the log does not have: what was durable once has been lost since. Passes over
  /// a page whose checksum does not fit: who reads it is told.
  void check_pages(const std::filesystem::path& table_file, TableId table) const;

  /// What the first reading had no frames for. Throws RestartCut at the limit.
  void redo();
  /// All losers in one pass backwards through the log. Throws RestartCut at the limit: nothing more is written then.
  void undo(LogManager& log, const Tables& tables);

  const RestartStatistics& statistics() const { return statistics_; }

 private:
  struct Loser {
    Lsn begin = 0;
    Lsn last = 0;       ///< its newest record
    Lsn undo_next = 0;  ///< its newest record that is not taken back; 0: none
  };
  void read_and_redo(const Catalogue& catalogue, RedoWorkers& workers);
  void check_end() const;
  void note(const LogRecord& record, const Catalogue& catalogue);
  bool redo_is_cut() const { return limits_.redo && statistics_.redo_records >= *limits_.redo; }
  bool undo_is_cut() const { return limits_.undo && statistics_.undone >= *limits_.undo; }
  bool fits_into_memory(const LogRecord& record);
  bool has_frame(TableId table, PageNumber page);
  bool has_room(const RecordChange& change);
  void redo(const LogRecord& record, RedoWorkers& workers);
  void count(const RedoWorkers::Counts& counts);
  void report(RestartPhase phase, Lsn done, Lsn total);
  void read_again(Lsn from);
  void undo_losers(LogManager& log, WorkerId worker, const Tables& tables);
  LogRecord expected(std::optional<LogRecord> record) const;

  const std::filesystem::path log_directory_;
  const Lsn log_begin_;
  const Lsn redo_begin_;
  const Lsn settled_;
  BufferManager& buffers_;
  const SelfStoredTables& self_stored_;
  const std::uint32_t redo_workers_;
  RestartObserver* const observer_;
  const RestartLimits limits_;
  std::uint64_t until_report_ = 0;
  LogReader reader_;  // before the log is opened, and again behind: opening removes what lies above the end
  std::size_t frames_left_;
  std::array<std::vector<bool>, BufferManager::kMaxTables>
      has_frame_;                             // by table and page, in the first reading
  std::map<TableId, std::size_t> room_left_;  // of tables that store themselves, likewise
  Lsn redone_to_ = 0;                         // all records from redo_begin_ to here are redone
  Lsn reader_end_ = 0;
  Lsn last_record_ = 0;
  TransactionId next_transaction_ = 1;
  std::map<TransactionId, Loser> losers_;
  RestartStatistics statistics_;
};

}  // namespace muster
