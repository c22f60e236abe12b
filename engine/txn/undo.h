#pragma once

#include "engine/index/change_log.h"
#include "engine/log/log_manager.h"
#include "engine/txn/tables.h"

namespace muster {

/// Writes compensation records for one loser: a transaction that rolls back, or that a crash cut off.
/// Undo is logical: the record is looked up again, since it may have moved, and splits and merges that this
/// takes are logged on their own.
class Undo : private ChangeLog {
 public:
  /// `last`: the transaction's newest record. `session`: the transaction's own, which knows which ghosts may go; null at
  /// restart, where no other transaction runs.
  Undo(LogManager& log, WorkerId worker, TransactionId transaction, Lsn last, ChangeLog* session)
      : log_(log), worker_(worker), transaction_(transaction), session_(session), last_(last) {}

  /// Takes one change back; `undo_next` is what is to be undone after it. A record that is not as the change
  /// left it is a DamageError. An insertion becomes a ghost, which goes at once where there is no session.
  void take_back(const Tables& tables, TableId table, ChangeKind kind, Bytes key, Bytes before,
                 Lsn undo_next);
  /// All is taken back.
  void end();
  /// The transaction's newest record.
  Lsn last() const { return last_; }

 private:
  Lsn change(const RecordChange& change) override;
  Lsn restructure(std::span<const PageImage> pages) override;
  bool may_reclaim(TableId table, Bytes key) override;
  Lsn reclaim(const Reclaim& ghosts) override;
  bool is_rollback() const override { return true; }

  LogManager& log_;
  const WorkerId worker_;
  const TransactionId transaction_;
  ChangeLog* const session_;
  Lsn last_;
  Lsn undo_next_ = 0;
};

}  // namespace muster
