#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "engine/lsm/lsm_table.h"

namespace muster::lsm {

/// One scan of a table. It copies some rows in a section, and shows them outside. Used by one thread.
///
/// Current    Of the keys from the last record that stays up to the row, the scan compares the newest entries with what it has
///            shown. Where no memtable and no file has come since, it looks into the memtables only, and only from the row on
///            that it has found current before: no ghost can have gone.
class LsmTable::Scan final : public ScanPosition {
 public:
  Scan(const LsmTable& table, Bytes from)
      : table_(table), cursor_(from.begin(), from.end()), floor_(cursor_) {}

  bool run(const std::function<bool(const TableRecord& record)>& visit);
  bool is_current() const override;

 private:
  static constexpr std::size_t kRowsMin = 16, kRowsMax = 256;
  static constexpr std::size_t kBytesMax = std::size_t{64} << 10;

  struct Row {
    std::size_t key_begin;  ///< in bytes_; the value lies behind
    std::size_t value_begin;
    std::size_t end;
    Lsn lsn;
    bool ghost;
  };
  /// Names a view: a memtable has a number, and the files have a generation.
  struct Signature {
    std::uint64_t memtable = 0;
    std::uint64_t generation = 0;
    bool operator==(const Signature&) const = default;
  };
  /// A ghost that the scan has shown since the last record that stays.
  struct Ghost {
    std::vector<std::byte> key;
    Lsn lsn;
  };

  static Signature signature_of(const TreeView& view) {
    return {view.memtables[0].memtable->number, view.tables.generation};
  }
  void fill();
  void copy(const TreeView& view);
  bool insertions_ended(std::vector<PendingInsertions::Seen>& seen) const;
  bool is_current_in(const TreeView& view) const;
  bool shows(EntryIterator& entries, Bytes above) const;
  bool has_shown(const Entry& entry) const;
  Bytes key_of(const Row& row) const {
    return Bytes(bytes_).subspan(row.key_begin, row.value_begin - row.key_begin);
  }
  Bytes value_of(const Row& row) const {
    return Bytes(bytes_).subspan(row.value_begin, row.end - row.value_begin);
  }

  const LsmTable& table_;
  std::vector<std::byte> cursor_;  // rows are copied from here on
  bool above_cursor_ = false;      // from behind it
  std::vector<Row> rows_;
  std::vector<std::byte> bytes_;
  std::size_t at_ = 0;
  std::size_t rows_wanted_ = kRowsMin;
  bool at_end_ = false;           // no row is behind rows_
  std::vector<std::byte> floor_;  // the last record that was shown and stays, or where the scan began
  bool above_floor_ = false;
  std::vector<Ghost> ghosts_;
  Signature signature_;            // of the view of rows_
  mutable bool is_mixed_ = false;  // rows of other views have been shown since what was found current
  mutable std::vector<std::byte>
      current_;                   // the last row that was found current, if above the floor; else empty
  mutable Signature current_in_;  // in this view
};

}  // namespace muster::lsm
