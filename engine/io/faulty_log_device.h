#pragma once

#include <cerrno>
#include <memory>

#include "engine/io/log_device.h"

namespace muster {

/// What goes wrong, and when. Calls are counted from 1; 0: never.
struct Faults {
  std::uint64_t write = 0;      ///< this write fails
  std::size_t write_bytes = 0;  ///< after so many of its bytes have reached the device
  std::uint64_t sync = 0;       ///< this sync fails; what was written before stays
  int error = EIO;
};

/// A device that fails once and works again afterwards, as an fdatasync may after an I/O error: a caller that
/// retries would be told that all is well. For tests.
class FaultyLogDevice : public LogDevice {
 public:
  FaultyLogDevice(std::unique_ptr<LogDevice> device, const Faults& faults);

  Lsn start() const override { return device_->start(); }
  std::uint64_t incarnation() const override { return device_->incarnation(); }
  void write(Lsn begin, Bytes bytes) override;
  void sync() override;
  void remove_below(Lsn lsn) override { device_->remove_below(lsn); }

  std::uint64_t writes() const { return writes_; }  ///< calls, failed ones included
  std::uint64_t syncs() const { return syncs_; }

 private:
  std::unique_ptr<LogDevice> device_;
  const Faults faults_;
  std::uint64_t writes_ = 0;
  std::uint64_t syncs_ = 0;
};

}  // namespace muster
