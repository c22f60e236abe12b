#include "engine/lsm/level_iterator.h"

#include <algorithm>

namespace muster::lsm {

void LevelIterator::open(std::size_t index) {
  if (index < tables_.size() && index == index_ && at_ != nullptr) return;
  at_.reset();
  index_ = index;
  if (index < tables_.size()) at_ = tables_[index]->file().iterator(caching_);
}

void LevelIterator::seek_to_first() {
  open(0);
  if (at_) at_->seek_to_first();
  skip_forwards();
}

void LevelIterator::seek_to_last() {
  open(tables_.size() - 1);  // of no tables: beyond the end
  if (at_) at_->seek_to_last();
  skip_backwards();
}

void LevelIterator::seek(Bytes key) {
  const auto table = std::ranges::partition_point(
      tables_, [&](const TablePtr& each) { return compare_keys(each->info().largest, key) < 0; });
  open(static_cast<std::size_t>(table - tables_.begin()));
  if (at_) at_->seek(key);
  skip_forwards();
}

void LevelIterator::seek_below(Bytes key) {
  const auto table = std::ranges::partition_point(
      tables_, [&](const TablePtr& each) { return compare_keys(each->info().smallest, key) < 0; });
  open(static_cast<std::size_t>(table - tables_.begin()) - 1);
  if (at_) at_->seek_below(key);
  skip_backwards();
}

void LevelIterator::next() {
  at_->next();
  skip_forwards();
}

void LevelIterator::previous() {
  at_->previous();
  skip_backwards();
}

void LevelIterator::skip_forwards() {
  while (at_ && !at_->valid()) {
    open(index_ + 1);
    if (at_) at_->seek_to_first();
  }
}

void LevelIterator::skip_backwards() {
  while (at_ && !at_->valid()) {
    open(index_ - 1);  // before the first: beyond the end
    if (at_) at_->seek_to_last();
  }
}

}  // namespace muster::lsm
