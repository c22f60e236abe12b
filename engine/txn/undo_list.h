#pragma once

#include <vector>

#include "engine/log/log_record.h"

namespace muster {

/// What a running transaction has changed, newest last, so that rolling back does not read the log. Memory is
/// used again by the next transaction. Not thread-safe.
class UndoList {
 public:
  struct Entry {
    TableId table = 0;
    ChangeKind kind = ChangeKind::insert;
    Lsn lsn = 0;       ///< of the record
    Lsn previous = 0;  ///< of the transaction's record before it: where undo goes on
    Bytes key;
    Bytes before;
  };

  std::size_t size() const { return items_.size(); }
  void clear() {
    items_.clear();
    bytes_.clear();
  }

  /// Makes room for one more, so that add() cannot fail: a change that is logged must be undoable.
  void make_room(const RecordChange& change) {
    if (items_.size() == items_.capacity()) items_.reserve(2 * items_.size() + 16);
    const std::size_t bytes = bytes_.size() + change.key.size() + change.before.size();
    if (bytes > bytes_.capacity()) bytes_.reserve(2 * bytes + 1024);
  }
  void add(const RecordChange& change, Lsn lsn, Lsn previous) {
    items_.push_back({change.table, change.kind, lsn, previous, bytes_.size(), change.key.size()});
    bytes_.insert(bytes_.end(), change.key.begin(), change.key.end());
    bytes_.insert(bytes_.end(), change.before.begin(), change.before.end());
  }

  /// The newest one. Valid until the next call that is not const.
  Entry last() const {
    const Item& item = items_.back();
    const Bytes bytes = Bytes(bytes_).subspan(item.begin);
    return {item.table,
            item.kind,
            item.lsn,
            item.previous,
            bytes.first(item.key_size),
            bytes.subspan(item.key_size)};
  }
  void remove_last() {
    bytes_.resize(items_.back().begin);
    items_.pop_back();
  }

 private:
  struct Item {
    TableId table;
    ChangeKind kind;
    Lsn lsn;
    Lsn previous;
    std::size_t begin;  ///< of key and before image in bytes_; they reach to the next item's, or the end
    std::size_t key_size;
  };

  std::vector<Item> items_;
  std::vector<std::byte> bytes_;
};

}  // namespace muster
