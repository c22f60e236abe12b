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

  /// Whether a record whose key is new may come in below `successor`, the next key, a ghost's too (null: above all). False:
  /// the insertion gives up. It may block for no longer than a spin latch does.
  virtual bool may_insert(TableId /*table*/, Bytes /*key*/, const Bytes* /*successor*/) { return true; }

  /// Whether the ghost of this record may go: nobody can bring it back, and nobody has to meet its lock any more.
  /// It may block for no longer than a spin latch does.
  virtual bool may_reclaim(TableId table, Bytes key) = 0;
  virtual Lsn reclaim(const Reclaim& ghosts) = 0;
};

}  // namespace muster
