#include "engine/lsm/table_iterator.h"

#include <utility>

namespace muster::lsm {

void TableIterator::load(std::size_t index) {
  entries_.reset(nullptr);  // so that it is not valid if the read throws
  index_ = index;
  if (index < blocks()) entries_.reset(table_.block(index, caching_));
}

/// On to the next blocks while there is nothing left in this one.
void TableIterator::skip_forwards() {
  while (!entries_.valid() && index_ < blocks()) {
    load(index_ + 1);
    entries_.seek_to_first();
  }
}

void TableIterator::skip_backwards() {
  while (!entries_.valid() && index_ > 0) {
    load(index_ - 1);
    entries_.seek_to_last();
  }
}

void TableIterator::seek_to_first() {
  load(0);
  entries_.seek_to_first();
  skip_forwards();
}

void TableIterator::seek_to_last() {
  load(blocks());
  skip_backwards();
}

void TableIterator::seek(Bytes key) {
  load(table_.parts_.index.find(key));
  entries_.seek(key);
  skip_forwards();
}

void TableIterator::seek_below(Bytes key) {
  load(table_.parts_.index.find(key));
  entries_.seek_below(key);
  skip_backwards();
}

void TableIterator::next() {
  entries_.next();
  skip_forwards();
}

void TableIterator::previous() {
  entries_.previous();
  skip_backwards();
}

}  // namespace muster::lsm
