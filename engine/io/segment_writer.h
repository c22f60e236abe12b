#pragma once

#include <future>

#include "engine/io/log_device.h"
#include "engine/io/segments.h"

namespace muster {

/// The segment that is being written, and the one after it, which a helper thread prepares while the first is
/// being filled, so that no flush waits for it.
class SegmentWriter {
 public:
  /// Goes on at `start` in the directory that `lock` (of lock_log) has for itself: makes what is there durable,
  /// removes what lies above, and begins a new incarnation with a segment of its own, a smaller one where the disk
  /// has no room. So stale bytes behind `start` stay in a segment of which readers stop before them. A reader is told by the
  /// new segment where the old one ends.
  SegmentWriter(File lock, Lsn start, std::uint64_t segment_bytes, int flags);
  ~SegmentWriter();

  File& file() { return file_; }
  /// Offset of `lsn` in the current file.
  std::uint64_t offset(Lsn lsn) const { return kSegmentHeaderBytes + (lsn - segment_.first); }
  Lsn end() const { return segment_.end(); }
  std::uint64_t incarnation() const { return segment_.incarnation; }
  const std::filesystem::path& directory() const { return directory_; }

  /// Says that everything below `lsn` is written: time to prepare the next segment?
  void written(Lsn lsn);
  /// Goes on in the next segment; the current one must be synced.
  void advance();

 private:
  struct Prepared {
    Segment segment;
    File file;
  };
  File create_first();
  Prepared create_next() const;
  void prepare();
  Prepared take_next();

  const std::filesystem::path directory_;
  const std::uint64_t segment_bytes_;
  const int flags_;
  const File lock_;  // the directory, locked as long as this lives
  Segment segment_;
  File file_;
  std::future<Prepared> next_;
};

}  // namespace muster
