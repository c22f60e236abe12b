#include "engine/lsm/table_format.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <string>

#include "engine/error.h"
#include "engine/io/crc32c.h"

namespace muster::lsm {
namespace {

static_assert(std::endian::native ==
              std::endian::little);  // files are little-endian, and these are copied as they are

constexpr std::string_view kSuffix = ".sst";
constexpr std::uint64_t kMagic = 0x4c4254525453554d;  // "MUSTRTBL"

/// The checksum is of what lies before it. Whatever else another version changes, version, checksum and magic stay where they are.
struct StoredFooter {
  Section filter, index, properties;
  std::uint64_t number;
  std::uint32_t version;
  std::uint32_t checksum;
  std::uint64_t magic;

  std::uint32_t compute_checksum() const {
    return crc32c(std::as_bytes(std::span(this, 1)).first(offsetof(StoredFooter, checksum)));
  }
};
static_assert(sizeof(StoredFooter) == TableFooter::kBytes);

/// Behind it lie the smallest key and the largest one.
struct StoredProperties {
  std::uint64_t entries, tombstones, least_lsn, greatest_lsn, raw_bytes, blocks;
  std::uint64_t smallest_bytes, largest_bytes;
  std::uint64_t compression;
};

}  // namespace

std::filesystem::path table_path(const std::filesystem::path& directory, std::uint64_t number) {
  return directory / fmt::format("{:06}{}", number, kSuffix);
}

std::optional<std::uint64_t> table_number(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  std::uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  if (name != table_path({}, number).string()) return std::nullopt;
  return number;
}

std::vector<std::byte> TableFooter::encode() const {
  StoredFooter stored{.filter = filter,
                      .index = index,
                      .properties = properties,
                      .number = number,
                      .version = kTableFormatVersion,
                      .checksum = 0,
                      .magic = kMagic};
  stored.checksum = stored.compute_checksum();
  const Bytes bytes = std::as_bytes(std::span(&stored, 1));
  return {bytes.begin(), bytes.end()};
}

TableFooter TableFooter::decode(Bytes bytes, std::uint64_t file_bytes, std::uint64_t number) {
  if (bytes.size() < kBytes)
    throw DamageError(fmt::format("too short for a table file: {} bytes", bytes.size()));
  StoredFooter stored;
  std::memcpy(&stored, bytes.data() + bytes.size() - kBytes, kBytes);
  if (stored.magic != kMagic) throw DamageError("does not end as a table file does");
  if (stored.version != kTableFormatVersion) {
    throw DamageError(
        fmt::format("format version {}, this build wants version {}", stored.version, kTableFormatVersion));
  }
  if (const std::uint32_t computed = stored.compute_checksum(); stored.checksum != computed) {
    throw DamageError(
        fmt::format("the footer's checksum is {:08x}, its bytes' {:08x}", stored.checksum, computed));
  }
  if (stored.number != number)
    throw DamageError(fmt::format("holds table {}, want table {}", stored.number, number));
  std::uint64_t end = stored.filter.offset;
  for (const Section& part : {stored.filter, stored.index, stored.properties}) {
    const bool fits =
        part.offset == end && part.offset <= file_bytes && part.bytes <= file_bytes - part.offset;
    if (!fits) throw DamageError("the parts do not follow one another");
    end = part.end();
  }
  if (end + kBytes != file_bytes)
    throw DamageError(fmt::format("the file has {} bytes, want {}", file_bytes, end + kBytes));
  return {stored.filter, stored.index, stored.properties, stored.number};
}

std::vector<std::byte> encode_properties(const TableProperties& properties) {
  const StoredProperties stored{.entries = properties.entries,
                                .tombstones = properties.tombstones,
                                .least_lsn = properties.least_lsn,
                                .greatest_lsn = properties.greatest_lsn,
                                .raw_bytes = properties.raw_bytes,
                                .blocks = properties.blocks,
                                .smallest_bytes = properties.smallest.size(),
                                .largest_bytes = properties.largest.size(),
                                .compression = static_cast<std::uint64_t>(properties.compression)};
  std::vector<std::byte> bytes;
  bytes.reserve(sizeof stored + properties.smallest.size() + properties.largest.size());
  for (const Bytes part :
       {std::as_bytes(std::span(&stored, 1)), Bytes(properties.smallest), Bytes(properties.largest)})
    bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

TableProperties decode_properties(Bytes bytes) {
  StoredProperties stored;
  if (bytes.size() < sizeof stored) throw DamageError("the properties are cut off");
  std::memcpy(&stored, bytes.data(), sizeof stored);
  const Bytes keys = bytes.subspan(sizeof stored);
  if (stored.smallest_bytes > keys.size() || stored.largest_bytes != keys.size() - stored.smallest_bytes)
    throw DamageError("the properties' keys do not have the size that they say");
  const auto compression = stored.compression > 0xff
                               ? std::nullopt
                               : compression_of(static_cast<std::uint8_t>(stored.compression));
  if (!compression) throw DamageError(fmt::format("compression {} is not known", stored.compression));
  const Bytes smallest = keys.first(stored.smallest_bytes);
  const Bytes largest = keys.subspan(stored.smallest_bytes);
  return {.entries = stored.entries,
          .tombstones = stored.tombstones,
          .smallest = {smallest.begin(), smallest.end()},
          .largest = {largest.begin(), largest.end()},
          .least_lsn = stored.least_lsn,
          .greatest_lsn = stored.greatest_lsn,
          .raw_bytes = stored.raw_bytes,
          .blocks = stored.blocks,
          .compression = *compression};
}

}  // namespace muster::lsm
