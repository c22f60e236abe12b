// What makes a write group itself: which workers are in it, and when it ends.
#include "algorithms/rocksdb_write_group.h"

#include <array>
#include <string>

#include "tests/algorithms/halting_platform.h"
#include "tests/catch.h"

namespace muster {
namespace {

using test::HaltingPlatform;
using test::Stage;

constexpr std::uint32_t kGroupWorkers = 3;
constexpr std::uint64_t kFar = 10'000;  // accesses: as far as it gets

/// Workers that reserve a record each when they are first run, and publish when they are let.
struct Scene {
  explicit Scene(const std::array<std::uint32_t, kGroupWorkers>& sizes, std::size_t capacity = 4096)
      : log({.capacity = capacity, .max_workers = kGroupWorkers}) {
    for (std::uint32_t w = 0; w < kGroupWorkers; ++w) {
      stage.add([this, w, size = sizes[w]] {
        const WorkerId worker = log.attach();
        reserved[w] = log.reserve(worker, size);
        has_range[w] = true;
        while (!may_publish[w]) Stage::wait("leave to publish", [this, w] { return may_publish[w]; });
        log.publish(worker, reserved[w]);
        log.detach(worker);
      });
    }
  }
  void go(std::size_t worker) { stage.run(worker, kFar); }
  void publish(std::size_t worker) {
    may_publish[worker] = true;
    go(worker);
  }
  bool is_done(std::size_t worker) const { return stage.state(worker) == Stage::State::done; }

  RocksdbWriteGroup<HaltingPlatform> log;
  std::array<Reservation, kGroupWorkers> reserved;
  std::array<bool, kGroupWorkers> has_range{};
  std::array<bool, kGroupWorkers> may_publish{};
  Stage stage;  // last: its threads use all that
};

}  // namespace

TEST_CASE(
    "RocksdbWriteGroup: those that came while a group was open are the next one, in the order of coming") {
  Scene scene({10, 20, 30});
  for (const std::size_t w : {0, 2, 1}) scene.go(w);
  CHECK(scene.has_range[0]);
  CHECK_FALSE(scene.stage.can_run(1));  // both wait for the first group's end
  CHECK_FALSE(scene.stage.can_run(2));
  CHECK(scene.log.advance() == 0);

  scene.publish(0);
  CHECK(scene.is_done(0));
  CHECK(scene.log.advance() == 10);
  CHECK_FALSE(scene.stage.can_run(1));  // not it: the older one leads
  scene.go(2);
  scene.go(1);
  CHECK(scene.reserved[2].begin == 10);
  CHECK(scene.reserved[1].begin == 40);

  scene.publish(2);
  CHECK_FALSE(scene.is_done(2));  // it stays until its group is over
  CHECK(scene.log.advance() == 10);
  scene.publish(1);
  scene.go(2);
  CHECK(scene.is_done(1));
  CHECK(scene.is_done(2));
  CHECK(scene.log.advance() == 60);
  CHECK(scene.log.reserved() == 60);
}

TEST_CASE("RocksdbWriteGroup: a group has no more bytes than the ring, and the rest is another group") {
  Scene scene({10, 3000, 2000});
  for (const std::size_t w : {0, 1, 2}) scene.go(w);
  scene.publish(0);
  scene.log.recycle(scene.log.advance());
  scene.go(1);
  CHECK(scene.has_range[1]);
  CHECK_FALSE(scene.stage.can_run(2));
  scene.publish(1);
  CHECK(scene.is_done(1));
  scene.log.recycle(scene.log.advance());
  scene.go(2);
  CHECK(scene.reserved[2].begin == 3010);
  scene.publish(2);
  CHECK(scene.log.advance() == 5010);
}

TEST_CASE("RocksdbWriteGroup: a small leader takes little with it, however much waits") {
  constexpr std::uint32_t kSmall = RocksdbWriteGroup<>::kSmallBytes;
  Scene scene({10, 10, kSmall + 1}, std::size_t{1} << 22);
  for (const std::size_t w : {0, 1, 2}) scene.go(w);
  scene.publish(0);
  scene.go(1);
  CHECK(scene.has_range[1]);
  CHECK_FALSE(scene.stage.can_run(2));  // more than the leader's and kSmallBytes
  scene.publish(1);
  scene.go(2);
  CHECK(scene.has_range[2]);
  scene.publish(2);
  CHECK(scene.is_done(2));
}

}  // namespace muster
