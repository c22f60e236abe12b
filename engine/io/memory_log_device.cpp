#include "engine/io/memory_log_device.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "algorithms/parts/backoff.h"
#include "engine/io/segments.h"

namespace muster {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
/// A sleep ends late by the kernel's timer slack; this much is left to spinning and yielding.
constexpr std::chrono::microseconds kTimerSlack{60};

}  // namespace

MemoryLogDevice::MemoryLogDevice(std::chrono::nanoseconds latency)
    : latency_(latency), incarnation_(new_incarnation()), buffer_(kBufferBytes) {}

void MemoryLogDevice::write(Lsn begin, Bytes bytes) {
  while (!bytes.empty()) {
    const std::size_t offset = begin % kBufferBytes;
    const std::size_t part = std::min(bytes.size(), kBufferBytes - offset);
    std::memcpy(buffer_.data() + offset, bytes.data(), part);
    bytes = bytes.subspan(part);
    begin += part;
  }
}

void MemoryLogDevice::sync() {
  if (latency_.count() == 0) return;
  const auto end = std::chrono::steady_clock::now() + latency_;
  if (latency_ > kTimerSlack) std::this_thread::sleep_until(end - kTimerSlack);
  while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

}  // namespace muster
