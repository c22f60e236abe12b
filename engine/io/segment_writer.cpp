#include "engine/io/segment_writer.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace muster {
namespace {

constexpr std::uint64_t kFirstBytesLeast = std::uint64_t{64} << 10;

}  // namespace

SegmentWriter::SegmentWriter(File lock, Lsn start, std::uint64_t segment_bytes, int flags)
    : directory_(lock.path()), segment_bytes_(segment_bytes), flags_(flags), lock_(std::move(lock)) {
  // What was read back after a kill may be in the page cache only; the new incarnation builds on it.
  for (const Segment& segment : list_segments(directory_)) File::open(segment.path, O_RDWR).sync_data();
  remove_segments_above(directory_, start);
  segment_.incarnation = new_incarnation();
  segment_.first = segment_.incarnation_begin = start;
  file_ = create_first();
}

SegmentWriter::~SegmentWriter() {
  if (next_.valid()) next_.wait();
}

/// Restart takes a little room before it gives back what the segments of the last run hold.
File SegmentWriter::create_first() {
  for (segment_.bytes = segment_bytes_;; segment_.bytes = std::max(segment_.bytes / 4, kFirstBytesLeast)) {
    segment_.bytes -= segment_.bytes % kSegmentHeaderBytes;
    try {
      return create_segment(directory_, segment_, flags_);
    } catch (const std::system_error& error) {
      if (!is_lack_of_room(error.code()) || segment_.bytes <= kFirstBytesLeast) throw;
    }
  }
}

void SegmentWriter::written(Lsn lsn) {
  if (!next_.valid() && lsn - segment_.first > segment_.bytes / 2) prepare();
}

SegmentWriter::Prepared SegmentWriter::create_next() const {
  Segment next = segment_;
  next.first = segment_.end();
  next.bytes = segment_bytes_;
  File file = create_segment(directory_, next, flags_);
  return {std::move(next), std::move(file)};
}

void SegmentWriter::prepare() {
  next_ = std::async(std::launch::async, [this] { return create_next(); });  // segment_ stays until advance()
}

/// What the helper has made. If it found no room there may be some by now.
SegmentWriter::Prepared SegmentWriter::take_next() {
  if (!next_.valid()) return create_next();
  try {
    return next_.get();
  } catch (const std::system_error& error) {
    if (!is_lack_of_room(error.code())) throw;
  }
  return create_next();
}

void SegmentWriter::advance() {
  Prepared next = take_next();
  segment_ = std::move(next.segment);
  file_ = std::move(next.file);
}

}  // namespace muster
