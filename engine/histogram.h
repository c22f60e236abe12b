#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <vector>

namespace muster {

/// Where a value lies in a log-linear histogram: values below 32 one by one, above that 32 equal buckets for
/// each power of two. So a bucket is at most 1/32 of its smallest value wide.
struct HistogramBuckets {
  static constexpr std::uint32_t kLinearBits = 5;
  static constexpr std::uint64_t kLinear = std::uint64_t{1} << kLinearBits;
  static constexpr std::size_t kCount = (64 - kLinearBits + 1) * kLinear;

  static constexpr std::size_t of(std::uint64_t value) {
    if (value < kLinear) return value;
    const auto shift = static_cast<std::uint32_t>(std::bit_width(value)) - 1 - kLinearBits;
    return (shift << kLinearBits) + (value >> shift);
  }
  /// The largest value that lies in the bucket.
  static constexpr std::uint64_t upper(std::size_t bucket) {
    if (bucket < kLinear) return bucket;
    const std::uint64_t shift = (bucket >> kLinearBits) - 1;
    const std::uint64_t leading = kLinear + (bucket & (kLinear - 1));
    return (leading << shift) + ((std::uint64_t{1} << shift) - 1);
  }
};

/// What a Histogram held at one moment: plain data. Counts can be merged and subtracted; a percentile is the
/// upper edge of its bucket, so that it errs upwards and by at most 1/32 of the value.
class HistogramSnapshot {
 public:
  HistogramSnapshot() : counts_(HistogramBuckets::kCount) {}

  HistogramSnapshot& operator+=(const HistogramSnapshot& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    max_ = std::max(max_, other.max_);
    return *this;
  }
  /// Leaves what came after `earlier`, a snapshot of the same histogram. The maximum is then known only as
  /// the upper edge of the highest bucket that is left.
  HistogramSnapshot& operator-=(const HistogramSnapshot& earlier) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] -= earlier.counts_[i];
    max_ = std::min(max_, highest());
    return *this;
  }
  friend HistogramSnapshot operator-(HistogramSnapshot later, const HistogramSnapshot& earlier) {
    return later -= earlier;
  }

  std::uint64_t count() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : counts_) sum += n;
    return sum;
  }
  /// 0 when empty.
  std::uint64_t max() const { return max_; }
  /// Calls visit(largest value, count) of each bucket that is not empty, smaller values first.
  template <class Visit>
  void for_each_bucket(Visit&& visit) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0) visit(HistogramBuckets::upper(i), counts_[i]);
    }
  }
  /// The smallest recorded value that at least `percent` per cent of all do not exceed; 0 when empty.
  std::uint64_t percentile(double percent) const {
    const std::uint64_t total = count();
    if (total == 0) return 0;
    const double wanted = percent / 100.0 * static_cast<double>(total);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen != 0 && static_cast<double>(seen) >= wanted) return std::min(HistogramBuckets::upper(i), max_);
    }
    return max_;
  }

 private:
  friend class Histogram;

  std::uint64_t highest() const {
    for (std::size_t i = counts_.size(); i-- > 0;) {
      if (counts_[i] != 0) return HistogramBuckets::upper(i);
    }
    return 0;
  }

  /// The smallest value that the highest bucket in use may hold.
  std::uint64_t least_maximum() const {
    for (std::size_t i = counts_.size(); i-- > 1;) {
      if (counts_[i] != 0) return HistogramBuckets::upper(i - 1) + 1;
    }
    return 0;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t max_ = 0;
};

/// Counts unsigned values, such as latencies in ns or sizes in bytes, over the whole range of 64 bits. One
/// thread at a time records, without a locked instruction; any thread may take a snapshot meanwhile.
class Histogram {
 public:
  void record(std::uint64_t value) {
    // All relaxed: each count is complete in itself and publishes nothing else.
    auto& count = counts_[HistogramBuckets::of(value)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
  }

  HistogramSnapshot snapshot() const {
    HistogramSnapshot result;
    for (std::size_t i = 0; i < counts_.size(); ++i)
      result.counts_[i] = counts_[i].load(std::memory_order_relaxed);
    // A value may be counted here whose maximum is not visible yet.
    result.max_ = std::max(max_.load(std::memory_order_relaxed), result.least_maximum());
    return result;
  }

 private:
  std::array<std::atomic<std::uint64_t>, HistogramBuckets::kCount> counts_{};
  std::atomic<std::uint64_t> max_{0};
};

}  // namespace muster
