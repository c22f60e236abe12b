#pragma once

#include <algorithm>
#include <compare>
#include <cstring>

#include "engine/types.h"

namespace muster::lsm {

/// One version of a record, or its removal. Of a key's entries the one with the greatest LSN counts: the end of the log
/// record that made it. The bytes belong to the memtable, block or table file that they lie in.
struct Entry {
  Bytes key;
  Lsn lsn = 0;
  bool tombstone = false;  ///< the record was removed; `value` is empty
  Bytes value;
};

/// As the bytes are, unsigned; a key that another one begins with comes first.
inline std::strong_ordering compare_keys(Bytes a, Bytes b) {
  const std::size_t common = std::min(a.size(), b.size());
  const int order = common == 0 ? 0 : std::memcmp(a.data(), b.data(), common);
  return order != 0 ? order <=> 0 : a.size() <=> b.size();
}

/// The order in which memtables and table files hold entries: by key, of one key the newest first.
inline std::strong_ordering compare_entries(Bytes key_a, Lsn lsn_a, Bytes key_b, Lsn lsn_b) {
  const std::strong_ordering keys = compare_keys(key_a, key_b);
  return keys != 0 ? keys : lsn_b <=> lsn_a;
}

/// Goes through entries in compare_entries() order. One thread uses an iterator at a time. What it goes through stays as
/// long as the iterator's owner holds the memtable or table; of a memtable that is written to, it may meet newer entries.
class EntryIterator {
 public:
  virtual ~EntryIterator() = default;
  virtual bool valid() const = 0;
  virtual void seek_to_first() = 0;
  virtual void seek_to_last() = 0;
  /// Goes to the first entry of `key` or, if there is none, of the next larger key.
  virtual void seek(Bytes key) = 0;
  /// Goes to the last entry of the next smaller key.
  virtual void seek_below(Bytes key) = 0;
  virtual void next() = 0;          ///< while valid
  virtual void previous() = 0;      ///< while valid
  virtual Entry entry() const = 0;  ///< while valid; until the iterator moves
};

}  // namespace muster::lsm
