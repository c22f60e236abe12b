#include "engine/lsm/merging_iterator.h"

#include <algorithm>
#include <utility>

namespace muster::lsm {
namespace {

std::strong_ordering compare(const Entry& a, const Entry& b) {
  return compare_entries(a.key, a.lsn, b.key, b.lsn);
}

}  // namespace

MergingIterator::MergingIterator(std::vector<std::unique_ptr<EntryIterator>> sources)
    : sources_(std::move(sources)) {
  heap_.reserve(sources_.size());
}

void MergingIterator::seek_to_first() {
  seek_all(Direction::forward, [](EntryIterator& source) { source.seek_to_first(); });
}

void MergingIterator::seek_to_last() {
  seek_all(Direction::backward, [](EntryIterator& source) { source.seek_to_last(); });
}

void MergingIterator::seek(Bytes key) {
  seek_all(Direction::forward, [key](EntryIterator& source) { source.seek(key); });
}

void MergingIterator::seek_below(Bytes key) {
  seek_all(Direction::backward, [key](EntryIterator& source) { source.seek_below(key); });
}

void MergingIterator::next() {
  if (direction_ != Direction::forward) turn(Direction::forward);
  step();
}

void MergingIterator::previous() {
  if (direction_ != Direction::backward) turn(Direction::backward);
  step();
}

/// In the direction of the iterator.
bool MergingIterator::comes_first(const Entry& a, const Entry& b) const {
  return direction_ == Direction::forward ? compare(a, b) < 0 : compare(a, b) > 0;
}

template <class Seek>
void MergingIterator::seek_all(Direction direction, Seek seek) {
  direction_ = direction;
  heap_.clear();
  for (const auto& source : sources_) {
    seek(*source);
    if (source->valid()) push(source.get());
  }
  current_ = heap_.empty() ? Head{} : pop();
  pass_duplicates();
}

/// Puts every other source behind the current entry, seen in the new direction. The sources that stand are next to it,
/// those that have ended are at the other end; entries that have been added meanwhile are passed over.
void MergingIterator::turn(Direction direction) {
  direction_ = direction;
  heap_.clear();
  for (const auto& source : sources_) {
    if (source.get() == current_.source) continue;
    if (source->valid()) {
      move_on(source.get());
    } else if (direction == Direction::forward) {
      source->seek_to_first();
    } else {
      source->seek_to_last();
    }
    while (source->valid() && !comes_first(current_.entry, source->entry())) move_on(source.get());
    if (source->valid()) push(source.get());
  }
}

void MergingIterator::step() {
  EntryIterator* const source = current_.source;
  move_on(source);
  if (source->valid()) {
    current_.entry = source->entry();
    if (!heap_.empty() && comes_first(heap_.front().entry, current_.entry)) {
      push(source);
      current_ = pop();
    }
  } else {
    current_ = heap_.empty() ? Head{} : pop();
  }
  pass_duplicates();
}

void MergingIterator::pass_duplicates() {
  while (!heap_.empty() && compare(heap_.front().entry, current_.entry) == 0) {
    EntryIterator* const source = pop().source;
    move_on(source);
    if (source->valid()) push(source);
  }
}

void MergingIterator::push(EntryIterator* source) {
  heap_.push_back({source->entry(), source});
  std::ranges::push_heap(heap_,
                         [this](const Head& a, const Head& b) { return comes_first(b.entry, a.entry); });
}

MergingIterator::Head MergingIterator::pop() {
  std::ranges::pop_heap(heap_,
                        [this](const Head& a, const Head& b) { return comes_first(b.entry, a.entry); });
  const Head head = heap_.back();
  heap_.pop_back();
  return head;
}

void MergingIterator::move_on(EntryIterator* source) const {
  if (direction_ == Direction::forward) {
    source->next();
  } else {
    source->previous();
  }
}

}  // namespace muster::lsm
