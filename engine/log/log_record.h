#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/types.h"

namespace muster {

enum class RecordType : std::uint8_t {
  begin = 1,     ///< logged together with the transaction's first change
  update,        ///< one record of one page: redo and undo
  compensation,  ///< the undo of an update: redo only; undo goes on at `undo_next`
  structure,     ///< pages of a split, a merge, an allocation: redo only, outside any transaction's undo
  commit,        ///< the transaction is over once this is durable
  abort,         ///< rollback begins
  end,           ///< rollback is complete
  reclaim,       ///< ghosts taken off a page: redo only, outside any transaction
  skipped,  ///< was a begin, of a transaction that changed nothing and ended before the begin was written
};

enum class ChangeKind : std::uint8_t {
  insert = 1,
  update,
  remove,
  increment,  ///< `after` is an Increment (engine/number.h) and `before` its inverse; neither is a value
};

/// One record's change on one page. Redo applies `after` to `page`; undo looks `key` up again, since the
/// record may have moved since. A removal leaves a ghost, and an insertion may find one and revive it.
struct RecordChange {
  TableId table = 0;
  PageNumber page = 0;
  ChangeKind kind = ChangeKind::insert;
  Bytes key;
  Bytes before;  ///< empty for insert
  Bytes after;   ///< empty for remove
};

/// What a page holds after a structure change, in the compact form that only engine/storage reads.
struct PageImage {
  TableId table = 0;
  PageNumber page = 0;
  Bytes bytes;
};

/// Ghosts that leave a page for good.
struct Reclaim {
  TableId table = 0;
  PageNumber page = 0;
  std::vector<std::uint16_t> slots;  ///< rising; as the page numbers them before the first one leaves
};

/// A record as it was read from the log; `payload` is as short-lived as the reader says.
struct LogRecord {
  Lsn lsn = 0;  ///< of its first byte
  Lsn end = 0;  ///< of the byte behind it
  RecordType type = RecordType::begin;
  TransactionId transaction = 0;  ///< 0: none (structure, reclaim)
  Lsn previous = 0;               ///< the transaction's record before this one; 0: none
  Lsn durable = 0;                ///< the log was known to be durable up to here when this was appended
  Bytes payload;
};

// Decoders of the payload. They throw DamageError where it is not what its type asks for, and
// std::invalid_argument where the record's type has no such part.
RecordChange change_of(const LogRecord& record);           ///< update, compensation
Lsn undo_next_of(const LogRecord& record);                 ///< compensation
std::vector<PageImage> pages_of(const LogRecord& record);  ///< structure
Reclaim reclaim_of(const LogRecord& record);               ///< reclaim

std::string_view to_string(RecordType type);
/// One line for people: everything but the values' bytes.
std::string to_string(const LogRecord& record);

}  // namespace muster
