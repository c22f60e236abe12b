#pragma once

#include "engine/io/log_device.h"
#include "engine/io/segment_writer.h"

namespace muster {

/// Segments written through the page cache; a sync is an fdatasync.
class FileLogDevice : public LogDevice {
 public:
  FileLogDevice(File lock, Lsn start, std::uint64_t segment_bytes);

  Lsn start() const override { return start_; }
  std::uint64_t incarnation() const override { return segments_.incarnation(); }
  void write(Lsn begin, Bytes bytes) override;
  void sync() override;
  void remove_below(Lsn lsn) override;

 private:
  const Lsn start_;
  SegmentWriter segments_;
};

}  // namespace muster
