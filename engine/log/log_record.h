#pragma once

#include <cstdint>
#include <span>

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
};

enum class ChangeKind : std::uint8_t { insert = 1, update, remove };

/// One record's change on one page. Redo applies `after` to `page`; undo looks `key` up again, since the
/// record may have moved since.
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

}  // namespace muster
