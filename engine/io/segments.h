#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/io/file.h"
#include "engine/types.h"

namespace muster {

/// The log on disk (README.md describes the format): a directory of segments, each named after the LSN of its
/// first byte, each a header of kSegmentHeaderBytes followed by `bytes` of the stream. A segment has its full
/// size and a synced header before it gets its name.
inline constexpr std::size_t kSegmentHeaderBytes = 4096;

struct Segment {
  std::filesystem::path path;
  std::uint64_t incarnation = 0;
  Lsn first = 0;              ///< LSN of the first byte
  Lsn incarnation_begin = 0;  ///< first byte of this incarnation; a record begins there
  std::uint64_t bytes = 0;    ///< of the stream that it has room for
  std::uint64_t file_bytes = 0;

  /// Where the stream would go on in the next segment of this incarnation.
  Lsn end() const { return first + bytes; }
  /// Where the file really ends: below end() when it has been cut.
  Lsn file_end() const { return std::min<Lsn>(end(), first + file_bytes - kSegmentHeaderBytes); }
};

/// Takes an existing directory for the caller, as long as the result lives. ConfigError when another has it.
File lock_log(const std::filesystem::path& directory);

/// The segments of a log in the order of their LSNs; empty where there is no log. Nothing is changed. Throws
/// DamageError: a file that ends inside its header, that no log of this version wrote, whose name and header
/// disagree, or a gap between two segments.
std::vector<Segment> list_segments(const std::filesystem::path& directory);

/// Whether a file is called like a segment.
bool has_segments(const std::filesystem::path& directory);

/// File::forget_cached() of every segment.
void forget_cached_segments(const std::filesystem::path& directory);

/// Creates a segment that survives a crash from now on, opened with `flags`. One of the same name is
/// replaced.
File create_segment(const std::filesystem::path& directory, Segment& segment, int flags);

/// Removes what begins above `lsn` or was never finished. Durable when it returns.
void remove_segments_above(const std::filesystem::path& directory, Lsn lsn);
/// Removes segments that end at or below `lsn`, oldest first, never the newest.
void remove_segments_below(const std::filesystem::path& directory, Lsn lsn);

/// Random.
std::uint64_t new_incarnation();

}  // namespace muster
