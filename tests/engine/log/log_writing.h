#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/io/file_log_device.h"
#include "engine/io/segments.h"
#include "engine/log/record_codec.h"
#include "tests/engine/log/log_testing.h"

namespace muster {

inline constexpr std::uint64_t kSegment = 4096;

/// Writes records one by one with a stated knowledge of what is durable: a log as a crash may leave it.
class LogWriter {
 public:
  explicit LogWriter(const std::filesystem::path& directory, Lsn start = kFirstLsn,
                     std::uint64_t segment = kSegment)
      : device_(lock_log(directory), start, segment), position_(start) {}

  /// The record's LSN.
  Lsn commit(TransactionId transaction, Lsn durable) {
    encoder_.mark(RecordType::commit, transaction, durable);
    return put();
  }
  Lsn update(std::size_t value_bytes, Lsn durable) {
    const std::string value(value_bytes, 'v');
    encoder_.change(RecordType::update, 1, durable, 0, update_of("key", "", value));
    return put();
  }
  Lsn end() const { return position_; }

 private:
  Lsn put() {
    std::vector<std::byte> bytes(encoder_.size());
    encoder_.place(device_.incarnation(), position_, 0, bytes);
    device_.write(position_, bytes);
    const Lsn lsn = position_;
    position_ += bytes.size();
    return lsn;
  }

  FileLogDevice device_;
  RecordEncoder encoder_;
  Lsn position_;
};

/// Writes over the stream at `lsn`, in the segment that holds it.
inline void overwrite(const std::filesystem::path& directory, Lsn lsn, Bytes bytes) {
  for (const Segment& segment : list_segments(directory)) {
    if (segment.first <= lsn && lsn < segment.end()) {
      File::open(segment.path, O_RDWR).write_at(kSegmentHeaderBytes + (lsn - segment.first), bytes);
    }
  }
}

inline void spoil(const std::filesystem::path& directory, Lsn lsn) {
  overwrite(directory, lsn, as_bytes("junk"));
}

/// Empty where no segment holds `lsn`.
inline std::filesystem::path segment_at(const std::filesystem::path& directory, Lsn lsn) {
  for (const Segment& segment : list_segments(directory)) {
    if (segment.first <= lsn && lsn < segment.end()) return segment.path;
  }
  return {};
}

}  // namespace muster
