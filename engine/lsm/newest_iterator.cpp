#include "engine/lsm/newest_iterator.h"

namespace muster::lsm {

void NewestIterator::seek_to_first() {
  source_->seek_to_first();
  show_from_here();
}

void NewestIterator::seek_to_last() {
  source_->seek_to_last();
  show_back_from_here();
}

void NewestIterator::seek(Bytes key) {
  source_->seek(key);
  show_from_here();
}

void NewestIterator::seek_below(Bytes key) {
  source_->seek_below(key);
  show_back_from_here();
}

void NewestIterator::next() {
  if (position_ == Position::at) {
    pass_key();
  } else {
    search_behind_copied_key();
  }
  show_from_here();
}

void NewestIterator::previous() {
  if (position_ == Position::at) {
    copy_key(source_->entry().key);
    source_->seek_below(key_);
  }
  show_back_from_here();
}

/// The source is at the newest entry of a key, or has ended.
void NewestIterator::show_from_here() {
  position_ = source_->valid() ? Position::at : Position::none;
}

/// The source is at the oldest entry of a key, or has ended.
void NewestIterator::show_back_from_here() {
  if (!source_->valid()) {
    position_ = Position::none;
    return;
  }
  copy_newest_of_key();
  position_ = Position::copied;
}

/// From the oldest entry of a key to below it.
void NewestIterator::copy_newest_of_key() {
  keep(source_->entry());
  for (int steps = 0; steps < kStepsMax; ++steps) {
    source_->previous();
    if (!is_at_copied_key()) return;
    keep(source_->entry());
  }
  source_->seek(key_);
  keep(source_->entry());
  source_->seek_below(key_);
}

/// From the newest entry of a key to the next key.
void NewestIterator::pass_key() {
  copy_key(source_->entry().key);
  for (int steps = 0; steps < kStepsMax; ++steps) {
    source_->next();
    if (!is_at_copied_key()) return;
  }
  search_behind_copied_key();
}

void NewestIterator::search_behind_copied_key() {
  key_.push_back(std::byte{0});  // the least key above
  source_->seek(key_);
}

bool NewestIterator::is_at_copied_key() const {
  return source_->valid() && compare_keys(source_->entry().key, key_) == 0;
}

void NewestIterator::copy_key(Bytes key) {
  key_.assign(key.begin(), key.end());
}

void NewestIterator::keep(const Entry& entry) {
  copy_key(entry.key);
  value_.assign(entry.value.begin(), entry.value.end());
  lsn_ = entry.lsn;
  tombstone_ = entry.tombstone;
}

}  // namespace muster::lsm
