#include "engine/lsm/block.h"

#include <bit>
#include <limits>
#include <stdexcept>
#include <utility>

#include "engine/error.h"
#include "engine/lsm/varint.h"

namespace muster::lsm {
namespace {

static_assert(std::endian::native ==
              std::endian::little);  // the restart points are stored as they are in memory

/// An entry as it lies in a block: three numbers, the key's own bytes, the payload (LSN, value).
struct StoredEntry {
  std::size_t shared;  // bytes of the key before
  Bytes suffix;        // the key's bytes behind those
  const std::byte* payload;
  std::size_t payload_bytes;
  bool tombstone;

  const std::byte* end() const { return payload + payload_bytes; }
  Bytes value(Lsn& lsn) const {
    const std::byte* at = payload;
    lsn = take_varint(at);
    return {at, end()};
  }
};

/// Of a block that check() has passed.
StoredEntry read_entry(const std::byte* at) {
  const std::size_t shared = take_varint(at);
  const std::size_t own = take_varint(at);
  const std::uint64_t payload = take_varint(at);
  return {shared, Bytes(at, own), at + own, payload >> 1, (payload & 1) != 0};
}

std::size_t common_prefix(Bytes a, Bytes b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t common = 0;
  for (; common + sizeof(std::uint64_t) <= most; common += sizeof(std::uint64_t)) {
    std::uint64_t word_a, word_b;
    std::memcpy(&word_a, a.data() + common, sizeof word_a);
    std::memcpy(&word_b, b.data() + common, sizeof word_b);
    if (word_a != word_b) return common + static_cast<std::size_t>(std::countr_zero(word_a ^ word_b)) / 8;
  }
  while (common < most && a[common] == b[common]) ++common;
  return common;
}

void append(std::vector<std::byte>& to, Bytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

std::size_t varint_bytes(std::uint64_t value) {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

void want(bool condition, const char* what) {
  if (!condition) throw DamageError(what);
}

}  // namespace

void BlockBuilder::add(const Entry& entry) {
  std::size_t shared = 0;
  if (restarts_.empty() || since_restart_ == restart_interval_) {
    restarts_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    since_restart_ = 0;
  } else {
    shared = common_prefix(last_key_, entry.key);
  }
  ++since_restart_;
  const Bytes suffix = entry.key.subspan(shared);
  append_varint(bytes_, shared);
  append_varint(bytes_, suffix.size());
  append_varint(bytes_, (varint_bytes(entry.lsn) + entry.value.size()) << 1 | (entry.tombstone ? 1 : 0));
  append(bytes_, suffix);
  append_varint(bytes_, entry.lsn);
  append(bytes_, entry.value);
  last_key_.resize(shared);
  append(last_key_, suffix);
}

Bytes BlockBuilder::finish() {
  if (bytes() > std::numeric_limits<std::uint32_t>::max())
    throw std::length_error("a block of more than 4 GiB");
  append(bytes_, std::as_bytes(std::span(restarts_)));
  const auto count = static_cast<std::uint32_t>(restarts_.size());
  append(bytes_, std::as_bytes(std::span(&count, 1)));
  return bytes_;
}

void BlockBuilder::clear() {
  bytes_.clear();
  restarts_.clear();
  since_restart_ = 0;
}

Block::Block(Buffer buffer) : buffer_(std::move(buffer)) {
  constexpr std::size_t kWord = sizeof(std::uint32_t);
  const std::size_t size = buffer_.size;
  want(size >= kWord && size <= std::numeric_limits<std::uint32_t>::max(), "no block has this size");
  std::memcpy(&restarts_, buffer_.data.get() + size - kWord, kWord);
  want(restarts_ <= size / kWord - 1, "more restart points than the block has room for");
  entries_end_ = static_cast<std::uint32_t>(size - (restarts_ + std::size_t{1}) * kWord);
  check();
}

/// Walks over all entries; every number in the block is held against the bytes that there are.
void Block::check() const {
  const std::byte* const begin = buffer_.data.get();
  const std::byte* const end = begin + entries_end_;
  std::uint32_t restarts = 0;
  std::uint64_t key_bytes = 0;
  for (const std::byte* at = begin; at != end;) {
    std::uint64_t shared, own, payload, lsn;
    const std::byte* const entry = at;
    at = read_varint(at, end, shared);
    if (at != nullptr) at = read_varint(at, end, own);
    if (at != nullptr) at = read_varint(at, end, payload);
    want(at != nullptr, "an entry is cut off");
    if (restarts < restarts_ && begin + restart(restarts) == entry) {
      want(shared == 0, "a restart point's key is not whole");
      ++restarts;
    }
    want(restarts != 0, "the first entry is no restart point");
    want(shared <= key_bytes, "an entry shares more than the key before it has");
    const auto left = static_cast<std::uint64_t>(end - at);
    want(own <= left && payload >> 1 <= left - own, "an entry ends behind its block");
    key_bytes = shared + own;
    const std::byte* const next = at + own + (payload >> 1);
    const std::byte* const value = read_varint(at + own, next, lsn);
    want(value != nullptr, "an entry has no LSN");
    want((payload & 1) == 0 || value == next, "a removal has a value");
    at = next;
  }
  want(restarts == restarts_, "a restart point is at no entry");
}

std::uint32_t Block::restart(std::uint32_t index) const {
  std::uint32_t offset;
  std::memcpy(&offset, buffer_.data.get() + entries_end_ + index * sizeof offset, sizeof offset);
  return offset;
}

Bytes Block::restart_key(std::uint32_t index) const {
  return read_entry(buffer_.data.get() + restart(index)).suffix;
}

std::uint32_t Block::last_restart_below(Bytes key) const {
  std::uint32_t below = 0;  // this one, or it is the first
  std::uint32_t not_below = restarts_;
  while (not_below - below > 1) {
    const std::uint32_t middle = below + (not_below - below) / 2;
    (compare_keys(restart_key(middle), key) < 0 ? below : not_below) = middle;
  }
  return below;
}

/// Compares without putting keys together: `matched` bytes of `key` are those of the key before, which is below `key`. An
/// entry that shares more with the key before is below as well. One that shares less differs from `key` where `matched`
/// bytes are equal, and since it is above the key before, it is above `key`.
bool Block::find(Bytes key, Entry& found) const {
  if (empty()) return false;
  const std::byte* const begin = buffer_.data.get();
  const std::byte* const end = begin + entries_end_;
  const std::uint32_t first = last_restart_below(key);
  const std::byte* const next_restart = first + 1 < restarts_ ? begin + restart(first + 1) : end;
  std::size_t matched = 0;
  for (const std::byte* at = begin + restart(first); at != end;) {
    if (at == next_restart) matched = 0;  // its key is whole
    const StoredEntry entry = read_entry(at);
    at = entry.end();
    if (entry.shared > matched) continue;
    if (entry.shared < matched) return false;
    const Bytes rest = key.subspan(matched);
    const std::size_t common = common_prefix(entry.suffix, rest);
    if (common == rest.size()) {
      if (common != entry.suffix.size()) return false;
      found.key = key;
      found.tombstone = entry.tombstone;
      found.value = entry.value(found.lsn);
      return true;
    }
    if (common != entry.suffix.size() && entry.suffix[common] > rest[common]) return false;
    matched += common;
  }
  return false;
}

void BlockIterator::reset(std::shared_ptr<const Block> block) {
  block_ = std::move(block);
  end_ = block_ == nullptr ? nullptr : block_->buffer_.data.get() + block_->entries_end_;
  at_ = end_;
}

const std::byte* BlockIterator::restart(std::uint32_t index) const {
  return block_->buffer_.data.get() + block_->restart(index);
}

void BlockIterator::read(const std::byte* at) {
  at_ = at;
  if (at == end_) return;
  const StoredEntry entry = read_entry(at);
  key_.resize(entry.shared);
  append(key_, entry.suffix);
  tombstone_ = entry.tombstone;
  value_ = entry.value(lsn_);
  next_ = entry.end();
}

void BlockIterator::read_restart(std::uint32_t index) {
  restart_ = index;
  read(restart(index));
}

void BlockIterator::seek_to_first() {
  at_ = end_;
  if (block_ != nullptr && !block_->empty()) read_restart(0);
}

void BlockIterator::seek_to_last() {
  at_ = end_;
  if (block_ == nullptr || block_->empty()) return;
  read_restart(block_->restarts_ - 1);
  while (next_ != end_) read(next_);
}

void BlockIterator::seek(Bytes key) {
  at_ = end_;
  if (block_ == nullptr || block_->empty()) return;
  read_restart(block_->last_restart_below(key));
  while (valid() && compare_keys(key_, key) < 0) next();
}

void BlockIterator::seek_below(Bytes key) {
  seek(key);
  if (valid()) {
    previous();
  } else {
    seek_to_last();
  }
}

void BlockIterator::next() {
  if (restart_ + 1 < block_->restarts_ && next_ == restart(restart_ + 1)) ++restart_;
  read(next_);
}

void BlockIterator::previous() {
  const std::byte* const from = at_;
  if (from == restart(restart_)) {
    if (restart_ == 0) {
      at_ = end_;
      return;
    }
    --restart_;
  }
  read_restart(restart_);
  while (next_ != from) read(next_);
}

}  // namespace muster::lsm
