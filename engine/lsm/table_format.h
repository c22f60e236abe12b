#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "engine/lsm/block_index.h"
#include "engine/lsm/compression.h"

namespace muster::lsm {

/// What a table file says of its entries. Of an empty table the keys are empty and the LSNs 0.
struct TableProperties {
  std::uint64_t number = 0;
  std::uint64_t entries = 0;
  std::uint64_t tombstones = 0;  ///< of these entries
  std::vector<std::byte> smallest;
  std::vector<std::byte> largest;
  Lsn least_lsn = 0;
  Lsn greatest_lsn = 0;
  std::uint64_t raw_bytes = 0;  ///< of all keys and values
  std::uint64_t blocks = 0;     ///< of data
  std::uint64_t file_bytes = 0;
  Compression compression =
      Compression::none;  ///< what was asked for; a block that it would not help goes without
  std::uint32_t format_version = 0;

  bool operator==(const TableProperties&) const = default;
};

/// `directory`/NNNNNN.sst, the number with at least six digits.
std::filesystem::path table_path(const std::filesystem::path& directory, std::uint64_t number);
/// The number of a table file of that name; none for other names.
std::optional<std::uint64_t> table_number(const std::filesystem::path& path);

inline constexpr std::uint32_t kTableFormatVersion = 1;

/// The end of a table file: where its other parts lie. They follow one another, and the footer follows them.
struct TableFooter {
  static constexpr std::size_t kBytes = 72;

  Section filter;  ///< the data blocks lie before it
  Section index;
  Section properties;
  std::uint64_t number = 0;

  std::vector<std::byte> encode() const;
  /// Throws DamageError where the bytes, the last ones of a file of `file_bytes`, are no footer of table `number`, or one of
  /// another format version.
  static TableFooter decode(Bytes bytes, std::uint64_t file_bytes, std::uint64_t number);
};

/// Without number, file size and format version, which the footer and the file system tell.
std::vector<std::byte> encode_properties(const TableProperties& properties);
/// Throws DamageError where the bytes are something else.
TableProperties decode_properties(Bytes bytes);

}  // namespace muster::lsm
