#pragma once

#include <span>

#include "engine/log/log_record.h"

namespace muster {

/// What the B+ tree asks of the one that changes it: a transaction (update records), its rollback (compensation
/// records), or a loader. Every call is made while the changed pages are latched exclusively and *before*
/// they are changed, so that an exception leaves them as they were. The logging ones return the LSN that the changed
/// pages carry from now on: the record's end, so that `durable >= page LSN` is the WAL rule.
class ChangeLog {
 public:
  virtual ~ChangeLog() = default;
  virtual Lsn change(const RecordChange& change) = 0;
  virtual Lsn restructure(std::span<const PageImage> pages) = 0;

  /// Whether the tree may insert a new key below `successor`. That is the next key, of a record or a ghost; null: the new key
  /// is above all others. After false, BTree::insert() returns Status::conflict. May block for no longer than a spin latch does.
  virtual bool may_insert(TableId /*table*/, Bytes /*key*/, const Bytes* /*successor*/) { return true; }
  /// Whether may_insert() would look at the successor now. If not, a table need not find one. The table has announced the key
  /// before it asks (engine/lsm/pending_insertions.h). A class that overrides one of the two overrides both.
  virtual bool guards_gaps(TableId /*table*/) const { return false; }

  /// Whether the changes take back others. A table that has no room takes them all the same: a transaction that cannot be rolled
  /// back ends the engine.
  virtual bool is_rollback() const { return false; }

  /// Whether the ghost of this record may go: no transaction can bring it back or still has to meet its lock.
  /// It may block for no longer than a spin latch does.
  virtual bool may_reclaim(TableId table, Bytes key) = 0;
  virtual Lsn reclaim(const Reclaim& ghosts) = 0;
};

}  // namespace muster
