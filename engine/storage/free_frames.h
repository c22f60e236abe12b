#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "algorithms/parts/backoff.h"

namespace muster {

using FrameIndex = std::uint32_t;

/// Frames that hold no page, in shards so that misses of many threads do not meet in one lock. A thread takes
/// from and gives to its own shard, and looks into the others only when that is empty.
class FreeFrames {
 public:
  static constexpr std::size_t kShards = 16;

  /// The calling thread's shard.
  static std::size_t own_shard() {
    static std::atomic<std::size_t> threads{0};
    // Relaxed: it only spreads threads.
    thread_local const std::size_t own = threads.fetch_add(1, std::memory_order_relaxed) % kShards;
    return own;
  }

  explicit FreeFrames(std::size_t frames) {
    for (std::size_t frame = 0; frame < frames; ++frame) {
      shards_[frame % kShards].frames.push_back(static_cast<FrameIndex>(frame));
    }
    for (Shard& shard : shards_) shard.count.store(shard.frames.size(), std::memory_order_relaxed);
  }

  std::optional<FrameIndex> take() {
    const std::size_t own = own_shard();
    for (std::size_t i = 0; i < kShards; ++i) {
      Shard& shard = shards_[(own + i) % kShards];
      // Relaxed: a hint that spares the lock of an empty shard; the lock orders what is taken.
      if (shard.count.load(std::memory_order_relaxed) == 0) continue;
      const std::lock_guard lock(shard.mutex);
      if (shard.frames.empty()) continue;
      const FrameIndex frame = shard.frames.back();
      shard.frames.pop_back();
      shard.count.store(shard.frames.size(), std::memory_order_relaxed);
      return frame;
    }
    return std::nullopt;
  }

  /// What nobody else has taken by now.
  std::size_t count() const {
    std::size_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.count.load(std::memory_order_relaxed);  // a snapshot
    return sum;
  }

  void give(FrameIndex frame) {
    Shard& shard = shards_[own_shard()];
    const std::lock_guard lock(shard.mutex);
    shard.frames.push_back(frame);
    shard.count.store(shard.frames.size(), std::memory_order_relaxed);
  }

 private:
  struct alignas(kCacheLine) Shard {
    std::mutex mutex;
    std::atomic<std::size_t> count{0};  // of frames; written under the mutex
    std::vector<FrameIndex> frames;
  };

  std::array<Shard, kShards> shards_;
};

}  // namespace muster
