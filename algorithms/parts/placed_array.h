#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "algorithms/parts/backoff.h"
#include "algorithms/parts/memory_placement.h"

namespace muster {

/// Memory of one region: with a placement pages of the system, without one the heap's.
class RegionMemory {
 public:
  /// `placement` may be null, and must outlive this. Throws std::bad_alloc, and what the placement throws.
  RegionMemory(const MemoryPlacement* placement, MemoryRegion region, std::size_t bytes);
  RegionMemory(const RegionMemory&) = delete;
  RegionMemory& operator=(const RegionMemory&) = delete;
  ~RegionMemory();

  std::byte* data() const { return data_; }
  static std::size_t page_bytes();

 private:
  const MemoryPlacement* placement_;
  std::size_t bytes_;
  std::byte* data_;
};

enum class Spacing : std::uint8_t {
  dense,
  by_worker,  ///< each has pages of its own where the placement wants that
};

/// A fixed number of objects in the memory of one region.
template <class T>
class PlacedArray {
 public:
  /// `placement` may be null, and must outlive this.
  PlacedArray(const MemoryPlacement* placement, MemoryRegion region, std::size_t count,
              Spacing spacing = Spacing::dense)
      : placement_(placement),
        stride_(stride(placement, spacing)),
        memory_(placement, region, count * stride_) {
    try {
      for (; count_ < count; ++count_) ::new (at(count_)) T();
    } catch (...) {
      destroy();
      throw;
    }
  }
  PlacedArray(const PlacedArray&) = delete;
  PlacedArray& operator=(const PlacedArray&) = delete;
  ~PlacedArray() { destroy(); }

  T& operator[](std::size_t i) { return *static_cast<T*>(at(i)); }
  const T& operator[](std::size_t i) const { return *static_cast<const T*>(at(i)); }
  std::size_t size() const { return count_; }

  /// The calling thread, a worker, has the object from now on.
  void owned(std::size_t i) {
    if (stride_ % RegionMemory::page_bytes() != 0 || !placement_ || !placement_->owned) return;
    placement_->owned({memory_.data() + i * stride_, stride_});
  }

 private:
  static_assert(alignof(T) <= kCacheLine);

  static std::size_t stride(const MemoryPlacement* placement, Spacing spacing) {
    if (spacing == Spacing::dense || placement == nullptr || !placement->pages_for_each_worker)
      return sizeof(T);
    const std::size_t page = RegionMemory::page_bytes();
    return (sizeof(T) + page - 1) / page * page;
  }

  void* at(std::size_t i) const { return memory_.data() + i * stride_; }
  void destroy() {
    while (count_ > 0) (*this)[--count_].~T();
  }

  const MemoryPlacement* placement_;
  const std::size_t stride_;  // bytes from one to the next
  RegionMemory memory_;
  std::size_t count_ = 0;  // that are made
};

}  // namespace muster
