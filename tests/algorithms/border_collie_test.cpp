// What makes Border-Collie itself. Each case fails when the part it names is taken out.
#include <map>

#include "algorithms/border_collie.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/instrumented_platform.h"
#include "tests/catch.h"

namespace muster {

using test::InstrumentedPlatform;

namespace {
void append(auto& log, WorkerId worker, std::uint32_t size) {
  const Reservation r = log.reserve(worker, size);
  test::fill(r);
  log.publish(worker, r);
}

struct HookGuard {
  ~HookGuard() { InstrumentedPlatform::after_read = nullptr; }
};
}  // namespace

TEST_CASE("BorderCollie: advance reads each attached worker's flag exactly once") {
  const HookGuard guard;
  BorderCollie<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 16});
  for (int i = 0; i < 5; ++i) append(log, log.attach(), 10);
  std::map<std::uint32_t, int> reads;
  std::function<void(std::string_view, std::uint32_t)> count = [&](std::string_view name,
                                                                   std::uint32_t index) {
    if (name == "flag") ++reads[index];
  };
  InstrumentedPlatform::after_read = count;
  log.advance();
  CHECK(reads == std::map<std::uint32_t, int>{{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}});
}

TEST_CASE("BorderCollie: the cutoff lets the boundary pass an idle worker's white flag") {
  BorderCollie<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId idle = log.attach();
  const WorkerId active = log.attach();
  append(log, idle, 10);
  append(log, active, 100);
  CHECK(log.advance() == 110);
}

TEST_CASE(
    "BorderCollie: the cutoff is read before the scan, so that a worker seen white cannot be overtaken") {
  // While the scan stands between worker 0's white flag and worker 1's, worker 0 reserves and worker 1
  // appends behind it. A cutoff that is read after the scan lies above worker 0's hole.
  const HookGuard guard;
  BorderCollie<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  const WorkerId b = log.attach();
  append(log, a, 10);
  append(log, b, 10);
  Reservation open;
  InstrumentedPlatform::after_read = [&](std::string_view name, std::uint32_t index) {
    if (name != "flag" || index != a || !open.bytes.empty()) return;
    open = log.reserve(a, 5);
    append(log, b, 5);
  };
  const Lsn boundary = log.advance();
  InstrumentedPlatform::after_read = nullptr;
  REQUIRE(open.bytes.size() == 5);
  CHECK(boundary <= open.begin);
}

TEST_CASE("BorderCollie: the black flag stands before the fetch-add, so that no range is unflagged") {
  const HookGuard guard;
  BorderCollie<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 2});
  const WorkerId a = log.attach();
  append(log, a, 10);
  Lsn boundary = 0;
  InstrumentedPlatform::after_read = [&](std::string_view name, std::uint32_t) {
    if (name == "tail" && boundary == 0) boundary = log.advance();  // right after the range was handed out
  };
  const Reservation open = log.reserve(a, 5);
  InstrumentedPlatform::after_read = nullptr;
  REQUIRE(boundary != 0);
  CHECK(boundary <= open.begin);
}

TEST_CASE("BorderCollie: a slot that the scan does not cover counts as the cutoff") {
  // The newcomer attaches, reserves and lets another publish behind it while the scan is under way.
  const HookGuard guard;
  BorderCollie<InstrumentedPlatform> log({.capacity = 4096, .max_workers = 3});
  const WorkerId a = log.attach();
  append(log, a, 10);
  Reservation open;
  InstrumentedPlatform::after_read = [&](std::string_view name, std::uint32_t) {
    if (name != "ever_used" || !open.bytes.empty()) return;
    open = log.reserve(log.attach(), 5);
    append(log, a, 5);
  };
  const Lsn boundary = log.advance();
  InstrumentedPlatform::after_read = nullptr;
  REQUIRE(open.bytes.size() == 5);
  CHECK(boundary <= open.begin);
}

TEST_CASE("BorderCollie: a worker that waits for room does not hold back what it waits for") {
  // Both black flags stand at LSN 0, their lower bound; the ring is full up to the second one's begin.
  BorderCollie<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId first = log.attach();
  append(log, first, 4000);
  std::atomic<bool> returned{false};
  std::jthread second([&] {
    const WorkerId worker = log.attach();
    append(log, worker, 500);
    returned = true;
  });
  CHECK(test::eventually([&] {
    log.recycle(log.advance());
    return returned.load();
  }));
  if (!returned) log.recycle(4000);  // so that the test ends, failed
}

}  // namespace muster
