#include "engine/io/segment_writer.h"

#include <fcntl.h>

namespace muster {

SegmentWriter::SegmentWriter(File lock, Lsn start, std::uint64_t segment_bytes, int flags)
    : directory_(lock.path()), flags_(flags), lock_(std::move(lock)) {
  // What was read back after a kill may be in the page cache only; the new incarnation builds on it.
  for (const Segment& segment : list_segments(directory_)) File::open(segment.path, O_RDWR).sync_data();
  remove_segments_above(directory_, start);
  segment_.incarnation = new_incarnation();
  segment_.first = segment_.incarnation_begin = start;
  segment_.bytes = segment_bytes;
  file_ = create_segment(directory_, segment_, flags_);
}

SegmentWriter::~SegmentWriter() {
  if (next_.valid()) next_.wait();
}

void SegmentWriter::written(Lsn lsn) {
  if (!next_.valid() && lsn - segment_.first > segment_.bytes / 2) prepare();
}

void SegmentWriter::prepare() {
  next_ = std::async(std::launch::async, [this, next = segment_]() mutable {
    next.first = next.end();
    File file = create_segment(directory_, next, flags_);
    return Prepared{std::move(next), std::move(file)};
  });
}

void SegmentWriter::advance() {
  if (!next_.valid()) prepare();
  Prepared next = next_.get();  // throws what the helper met: a full disk
  segment_ = std::move(next.segment);
  file_ = std::move(next.file);
}

}  // namespace muster
