#include "engine/io/segment_writer.h"

#include <fcntl.h>

#include "engine/error.h"

namespace muster {

SegmentWriter::SegmentWriter(std::filesystem::path directory, Lsn start, std::uint64_t segment_bytes,
                             int flags)
    : directory_(std::move(directory)), flags_(flags) {
  lock_ = File::open(directory_, O_RDONLY | O_DIRECTORY);
  if (!lock_.try_lock()) {
    throw ConfigError("log.directory", directory_.string(),
                      "want a directory whose log no other process has open");
  }
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
