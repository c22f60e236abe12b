#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/lsm/entry.h"

namespace muster::lsm {

/// Memory that starts out uninitialised: it is about to be read into.
struct Buffer {
  Buffer() = default;
  explicit Buffer(std::size_t bytes)
      : data(std::make_unique_for_overwrite<std::byte[]>(bytes)), size(bytes) {}

  std::span<std::byte> bytes() const { return {data.get(), size}; }

  std::unique_ptr<std::byte[]> data;
  std::size_t size = 0;
};

/// Puts entries, in compare_entries() order, into the bytes of one block. An entry leaves out what its key shares with the
/// key before; every `restart_interval`-th is whole, and a table of those at the block's end makes binary search possible.
/// The bytes are described in format.md. One thread at a time.
class BlockBuilder {
 public:
  static constexpr std::uint32_t kRestartInterval = 16;

  explicit BlockBuilder(std::uint32_t restart_interval = kRestartInterval)
      : restart_interval_(restart_interval) {}

  void add(const Entry& entry);
  /// The whole block, until the next call. Throws std::length_error above 4 GiB.
  Bytes finish();
  /// Begins the next block. last_key() stays.
  void clear();

  bool empty() const { return restarts_.empty(); }
  /// The size of what finish() would return.
  std::size_t bytes() const { return bytes_.size() + (restarts_.size() + 1) * sizeof(std::uint32_t); }
  /// The key that was added last, empty before the first.
  Bytes last_key() const { return last_key_; }

 private:
  const std::uint32_t restart_interval_;
  std::uint32_t since_restart_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<std::uint32_t> restarts_;
  std::vector<std::byte> last_key_;
};

/// The entries of one block, decompressed. Its structure is checked once, by the constructor, so that readers may trust
/// every size and offset in it. Immutable: any number of threads.
class Block {
 public:
  /// Throws DamageError where the bytes are not those of a block. The order of the entries is TableFile::verify()'s to check.
  explicit Block(Buffer buffer);

  /// The newest entry of the key, with `found.key` = `key` and the value in this block. Returns false where there is none.
  bool find(Bytes key, Entry& found) const;

  bool empty() const { return restarts_ == 0; }
  std::size_t bytes() const { return buffer_.size; }

 private:
  friend class BlockIterator;

  std::uint32_t restart(std::uint32_t index) const;
  Bytes restart_key(std::uint32_t index) const;
  /// Where a search for `key` begins: the last restart point with a smaller key, else the first. The block is not empty.
  std::uint32_t last_restart_below(Bytes key) const;
  void check() const;

  const Buffer buffer_;
  std::uint32_t entries_end_ = 0;  // where the restart points begin
  std::uint32_t restarts_ = 0;
};

/// Goes through a block's entries; holds the block. previous() costs up to a restart interval of entries.
class BlockIterator final : public EntryIterator {
 public:
  BlockIterator() = default;  ///< not valid
  explicit BlockIterator(std::shared_ptr<const Block> block) { reset(std::move(block)); }
  /// Goes on to another block, or to none; not valid until it is told where to.
  void reset(std::shared_ptr<const Block> block);

  bool valid() const override { return at_ != end_; }
  void seek_to_first() override;
  void seek_to_last() override;
  void seek(Bytes key) override;
  void seek_below(Bytes key) override;
  void next() override;
  void previous() override;
  Entry entry() const override {
    return {.key = key_, .lsn = lsn_, .tombstone = tombstone_, .value = value_};
  }

 private:
  const std::byte* restart(std::uint32_t index) const;
  void read(const std::byte* at);
  void read_restart(std::uint32_t index);

  std::shared_ptr<const Block> block_;
  const std::byte* at_ = nullptr;    // the entry that the members below are of
  const std::byte* end_ = nullptr;   // of the block's entries
  const std::byte* next_ = nullptr;  // the entry behind it
  std::uint32_t restart_ = 0;        // the last restart point that is not behind it
  std::vector<std::byte> key_;
  Lsn lsn_ = 0;
  bool tombstone_ = false;
  Bytes value_;
};

}  // namespace muster::lsm
