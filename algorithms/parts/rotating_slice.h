#pragma once

#include <algorithm>

#include "algorithms/log_buffer.h"

namespace muster {

/// Where a worker writes that shares no part of the ring: each has a slice, and goes on to the next slice when its own
/// is full, so that all together go round the ring as a log does, and no worker stays in its cache. Workers in step are
/// never in one slice; those that drift apart may be, which costs them lines of each other's.
class RotatingSlice {
 public:
  /// Of worker `worker` among as many as the ring's users may be.
  RotatingSlice(const LogBufferOptions& options, WorkerId worker)
      : bytes_(std::max<Lsn>(options.capacity / options.max_workers, 1)),
        slices_end_(bytes_ * options.max_workers),
        next_(bytes_ * worker),
        end_(next_ + bytes_) {}
  RotatingSlice() = default;

  /// The place of a record of `size` bytes, an LSN. A record that is larger than a slice begins with one.
  Lsn take(std::uint32_t size) {
    if (next_ + size > end_) [[unlikely]] {
      next_ = end_ == slices_end_ ? 0 : end_;
      end_ = next_ + bytes_;
    }
    const Lsn place = next_;
    next_ += size;
    return place;
  }

 private:
  Lsn bytes_ = 0;       // of a slice
  Lsn slices_end_ = 0;  // of all
  Lsn next_ = 0;
  Lsn end_ = 0;  // of the slice that is being filled
};

}  // namespace muster
