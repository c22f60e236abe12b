#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/lsm/entry.h"

namespace muster::lsm {

/// Shows the newest entry of each key, in both directions; tombstones as what they are. Its source has all entries of all
/// sources that may have newer ones: a memtable, a table file, or a MergingIterator over several.
///
/// Going back it meets the oldest entry of a key first, so it keeps a copy of the newest it has met.
class NewestIterator final : public EntryIterator {
 public:
  explicit NewestIterator(std::unique_ptr<EntryIterator> source) : source_(std::move(source)) {}

  bool valid() const override { return position_ != Position::none; }
  void seek_to_first() override;
  void seek_to_last() override;
  void seek(Bytes key) override;
  void seek_below(Bytes key) override;
  void next() override;
  void previous() override;
  Entry entry() const override { return position_ == Position::at ? source_->entry() : copy(); }

 private:
  enum class Position : std::uint8_t {
    none,    ///< not valid
    at,      ///< the source is at the entry
    copied,  ///< the entry is in the copy; the source is at the key below, or has ended
  };

  /// Steps over entries of one key before it is searched for instead: a search costs several steps, and a key may have
  /// as many entries as it has had changes.
  static constexpr int kStepsMax = 8;

  void show_from_here();
  void show_back_from_here();
  void pass_key();
  void search_behind_copied_key();
  void copy_newest_of_key();
  bool is_at_copied_key() const;
  void copy_key(Bytes key);
  void keep(const Entry& entry);
  Entry copy() const { return {key_, lsn_, tombstone_, value_}; }

  std::unique_ptr<EntryIterator> source_;
  Position position_ = Position::none;
  std::vector<std::byte> key_, value_;  // the copy; key_ also the key that is passed
  Lsn lsn_ = 0;
  bool tombstone_ = false;
};

}  // namespace muster::lsm
