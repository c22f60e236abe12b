#include "engine/storage/page_checksum.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "engine/io/crc32c.h"
#include "engine/storage/page_words.h"

namespace muster {
namespace {

constexpr std::size_t kChecksumOffset = 4 * kWordBytes;
constexpr std::uint64_t kSealed = std::uint64_t{1} << 32;

/// Of a page whose checksum word is zero.
std::uint64_t checksum_word(std::span<const std::byte> page, TableId table, PageNumber number) {
  const std::array<std::uint64_t, 2> place{table, number};
  return kSealed | crc32c(page, crc32c(std::as_bytes(std::span(place))));
}

}  // namespace

void seal_page(std::span<std::byte, kPageBytes> page, TableId table, PageNumber number) {
  std::memset(page.data() + kChecksumOffset, 0, kWordBytes);
  const std::uint64_t word = checksum_word(page, table, number);
  std::memcpy(page.data() + kChecksumOffset, &word, sizeof word);
}

bool unseal_page(std::span<std::byte, kPageBytes> page, TableId table, PageNumber number) {
  std::uint64_t word;
  std::memcpy(&word, page.data() + kChecksumOffset, sizeof word);
  if (word == 0) return std::ranges::all_of(page, [](std::byte byte) { return byte == std::byte{0}; });
  std::memset(page.data() + kChecksumOffset, 0, kWordBytes);
  return word == checksum_word(page, table, number);
}

}  // namespace muster
