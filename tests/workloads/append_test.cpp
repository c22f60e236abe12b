#include <sched.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <vector>

#include "algorithms/border_collie.h"
#include "algorithms/eleda.h"
#include "algorithms/null.h"
#include "tests/catch.h"
#include "tests/workloads/drive_workload.h"
#include "workloads/append_workload.h"

// Whether `append` finds what a log buffer did wrong: each fault below is one that a run must not survive.

namespace {

using namespace muster;

constexpr LogBufferOptions kSmallRing{.capacity = 8192};

/// A correct log buffer that a test spoils in one place.
struct Sound {
  static constexpr AlgorithmInfo info = BorderCollie<>::info;
  explicit Sound(const LogBufferOptions& options) : inner(options) {}
  WorkerId attach() { return inner.attach(); }
  void detach(WorkerId worker) { inner.detach(worker); }
  Reservation reserve(WorkerId worker, std::uint32_t size) { return inner.reserve(worker, size); }
  void publish(WorkerId worker, const Reservation& reservation) { inner.publish(worker, reservation); }
  Lsn advance() { return inner.advance(); }
  Lsn boundary() const { return inner.boundary(); }
  Lsn reserved() const { return inner.reserved(); }
  void recycle(Lsn upto) { inner.recycle(upto); }
  std::span<const std::byte> bytes(Lsn begin, Lsn end) const { return inner.bytes(begin, end); }

  BorderCollie<> inner;
};

/// Says that a record is there before it is copied.
struct PublishesEarly : Sound {
  using Sound::Sound;
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    const Reservation reservation = inner.reserve(worker, size);
    inner.publish(worker, reservation);
    for (int i = 0; i < 20; ++i) sched_yield();  // let the drainer be the faster one
    return reservation;
  }
  void publish(WorkerId, const Reservation&) {}
};

/// Leaves a gap between records.
struct LeavesAGap : Sound {
  using Sound::Sound;
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    gap_ = inner.reserve(worker, size + 8);
    return {gap_.begin, gap_.bytes.first(size)};
  }
  void publish(WorkerId worker, const Reservation&) { inner.publish(worker, gap_); }
  Reservation gap_;
};

/// Spoils the n-th record, at a byte that counts from its begin.
template <std::size_t kByte>
struct SpoilsAByte : Sound {
  using Sound::Sound;
  void publish(WorkerId worker, const Reservation& reservation) {
    if (++published_ == 100) reservation.bytes[kByte] ^= std::byte{1};
    inner.publish(worker, reservation);
  }
  int published_ = 0;
};

/// Gives every record's bytes twice, so that the second copy of one stands where the next should.
struct Repeats : Sound {
  using Sound::Sound;
  void publish(WorkerId worker, const Reservation& reservation) {
    inner.publish(worker, reservation);
    if (++published_ != 50) return;
    const std::vector<std::byte> copy(reservation.bytes.begin(), reservation.bytes.end());
    const Reservation again = inner.reserve(worker, static_cast<std::uint32_t>(copy.size()));
    std::copy(copy.begin(), copy.end(), again.bytes.begin());
    inner.publish(worker, again);
  }
  int published_ = 0;
};

/// Shows the drainer less than there is once the workers have left.
struct LosesTheTail : Sound {
  using Sound::Sound;
  Lsn advance() {
    const Lsn boundary = inner.advance();
    if (stuck_ == 0) return boundary > 100'000 ? stuck_ = boundary : boundary;
    inner.recycle(boundary);  // the workers must not wait for ever
    return stuck_;
  }
  void recycle(Lsn upto) {
    if (stuck_ == 0) inner.recycle(upto);
  }
  Lsn stuck_ = 0;
};

struct Ran {
  RepetitionReport report;  ///< of the last repetition
  std::vector<Check> checks;
  std::uint64_t appended = 0;
};

template <class A>
Ran run(const AppendOptions& options, std::uint32_t threads, std::uint64_t records = 20'000,
        const LogBufferOptions& log_buffer = kSmallRing, int repetitions = 1) {
  AppendWorkload<A> workload(log_buffer, options, threads, 7);
  Ran ran;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    ran.appended += testing::drive(workload, threads, records);
    ran.report = workload.finish();
  }
  ran.checks = workload.close();
  return ran;
}

