// What makes Border-Collie with awake bits itself. Each case fails when the part it names is taken out.
#include "algorithms/border_collie_awake.h"

#include <map>
#include <vector>

#include "algorithms/registry.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/instrumented_platform.h"
#include "tests/catch.h"

namespace muster {
namespace {

using test::append;
using test::drive;
using test::Hooked;
using test::InstrumentedPlatform;

/// A worker that has stood still from one advance to the next is a candidate.
struct Drowsy : NativePlatform {
  static constexpr std::uint32_t kAdvancesARound = 1;
  static inline int heavy_barriers = 0;
  static void heavy_barrier() {
    ++heavy_barriers;
    NativePlatform::heavy_barrier();
  }
};

struct WithoutMembarrier : Drowsy {
  static bool has_asymmetric_barrier() { return false; }
};

constexpr std::uint32_t kManyWorkers = 200;  // more than three words have bits

/// Workers that have appended a record each.
template <class A>
std::vector<WorkerId> attach_all(A& log) {
  std::vector<WorkerId> workers;
  for (std::uint32_t i = 0; i < kManyWorkers; ++i) {
    workers.push_back(log.attach());
    append(log, workers.back(), 10);
  }
  return workers;
}

}  // namespace

TEST_CASE("BorderCollieAwake: advance reads the flags of the workers that are not asleep, of any word") {
  BorderCollieAwake<InstrumentedPlatform> log({.capacity = 1 << 20, .max_workers = kManyWorkers});
  const std::vector<WorkerId> workers = attach_all(log);
  const auto append_three = [&] {
    for (const WorkerId worker : {0u, 70u, kManyWorkers - 1}) append(log, worker, 10);
  };
  for (std::uint32_t i = 0; i < 3 * InstrumentedPlatform::kAdvancesARound; ++i) {
    append_three();
    log.recycle(log.advance());
  }
  append_three();
  std::map<std::uint32_t, int> reads;
  const Hooked count([&](std::string_view name, std::uint32_t index) {
    if (name == "flag") ++reads[index];
  });
  CHECK(log.advance() == log.reserved());
  CHECK(reads == std::map<std::uint32_t, int>{{0, 1}, {70, 1}, {kManyWorkers - 1, 1}});
}

TEST_CASE(
    "BorderCollieAwake: one heavy barrier serves all workers that fall asleep; none is needed while all stay "
    "awake") {
  BorderCollieAwake<Drowsy> log({.capacity = 4096, .max_workers = kManyWorkers});
  attach_all(log);
  Drowsy::heavy_barriers = 0;
  log.advance();  // sees new flags
  CHECK(Drowsy::heavy_barriers == 0);
  log.advance();
  CHECK(Drowsy::heavy_barriers == (AsymmetricBarrier::has_membarrier() ? 1 : 0));
  for (int i = 0; i < 5; ++i) log.advance();
  CHECK(Drowsy::heavy_barriers == (AsymmetricBarrier::has_membarrier() ? 1 : 0));
}

TEMPLATE_TEST_CASE("BorderCollieAwake: the boundary stops at a worker that has woken up", "", Drowsy,
                   WithoutMembarrier) {
  BorderCollieAwake<TestType> log({.capacity = 4096, .max_workers = kManyWorkers});
  const std::vector<WorkerId> workers = attach_all(log);
  for (const WorkerId sleeper : {0u, 63u, 64u, kManyWorkers - 1}) {
    for (int i = 0; i < 3; ++i) log.recycle(log.advance());
    const Reservation open = test::filled(log, workers[sleeper], 10);
    append(log, workers[1], 10);
    CHECK(log.advance() == open.begin);
    log.publish(workers[sleeper], open);
    CHECK(log.advance() == log.reserved());
  }
}

TEMPLATE_TEST_CASE("BorderCollieAwake: workers that fall asleep all the time lose nothing", "", Drowsy,
                   WithoutMembarrier) {
  constexpr LogBufferOptions kOptions{.capacity = 4096, .max_workers = 70};
  for (const bool pauses : {false, true}) {
    BorderCollieAwake<TestType> log(kOptions);
    CHECK(drive(log, kOptions, {.workers = 3, .records = 20'000, .pauses = pauses}).total() == 0);
  }
}

TEST_CASE("BorderCollieAwake: without membarrier it exchanges, and says so where membarrier is asked for") {
  LogBufferOptions options{.capacity = 4096, .max_workers = 2};
  CHECK_FALSE(takes_membarrier<WithoutMembarrier>(options));
  CHECK(takes_membarrier<NativePlatform>(options) == AsymmetricBarrier::has_membarrier());
  CHECK(barrier_used(options) == (AsymmetricBarrier::has_membarrier() ? AsymmetricBarrierKind::membarrier
                                                                      : AsymmetricBarrierKind::exchange));

  Drowsy::heavy_barriers = 0;
  BorderCollieAwake<WithoutMembarrier> log(options);
  append(log, log.attach(), 10);
  for (int i = 0; i < 5; ++i) log.advance();
  CHECK(Drowsy::heavy_barriers == 0);

  options.asymmetric_barrier = AsymmetricBarrierKind::membarrier;
  CHECK_THROWS_WITH(
      BorderCollieAwake<WithoutMembarrier>(options),
      "asymmetric_barrier = membarrier: want auto or exchange: the kernel has no membarrier(2)");
  options.asymmetric_barrier = AsymmetricBarrierKind::exchange;
  CHECK(barrier_used(options) == AsymmetricBarrierKind::exchange);
  const auto exchanges = make_log_buffer("border_collie_awake", options);
  CHECK(drive(*exchanges, options, {.workers = 2}).total() == 0);
}

}  // namespace muster
