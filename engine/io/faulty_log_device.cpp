#include "engine/io/faulty_log_device.h"

#include <algorithm>
#include <system_error>

namespace muster {

FaultyLogDevice::FaultyLogDevice(std::unique_ptr<LogDevice> device, const Faults& faults)
    : device_(std::move(device)), faults_(faults) {}

void FaultyLogDevice::write(Lsn begin, Bytes bytes) {
  if (++writes_ == faults_.write) {
    device_->write(begin, bytes.first(std::min(bytes.size(), faults_.write_bytes)));
    throw std::system_error(faults_.error, std::generic_category(), "write (injected)");
  }
  device_->write(begin, bytes);
}

void FaultyLogDevice::sync() {
  if (++syncs_ == faults_.sync) {
    throw std::system_error(faults_.error, std::generic_category(), "fdatasync (injected)");
  }
  device_->sync();
}

}  // namespace muster
