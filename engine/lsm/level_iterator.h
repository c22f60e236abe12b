#pragma once

#include <memory>
#include <vector>

#include "engine/lsm/levels.h"

namespace muster::lsm {

/// Goes through tables that do not overlap, sorted by key, one after the other. Only one is read at a time.
class LevelIterator final : public EntryIterator {
 public:
  /// `tables` outlives the iterator.
  LevelIterator(const Levels::Level& tables, Caching caching) : tables_(tables), caching_(caching) {}

  bool valid() const override { return at_ != nullptr && at_->valid(); }
  void seek_to_first() override;
  void seek_to_last() override;
  void seek(Bytes key) override;
  void seek_below(Bytes key) override;
  void next() override;
  void previous() override;
  Entry entry() const override { return at_->entry(); }

 private:
  /// Opens a table, or none beyond either end.
  void open(std::size_t index);
  void skip_forwards();
  void skip_backwards();

  const Levels::Level& tables_;
  const Caching caching_;
  std::size_t index_ = 0;  // of the table that at_ goes through
  std::unique_ptr<EntryIterator> at_;
};

}  // namespace muster::lsm
