#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace muster::lsm {

/// Unsigned numbers of 64 bits in 1 to 10 bytes: seven bits a byte, the lowest first; a set top bit says that more follow.
inline void append_varint(std::vector<std::byte>& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<std::byte>(value | 0x80));
  to.push_back(static_cast<std::byte>(value));
}

/// Reads a number that lies within [at, end). Returns where it ends, or null where none is whole or it exceeds 64 bits.
inline const std::byte* read_varint(const std::byte* at, const std::byte* end, std::uint64_t& value) {
  std::uint64_t read = 0;
  for (unsigned shift = 0; at != end && shift < 64; shift += 7) {
    const auto byte = static_cast<std::uint64_t>(*at++);
    if (shift == 63 && byte > 1) return nullptr;
    read |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      value = read;
      return at;
    }
  }
  return nullptr;
}

/// Reads a number that is known to be whole, and moves `at` behind it.
inline std::uint64_t take_varint(const std::byte*& at) {
  auto byte = static_cast<std::uint64_t>(*at++);
  std::uint64_t value = byte & 0x7f;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<std::uint64_t>(*at++);
    value |= (byte & 0x7f) << shift;
  }
  return value;
}

}  // namespace muster::lsm
