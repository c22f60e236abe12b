#pragma once

#include "engine/lsm/table_file.h"

namespace muster::lsm {

/// Goes through all entries of a table file, a block at a time. What TableFile::iterator() returns.
class TableIterator final : public EntryIterator {
 public:
  TableIterator(const TableFile& table, Caching caching) : table_(table), caching_(caching) {}

  bool valid() const override { return entries_.valid(); }
  void seek_to_first() override;
  void seek_to_last() override;
  void seek(Bytes key) override;
  void seek_below(Bytes key) override;
  void next() override;
  void previous() override;
  Entry entry() const override { return entries_.entry(); }

 private:
  std::size_t blocks() const { return table_.parts_.index.size(); }
  /// To a block of the table, or to none behind the last one; not valid there.
  void load(std::size_t index);
  void skip_forwards();
  void skip_backwards();

  const TableFile& table_;
  const Caching caching_;
  std::size_t index_ = 0;  // the block that entries_ goes through
  BlockIterator entries_;
};

}  // namespace muster::lsm
