#include "engine/io/segments.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <random>

#include "engine/error.h"
#include "engine/io/crc32c.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::array<char, 8> kMagic{'M', 'U', 'S', 'T', 'R', 'L', 'O', 'G'};
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kSuffix = ".log";
constexpr std::string_view kUnfinished = ".log.new";

/// Little-endian on disk, as on every machine that this runs on. The rest of the header's block is zero.
struct HeaderOnDisk {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t crc;  ///< of all that follows
  std::uint64_t incarnation;
  std::uint64_t first;
  std::uint64_t incarnation_begin;
  std::uint64_t bytes;
};
static_assert(sizeof(HeaderOnDisk) == 48);

std::uint32_t checksum(const HeaderOnDisk& header) {
  return crc32c(std::as_bytes(std::span(&header, 1)).subspan(offsetof(HeaderOnDisk, incarnation)));
}

fs::path segment_path(const fs::path& directory, Lsn first) {
  return directory / fmt::format("{:016x}{}", first, kSuffix);
}

/// The LSN in a segment's name; none for a file that is not called like one.
std::optional<Lsn> first_lsn_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Lsn first = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, first, 16);
  if (error != std::errc() || end != name.data() + 16) return std::nullopt;
  return first;
}

std::vector<std::pair<Lsn, fs::path>> named_segments(const fs::path& directory) {
  std::vector<std::pair<Lsn, fs::path>> found;
  if (!fs::exists(directory)) return found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (const auto first = first_lsn_of(entry.path())) found.emplace_back(*first, entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

[[noreturn]] void damaged(const fs::path& path, Lsn lsn, std::string_view what) {
  throw DamageError(fmt::format("log at LSN {}: {} {}", lsn, path.string(), what));
}

Segment read_header(Lsn named, const fs::path& path) {
  const File file = File::open(path, O_RDONLY);
  HeaderOnDisk header{};
  const std::uint64_t size = file.size();
  if (size < kSegmentHeaderBytes) {
    damaged(path, named,
            fmt::format("has {} bytes, less than a segment's header ({})", size, kSegmentHeaderBytes));
  }
  file.read_at(0, std::as_writable_bytes(std::span(&header, 1)));
  if (header.magic != kMagic)
    damaged(path, named, "is no segment of a log: its first bytes are not MUSTRLOG");
  if (header.version != kVersion) {
    damaged(path, named, fmt::format("has format version {}, want {}", header.version, kVersion));
  }
  if (header.crc != checksum(header)) damaged(path, named, "has a damaged header: its checksum is wrong");
  if (header.first != named) damaged(path, named, fmt::format("holds the log from LSN {}", header.first));
  return {path, header.incarnation, header.first, header.incarnation_begin, header.bytes, size};
}

}  // namespace

File lock_log(const fs::path& directory) {
  File lock = File::open(directory, O_RDONLY | O_DIRECTORY);
  if (!lock.try_lock()) {
    throw ConfigError("log.directory", directory.string(),
                      "want a directory whose log no other process has open");
  }
  return lock;
}

std::vector<Segment> list_segments(const fs::path& directory) {
  std::vector<Segment> segments;
  for (const auto& [first, path] : named_segments(directory)) {
    Segment segment = read_header(first, path);
    if (!segments.empty()) {
      // Within one incarnation the stream is dense; a later one cuts its predecessor where that ended.
      const Segment& last = segments.back();
      const bool same = segment.incarnation == last.incarnation;
      if (same ? first != last.end() : first > last.end()) {
        damaged(path, last.end(), fmt::format("begins at LSN {}: the segment before it is missing", first));
      }
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

bool has_segments(const fs::path& directory) {
  return !named_segments(directory).empty();
}

void forget_cached_segments(const fs::path& directory) {
  for (const auto& [first, path] : named_segments(directory)) File::open(path, O_RDONLY).forget_cached();
}

File create_segment(const fs::path& directory, Segment& segment, int flags) {
  segment.path = segment_path(directory, segment.first);
  segment.file_bytes = kSegmentHeaderBytes + segment.bytes;
  HeaderOnDisk header{
      kMagic, kVersion, 0, segment.incarnation, segment.first, segment.incarnation_begin, segment.bytes};
  header.crc = checksum(header);
  std::array<std::byte, kSegmentHeaderBytes> block{};
  std::memcpy(block.data(), &header, sizeof header);

  fs::path unfinished = segment.path;
  unfinished.replace_extension(kUnfinished);
  try {
    {
      File file = File::open(unfinished, O_RDWR | O_CREAT | O_TRUNC);
      file.preallocate(segment.file_bytes);
      file.write_at(0, block);
      file.sync_data();
    }
    rename_file(unfinished, segment.path);
    sync_directory(directory);
    return File::open(segment.path, flags);
  } catch (...) {
    remove_leftover(unfinished);
    throw;
  }
}

void remove_segments_above(const fs::path& directory, Lsn lsn) {
  std::vector<fs::path> unfinished;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().ends_with(kUnfinished)) unfinished.push_back(entry.path());
  }
  for (const fs::path& path : unfinished) remove_file(path);
  // Newest first: what a crash leaves of this is still a log without gaps.
  auto segments = named_segments(directory);
  for (auto segment = segments.rbegin(); segment != segments.rend() && segment->first > lsn; ++segment) {
    remove_file(segment->second);
    sync_directory(directory);
  }
}

void remove_segments_below(const fs::path& directory, Lsn lsn) {
  const auto segments = named_segments(directory);
  for (std::size_t i = 0; i + 1 < segments.size() && segments[i + 1].first <= lsn; ++i) {
    remove_file(segments[i].second);
    sync_directory(directory);
  }
}

std::uint64_t new_incarnation() {
  std::random_device random;
  return (std::uint64_t{random()} << 32) | random();
}

}  // namespace muster
