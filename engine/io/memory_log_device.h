#pragma once

#include <chrono>
#include <vector>

#include "engine/io/log_device.h"

namespace muster {

/// A log that is forgotten. Every byte is copied once, as a write to the page cache would, into a buffer that
/// wraps around; a sync takes `latency`.
class MemoryLogDevice : public LogDevice {
 public:
  explicit MemoryLogDevice(std::chrono::nanoseconds latency);

  Lsn start() const override { return kFirstLsn; }
  std::uint64_t incarnation() const override { return incarnation_; }
  void write(Lsn begin, Bytes bytes) override;
  void sync() override;
  void remove_below(Lsn) override {}

 private:
  const std::chrono::nanoseconds latency_;
  const std::uint64_t incarnation_;
  std::vector<std::byte> buffer_;
};

}  // namespace muster
