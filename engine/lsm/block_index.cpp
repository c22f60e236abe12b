#include "engine/lsm/block_index.h"

#include <bit>
#include <ranges>

namespace muster::lsm {
namespace {

/// The first eight bytes as a number that orders as they do; a key that ends before counts as if zeros followed.
std::uint64_t word_of(Bytes bytes) {
  std::uint64_t word = 0;
  if (!bytes.empty()) std::memcpy(&word, bytes.data(), std::min(bytes.size(), sizeof word));
  static_assert(std::endian::native == std::endian::little);
  return __builtin_bswap64(word);
}

}  // namespace

void BlockIndex::add(Bytes last_key, Section block) {
  blocks_.push_back(block);
  keys_.insert(keys_.end(), last_key.begin(), last_key.end());
  key_ends_.push_back(keys_.size());
}

Bytes BlockIndex::last_key(std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : key_ends_[index - 1];
  return Bytes(keys_).subspan(begin, key_ends_[index] - begin);
}

void BlockIndex::seal() {
  if (blocks_.empty()) return;
  const Bytes first = last_key(0);
  const Bytes last = last_key(size() - 1);
  common_ =
      static_cast<std::size_t>(std::ranges::mismatch(first, last).in1 - first.begin());  // so of all between
  words_.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) words_.push_back(word_of(last_key(i).subspan(common_)));
}

std::size_t BlockIndex::find(Bytes key) const {
  if (blocks_.empty()) return 0;
  const Bytes begin = key.first(std::min(key.size(), common_));
  const auto order = compare_keys(begin, last_key(0).first(common_));
  if (order != 0) return order < 0 ? 0 : size();
  const std::uint64_t word = word_of(key.subspan(common_));
  const auto at = std::ranges::lower_bound(words_, word);
  auto index = static_cast<std::size_t>(at - words_.begin());
  if (at == words_.end() || *at != word) return index;
  const auto above =
      static_cast<std::size_t>(std::ranges::upper_bound(at, words_.end(), word) - words_.begin());
  const auto equal = std::views::iota(index, above);
  const auto found = std::ranges::lower_bound(
      equal, key, [](Bytes a, Bytes b) { return compare_keys(a, b) < 0; },
      [this](std::size_t i) { return last_key(i); });
  return index + static_cast<std::size_t>(found - equal.begin());
}

}  // namespace muster::lsm
