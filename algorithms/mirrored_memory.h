#pragma once

#include <cstddef>
#include <cstdint>

namespace muster {

/// A ring of memory that is mapped twice in a row, so that any `capacity` bytes of it, from whichever offset,
/// are contiguous. Throws std::system_error when the kernel refuses. The memory is zero at first and is
/// placed by the kernel's policy at first touch.
class MirroredMemory {
 public:
  /// `capacity`: a power of two. Throws std::invalid_argument where it is less than the machine's page.
  explicit MirroredMemory(std::size_t capacity);
  MirroredMemory(const MirroredMemory&) = delete;
  MirroredMemory& operator=(const MirroredMemory&) = delete;
  ~MirroredMemory();

  std::byte* at(std::uint64_t position) const { return base_ + (position & mask_); }
  std::size_t capacity() const { return mask_ + 1; }

 private:
  std::byte* base_;
  std::size_t mask_;
};

}  // namespace muster
