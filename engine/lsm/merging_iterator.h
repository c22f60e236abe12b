#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/lsm/entry.h"

namespace muster::lsm {

/// Several iterators as one. Of entries with the same key and LSN it shows one: a redo may have put an entry into a
/// memtable that a table file holds already.
///
/// A step costs two comparisons while the entries of one source follow each other, else the logarithm of the number of
/// sources. The first step in the other direction moves every source.
class MergingIterator final : public EntryIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<EntryIterator>> sources);

  bool valid() const override { return current_.source != nullptr; }
  void seek_to_first() override;
  void seek_to_last() override;
  void seek(Bytes key) override;
  void seek_below(Bytes key) override;
  void next() override;
  void previous() override;
  Entry entry() const override { return current_.entry; }

 private:
  enum class Direction : std::uint8_t { forward, backward };
  /// A source and where it stands.
  struct Head {
    Entry entry;
    EntryIterator* source = nullptr;
  };

  bool comes_first(const Entry& a, const Entry& b) const;
  template <class Seek>
  void seek_all(Direction direction, Seek seek);
  void turn(Direction direction);
  void step();
  void push(EntryIterator* source);
  Head pop();
  void pass_duplicates();
  void move_on(EntryIterator* source) const;

  std::vector<std::unique_ptr<EntryIterator>> sources_;
  Direction direction_ = Direction::forward;
  Head current_;  // no source: not valid
  std::vector<Head>
      heap_;  // the other sources that are valid, each behind current_ in this direction; first: the next
};

}  // namespace muster::lsm