template <class A>
std::string fault(std::uint32_t threads = 1, const AppendOptions& options = {}) {
  try {
    run<A>(options, threads);
  } catch (const VerificationError& error) {
    return error.what();
  }
  return "none";
}

bool has(const std::string& text, std::initializer_list<const char*> parts) {
  UNSCOPED_INFO(text);
  return std::all_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

TEST_CASE("append: every record of a sound log buffer is verified, over all repetitions") {
  const Ran ran = run<Sound>({.bytes = {120}}, 2, 20'000, kSmallRing, 3);
  CHECK(ran.appended >= 60'000);
  CHECK(ran.checks.at(0).count == ran.appended);
}

TEST_CASE("append: records of mixed sizes, up to the ring's own, come through") {
  const Ran ran = run<Eleda<>>({.bytes = {16, 17, 120, 8192}}, 3, 5'000);
  CHECK(ran.checks.at(0).count == ran.appended);
}

TEST_CASE("append: a drainer with room to spare compares every byte") {
  const Ran ran = run<Sound>({.bytes = {256}}, 1, 100, {.capacity = std::size_t{64} << 20});
  CHECK(ran.checks.at(1).count > 0);
}

TEST_CASE("append: the boundary's lag is sampled while measuring") {
  CHECK(run<Sound>({.bytes = {120}}, 2).report.boundary_lag_bytes.count > 0);
}

TEST_CASE("append: an unsafe algorithm is named as not verified, with the number of its records") {
  const Ran ran = run<Null<>>({.bytes = {120}}, 2);
  REQUIRE(ran.checks.size() == 1);
  CHECK(has(ran.checks[0].name, {"not verified", "unsafe"}));
  CHECK(ran.checks[0].count == ran.appended);
}

#ifndef __SANITIZE_THREAD__  // what these do wrong is a data race
TEST_CASE("append: a log buffer that publishes before the copy fails the run") {
  CHECK(has(fault<PublishesEarly>(2), {"LSN", "expected", "found"}));
}
#endif

TEST_CASE("append: a gap between two records fails the run") {
  CHECK(has(fault<LeavesAGap>(), {"LSN", "expected"}));
}

TEST_CASE("append: a record that comes twice fails the run and names worker, LSN, expected and found") {
  CHECK(has(fault<Repeats>(), {"worker 0, LSN 6000: expected its record 50, found 49"}));
}

TEST_CASE("append: a wrong byte at a record's edge fails the run") {
  CHECK(has(fault<SpoilsAByte<0>>(), {"record 99"}));    // its size
  CHECK(has(fault<SpoilsAByte<16>>(), {"record 99"}));   // the payload's first byte
  CHECK(has(fault<SpoilsAByte<119>>(), {"record 99"}));  // and its last
}

TEST_CASE("append: records that never reach the drainer fail the run") {
  CHECK(has(fault<LosesTheTail>(2), {"boundary at the end"}));
}

TEST_CASE("AppendVerifier: a wrong byte between the edges is found when every byte is compared") {
  const std::vector<std::uint32_t> sizes{120};
  const AppendPayload payload(120, 1);
  std::vector<std::byte> record(120);
  payload.write(record, {.bytes = 120, .worker = 0, .sequence = 0});
  record[60] ^= std::byte{1};

  AppendVerifier whole(sizes, payload, 1, 1);
  CHECK_FALSE(whole.take(0, record, AppendVerifier::Depth::every_byte));
  CHECK(has(whole.fault(), {"LSN 60"}));
  AppendVerifier edges(sizes, payload, 1, 1);
  CHECK(edges.take(0, record, AppendVerifier::Depth::edges) == 120u);
}

TEST_CASE("AppendVerifier: a record that the boundary cuts is taken once the boundary has passed it") {
  const std::vector<std::uint32_t> sizes{120};
  const AppendPayload payload(120, 1);
  std::vector<std::byte> record(120);
  payload.write(record, {.bytes = 120, .worker = 0, .sequence = 0});
  AppendVerifier verifier(sizes, payload, 1, 1);
  for (const std::size_t visible : {8u, 100u}) {
    CHECK(verifier.take(0, std::span(record).first(visible), AppendVerifier::Depth::every_byte) == 0u);
  }
  CHECK(verifier.take(0, record, AppendVerifier::Depth::every_byte) == 120u);
}

}  // namespace
