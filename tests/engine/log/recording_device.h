#pragma once

#include <atomic>
#include <memory>

#include "engine/io/log_device.h"

namespace muster {

/// Notes up to where its syncs have returned: whatever is acknowledged as durable must end at or below.
class RecordingDevice : public LogDevice {
 public:
  explicit RecordingDevice(std::unique_ptr<LogDevice> device)
      : device_(std::move(device)), written_(device_->start()), synced_(device_->start()) {}

  Lsn start() const override { return device_->start(); }
  std::uint64_t incarnation() const override { return device_->incarnation(); }
  void write(Lsn begin, Bytes bytes) override {
    device_->write(begin, bytes);
    if (begin != written_) out_of_order_ = true;
    written_ = begin + bytes.size();
  }
  void sync() override {
    device_->sync();
    synced_ = written_.load();
    ++syncs_;
  }
  void remove_below(Lsn lsn) override { device_->remove_below(lsn); }

  Lsn synced() const { return synced_; }
  std::uint64_t syncs() const { return syncs_; }
  bool out_of_order() const { return out_of_order_; }

 private:
  std::unique_ptr<LogDevice> device_;
  std::atomic<Lsn> written_;
  std::atomic<Lsn> synced_;
  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<bool> out_of_order_{false};
};

}  // namespace muster
