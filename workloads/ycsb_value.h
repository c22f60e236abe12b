#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/types.h"

namespace muster {

/// Keys are 8 bytes, big-endian, so that they sort as the numbers do.
using YcsbKey = std::array<std::byte, 8>;
YcsbKey ycsb_key(std::uint64_t number);
/// Nothing where the bytes are no key.
std::optional<std::uint64_t> ycsb_number(Bytes key);

/// A value says whose it is, which write it comes from, and whether it is whole:
///   key number | stamp | checksum of all else | filler, which depends on the stamp
/// Of a value that transactions count in, checksum and filler do not depend on the stamp.
class YcsbValue {
 public:
  static constexpr std::uint32_t kMinBytes = 24;
  static constexpr std::uint32_t kMaxBytes = 1024;

  static constexpr std::size_t kStampOffset = 8;

  YcsbValue(std::uint32_t bytes, std::uint64_t seed, bool is_counter = false);

  /// Writes the value that (key, stamp) has to have; `into` has bytes() bytes.
  void write(std::uint64_t key, std::uint64_t stamp, std::span<std::byte> into) const;
  /// The stamp of a whole value of this key; nothing where it is anything else.
  std::optional<std::uint64_t> stamp(std::uint64_t key, Bytes value) const;
  /// The number of the record that the value names; nothing where the value is too short.
  static std::optional<std::uint64_t> number(Bytes value);
  std::uint32_t bytes() const { return bytes_; }

 private:
  static constexpr std::uint64_t kPlaces = 4096;
  std::uint32_t bytes_;
  bool is_counter_;
  std::vector<std::byte> filler_;
};

}  // namespace muster
