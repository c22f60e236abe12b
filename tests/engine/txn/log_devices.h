#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/io/file_log_device.h"
#include "engine/log/log_manager.h"

namespace muster {

/// Keeps what is written in the process until it is synced. The page cache outlives a killed process, so with
/// an ordinary file a lost sync would go unnoticed; here, what was not synced dies with the process.
class HoldingLogDevice : public LogDevice {
 public:
  explicit HoldingLogDevice(std::unique_ptr<LogDevice> device) : device_(std::move(device)) {}

  Lsn start() const override { return device_->start(); }
  std::uint64_t incarnation() const override { return device_->incarnation(); }
  void write(Lsn begin, Bytes bytes) override {
    if (held_.empty()) held_begin_ = begin;
    held_.insert(held_.end(), bytes.begin(), bytes.end());
  }
  void sync() override {
    if (held_.empty()) return;
    device_->write(held_begin_, held_);
    device_->sync();
    held_.clear();
  }
  void remove_below(Lsn lsn) override { device_->remove_below(lsn); }

 private:
  std::unique_ptr<LogDevice> device_;
  Lsn held_begin_ = 0;
  std::vector<std::byte> held_;
};

inline std::unique_ptr<LogDevice> make_holding_device(const LogOptions& log, Lsn begin) {
  return std::make_unique<HoldingLogDevice>(
      std::make_unique<FileLogDevice>(lock_log(log.directory), begin, log.segment_bytes));
}

/// Where syncs stop until the test opens it.
class Gate {
 public:
  void open() { set(true); }
  void close() { set(false); }
  void pass() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_; });
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
};

/// A device on which nothing becomes durable while the gate is closed.
class GatedLogDevice : public LogDevice {
 public:
  GatedLogDevice(std::unique_ptr<LogDevice> device, Gate& gate) : device_(std::move(device)), gate_(gate) {}

  Lsn start() const override { return device_->start(); }
  std::uint64_t incarnation() const override { return device_->incarnation(); }
  void write(Lsn begin, Bytes bytes) override { device_->write(begin, bytes); }
  void sync() override {
    gate_.pass();
    device_->sync();
  }
  void remove_below(Lsn lsn) override { device_->remove_below(lsn); }

 private:
  std::unique_ptr<LogDevice> device_;
  Gate& gate_;
};

}  // namespace muster
