#include "engine/io/file_log_device.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace muster {

FileLogDevice::FileLogDevice(File lock, Lsn start, std::uint64_t segment_bytes)
    : start_(start), segments_(std::move(lock), start, segment_bytes, O_RDWR) {}

void FileLogDevice::write(Lsn begin, Bytes bytes) {
  while (!bytes.empty()) {
    if (begin == segments_.end()) {
      // A segment is durable before its successor holds anything: damage can be told from a crash.
      segments_.file().sync_data();
      segments_.advance();
    }
    const std::size_t part = std::min<std::size_t>(bytes.size(), segments_.end() - begin);
    segments_.file().write_at(segments_.offset(begin), bytes.first(part));
    bytes = bytes.subspan(part);
    begin += part;
    segments_.written(begin);
  }
}

void FileLogDevice::sync() {
  segments_.file().sync_data();
}

void FileLogDevice::remove_below(Lsn lsn) {
  remove_segments_below(segments_.directory(), lsn);
}

}  // namespace muster
