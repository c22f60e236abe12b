// The controls of copying: where their workers write.
#include <set>

#include "algorithms/copy_counted.h"
#include "algorithms/copy_interleaved.h"
#include "algorithms/copy_rotating.h"
#include "tests/catch.h"

namespace muster {
namespace {

constexpr std::size_t kCapacity = 4096;
constexpr LogBufferOptions kThree{.capacity = kCapacity, .max_workers = 3, .start = 77};

/// The places in the ring that a worker's next records take, each a begin.
template <class A>
std::vector<std::size_t> places(A& log, WorkerId worker, std::uint32_t size, std::size_t records) {
  std::vector<std::size_t> found;
  const std::byte* const ring = log.bytes(0, 1).data();
  for (; records > 0; --records) {
    const Reservation r = log.reserve(worker, size);
    log.publish(worker, r);
    CHECK(r.bytes.size() == size);
    found.push_back(static_cast<std::size_t>(r.bytes.data() - ring) % kCapacity);
  }
  return found;
}

}  // namespace

TEMPLATE_TEST_CASE(
    "Controls: a worker's slice rotates through the whole ring; workers in step never share one", "[unsafe]",
    CopyRotating<>, CopyCounted<>) {
  static_assert(TestType::info.unsafe);
  TestType log(kThree);
  constexpr std::uint32_t kRecord = 100;
  constexpr std::size_t kInSlice = kCapacity / 3 / kRecord;
  std::vector<std::set<std::size_t>> of_worker(3);
  for (WorkerId w = 0; w < 3; ++w) log.attach();
  for (int slice = 0; slice < 3; ++slice) {
    std::set<std::size_t> together;
    for (WorkerId w = 0; w < 3; ++w) {
      for (const std::size_t place : places(log, w, kRecord, kInSlice)) {
        CHECK(together.insert(place).second);
        CHECK(of_worker[w].insert(place).second);  // not where it has been
      }
    }
  }
  CHECK(of_worker[0] == of_worker[1]);
  CHECK(of_worker[0].size() == 3 * kInSlice);
  CHECK(log.advance() == 77);
}

TEST_CASE("Controls: a record larger than a slice is copied all the same") {
  CopyRotating<> log(kThree);
  const WorkerId worker = log.attach();
  for (int i = 0; i < 10; ++i) CHECK(log.reserve(worker, kCapacity).bytes.size() == kCapacity);
}

TEST_CASE("CopyInterleaved: workers' records alternate, and those of one size do not overlap", "[unsafe]") {
  static_assert(CopyInterleaved<>::info.unsafe);
  CopyInterleaved<> log({.capacity = kCapacity, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  CHECK(places(log, a, 64, 3) == std::vector<std::size_t>{0, 128, 256});
  CHECK(places(log, b, 64, 3) == std::vector<std::size_t>{64, 192, 320});
  CHECK(log.advance() == 0);
}

}  // namespace muster
