#include "engine/histogram.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <random>
#include <thread>

#include "tests/catch.h"

namespace muster {
namespace {

TEST_CASE("Histogram: a bucket holds its value and is at most a thirty-second of it wide") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200000; ++i) {
    const std::uint64_t value = random() >> (random() % 64);
    const std::size_t bucket = HistogramBuckets::of(value);
    REQUIRE(bucket < HistogramBuckets::kCount);
    const std::uint64_t upper = HistogramBuckets::upper(bucket);
    REQUIRE(upper >= value);
    REQUIRE(upper - value <= value / 32);
    REQUIRE((bucket == 0 || HistogramBuckets::upper(bucket - 1) < value));
  }
  CHECK(HistogramBuckets::of(std::numeric_limits<std::uint64_t>::max()) == HistogramBuckets::kCount - 1);
  CHECK(HistogramBuckets::upper(HistogramBuckets::kCount - 1) == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("Histogram: percentiles err upwards, by at most a thirty-second") {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 100000; ++value) histogram.record(value);
  const HistogramSnapshot snapshot = histogram.snapshot();
  CHECK(snapshot.count() == 100000);
  CHECK(snapshot.max() == 100000);
  for (const double percent : {0.1, 1.0, 50.0, 95.0, 99.0, 99.9, 100.0}) {
    const double exact = percent * 1000;
    const auto found = static_cast<double>(snapshot.percentile(percent));
    CHECK(found >= exact);
    CHECK(found <= exact * (1 + 1.0 / 32));
  }
}

TEST_CASE("Histogram: an empty one has no values") {
  const HistogramSnapshot empty = Histogram().snapshot();
  CHECK(empty.count() == 0);
  CHECK(empty.max() == 0);
  CHECK(empty.percentile(99) == 0);
}

TEST_CASE("Histogram: a merge counts both, a difference what came between") {
  Histogram one;
  Histogram two;
  one.record(10);
  two.record(1000000);
  HistogramSnapshot both = one.snapshot();
  both += two.snapshot();
  CHECK(both.count() == 2);
  CHECK(both.max() == 1000000);

  one.record(1 << 20);
  const HistogramSnapshot before = one.snapshot();
  one.record(100);
  one.record(100);
  const HistogramSnapshot between = one.snapshot() - before;
  CHECK(between.count() == 2);
  CHECK(between.max() >= 100);
  CHECK(between.max() <= 100 + 100 / 32);
  CHECK(between.percentile(50) == between.max());
}

TEST_CASE("Histogram: a snapshot taken while another thread records loses nothing") {
  Histogram histogram;
  constexpr std::uint64_t kValues = 200000;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kValues; ++i) histogram.record(i);
    done = true;
  });
  std::uint64_t seen = 0;
  bool fell = false;
  while (!done) {
    const std::uint64_t count = histogram.snapshot().count();
    fell = fell || count < seen;
    seen = count;
  }
  writer.join();
  CHECK_FALSE(fell);
  CHECK(histogram.snapshot().count() == kValues);
}

}  // namespace
}  // namespace muster
