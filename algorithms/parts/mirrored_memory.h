#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/log_buffer.h"

namespace muster {

/// A ring of memory that is mapped twice in a row, so that any `capacity` bytes of it, from whichever offset,
/// are contiguous. Throws std::system_error when the kernel refuses. The memory is zero at first. It is placed as
/// `placement` wants, which is told of the first of the two mappings: they show the same pages. Without, the kernel
/// puts a page where it is first touched.
class MirroredMemory {
 public:
  /// `capacity`: a power of two. Throws std::invalid_argument where it is less than the machine's page, or with other
  /// pages than small ones than the machine's huge page. `placement` may be null, and outlives this.
  explicit MirroredMemory(std::size_t capacity, RingPages pages = RingPages::small,
                          const MemoryPlacement* placement = nullptr);
  MirroredMemory(const MirroredMemory&) = delete;
  MirroredMemory& operator=(const MirroredMemory&) = delete;
  ~MirroredMemory();

  std::byte* at(std::uint64_t position) const { return base_ + (position & mask_); }
  std::size_t capacity() const { return mask_ + 1; }

 private:
  std::byte* base_;
  std::size_t mask_;
  const MemoryPlacement* placement_;
};

}  // namespace muster
