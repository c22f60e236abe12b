#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "engine/error.h"
#include "engine/types.h"

namespace muster {

inline constexpr std::size_t kNumberBytes = 8;

/// An addition to a number in a value, as the log holds it: 16 bytes. Undo adds the inverse, whatever other transactions have
/// added meanwhile.
struct Increment {
  std::uint64_t offset = 0;
  std::int64_t by = 0;

  Increment inverse() const {
    // Unsigned: the smallest number has an inverse, too.
    return {offset, static_cast<std::int64_t>(-static_cast<std::uint64_t>(by))};
  }
  Bytes bytes() const { return std::as_bytes(std::span(this, 1)); }
  /// `bytes` are 16.
  static Increment of(Bytes bytes) {
    Increment increment;
    std::memcpy(&increment, bytes.data(), sizeof increment);
    return increment;
  }
};
static_assert(sizeof(Increment) == 16);

constexpr bool holds_number(std::size_t value_bytes, std::size_t offset) {
  return value_bytes >= kNumberBytes && offset <= value_bytes - kNumberBytes;
}
/// Throws ConfigError where a value of so many bytes ends before the number that begins at `offset` does.
inline void require_number(std::size_t offset, std::size_t value_bytes) {
  if (holds_number(value_bytes, offset)) return;
  throw ConfigError("increment at offset", std::to_string(offset),
                    "want 8 bytes from there on, of a value of " + std::to_string(value_bytes));
}

/// Adds to the little-endian number at the front of `bytes`; the sum wraps.
inline void add_to_number(std::span<std::byte> bytes, std::int64_t by) {
  std::uint64_t number = 0;
  for (std::size_t i = kNumberBytes; i-- > 0;) number = number << 8 | static_cast<std::uint8_t>(bytes[i]);
  number += static_cast<std::uint64_t>(by);
  for (std::size_t i = 0; i < kNumberBytes; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i) & 0xff);
}

}  // namespace muster
