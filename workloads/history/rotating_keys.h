#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "algorithms/parts/backoff.h"

namespace muster::history {

/// Says which keys are in use. Each place has a key until so many values have been drawn for it, then gets another one: lists
/// stay short, and transactions read the same keys again and again. Any thread may call it.
///
/// Ordering  relaxed: it hands out numbers, and publishes nothing. A key may be retired before its reader comes to it.
class RotatingKeys {
 public:
  RotatingKeys(std::uint32_t places, std::uint32_t writes_a_key)
      : places_(places), writes_a_key_(writes_a_key), drawn_(std::make_unique<Place[]>(places)) {}

  /// Before any thread draws: an earlier run has drawn the value for the key already.
  void skip(std::uint64_t key, std::uint32_t value) {
    std::atomic<std::uint64_t>& count = drawn_[key % places_].count;
    const std::uint64_t next = key / places_ * writes_a_key_ + value;
    if (next > count.load(std::memory_order_relaxed)) count.store(next, std::memory_order_relaxed);
  }

  std::uint64_t to_read(std::uint32_t place) const {
    return key_of(place, drawn_[place].count.load(std::memory_order_relaxed));
  }
  /// A key, and a value from 1 that no other call gets for it.
  std::pair<std::uint64_t, std::uint32_t> to_write(std::uint32_t place) {
    const std::uint64_t count = drawn_[place].count.fetch_add(1, std::memory_order_relaxed);
    return {key_of(place, count), static_cast<std::uint32_t>(count % writes_a_key_) + 1};
  }

 private:
  struct alignas(kCacheLine) Place {
    std::atomic<std::uint64_t> count{0};
  };
  std::uint64_t key_of(std::uint32_t place, std::uint64_t count) const {
    return count / writes_a_key_ * places_ + place;
  }

  const std::uint32_t places_;
  const std::uint32_t writes_a_key_;
  std::unique_ptr<Place[]> drawn_;
};

}  // namespace muster::history
