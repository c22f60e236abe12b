#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "engine/types.h"

namespace muster {

/// The only way in which the bytes of a page are touched while someone may read them without a latch.
///
/// Ordering  A sequence lock whose data are words (Boehm, "Can seqlocks get along with programming language
///           memory models?", MSPC'12). Stores are releases and come after the compare-and-swap that took the
///           latch; loads are acquires and come before the load that validates the version. So a reader that
///           sees one word of a writer also sees its latch, and throws away what it read. No fence is needed,
///           which a race detector would not see; on x86 both are plain moves.
/// Under a shared or exclusive latch the bytes may also be read plainly: the thread that wrote them has
/// released the latch.

inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

constexpr std::size_t padded(std::size_t bytes) {
  return (bytes + kWordBytes - 1) / kWordBytes * kWordBytes;
}

inline std::uint64_t load_word(const std::byte* from) {
  auto* word = reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(from));
  return std::atomic_ref(*word).load(std::memory_order_acquire);
}

inline void store_word(std::byte* to, std::uint64_t value) {
  std::atomic_ref(*reinterpret_cast<std::uint64_t*>(to)).store(value, std::memory_order_release);
}

/// The bytes at `from` as a number whose first byte weighs most.
template <class Word>
Word ordered(const std::byte* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  if constexpr (std::endian::native == std::endian::big) return word;
  return sizeof word == 8 ? static_cast<Word>(__builtin_bswap64(word))
                          : static_cast<Word>(__builtin_bswap32(static_cast<std::uint32_t>(word)));
}

/// Copies `size` bytes out of a page; `from` is aligned to a word.
inline void copy_from_page(std::byte* to, const std::byte* from, std::size_t size) {
  for (; size >= kWordBytes; size -= kWordBytes, from += kWordBytes, to += kWordBytes) {
    const std::uint64_t word = load_word(from);
    std::memcpy(to, &word, kWordBytes);
  }
  if (size == 0) return;
  const std::uint64_t word = load_word(from);
  std::memcpy(to, &word, size);
}

/// Copies into a page, where `to` is aligned to a word; the last word is filled up with zeros.
inline void copy_to_page(std::byte* to, Bytes from) {
  std::uint64_t word;
  for (; from.size() >= kWordBytes; from = from.subspan(kWordBytes), to += kWordBytes) {
    std::memcpy(&word, from.data(), kWordBytes);
    store_word(to, word);
  }
  if (from.empty()) return;
  word = 0;
  std::memcpy(&word, from.data(), from.size());
  store_word(to, word);
}

/// The first eight bytes at `from`, or as many as there are, as a number that orders like the bytes. A few
/// bytes are gathered by loads that overlap, since copying an unknown number of them is a call.
inline std::uint64_t ordered_word(const std::byte* from, std::size_t size) {
  if (size >= kWordBytes) return ordered<std::uint64_t>(from);
  if (size >= 4) {
    return std::uint64_t{ordered<std::uint32_t>(from)} << 32 |
           std::uint64_t{ordered<std::uint32_t>(from + size - 4)} << (8 * (kWordBytes - size));
  }
  const auto in_place = [from](std::size_t i) {
    return std::to_integer<std::uint64_t>(from[i]) << (56 - 8 * i);
  };
  return size == 0 ? 0 : in_place(0) | in_place(size / 2) | in_place(size - 1);
}

/// Orders `size` bytes of a page, padded with zeros, against `key`: negative, zero, positive as usual.
/// Padding takes nothing from the order: where the words agree, the shorter string is the smaller.
inline int compare_in_page(const std::byte* at, std::size_t size, Bytes key) {
  const std::size_t common = std::min(padded(size), padded(key.size()));
  for (std::size_t i = 0; i < common; i += kWordBytes) {
    std::uint64_t in_page = load_word(at + i);
    if constexpr (std::endian::native == std::endian::little) in_page = __builtin_bswap64(in_page);
    const std::uint64_t in_key = ordered_word(key.data() + i, key.size() - i);
    if (in_page != in_key) return in_page < in_key ? -1 : 1;
  }
  return size == key.size() ? 0 : (size < key.size() ? -1 : 1);
}

}  // namespace muster
