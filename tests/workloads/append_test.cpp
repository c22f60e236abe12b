#include <sched.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/all.h"
#include "algorithms/border_collie.h"
#include "algorithms/border_collie_naive.h"
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

/// Which of the records, counted as they are published, a fault is about.
struct When {
  std::uint64_t first = 1;
  std::uint64_t last = ~std::uint64_t{0};
  bool now(std::uint64_t published) const { return first <= published && published <= last; }
};
When when;  // set by a test before it runs

/// Leaves a gap before a record.
struct LeavesAGap : Sound {
  using Sound::Sound;
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    const std::uint32_t gap = when.now(++reserved_) ? 8 : 0;
    all_ = inner.reserve(worker, size + gap);
    return {all_.begin + gap, all_.bytes.subspan(gap)};
  }
  void publish(WorkerId worker, const Reservation&) { inner.publish(worker, all_); }
  std::uint64_t reserved_ = 0;
  Reservation all_;
};

/// Hands one record space that overlaps the one before, and leaves as large a gap behind it.
struct ShiftsARecord : Sound {
  using Sound::Sound;
  Reservation reserve(WorkerId worker, std::uint32_t size) {
    const std::uint32_t shift = when.now(++reserved_) ? 8 : 0;
    all_ = inner.reserve(worker, size);
    return {all_.begin - shift, {all_.bytes.data() - shift, size}};
  }
  void publish(WorkerId worker, const Reservation&) { inner.publish(worker, all_); }
  std::uint64_t reserved_ = 0;
  Reservation all_;
};

/// Spoils a byte, counted from the record's begin.
template <std::size_t kByte>
struct SpoilsAByte : Sound {
  using Sound::Sound;
  void publish(WorkerId worker, const Reservation& reservation) {
    if (when.now(++published_)) reservation.bytes[kByte] ^= std::byte{1};
    inner.publish(worker, reservation);
  }
  std::uint64_t published_ = 0;
};

/// Gives a record's bytes twice, so that the second copy stands where the next record should.
struct Repeats : Sound {
  using Sound::Sound;
  void publish(WorkerId worker, const Reservation& reservation) {
    inner.publish(worker, reservation);
    if (!when.now(++published_)) return;
    const std::vector<std::byte> copy(reservation.bytes.begin(), reservation.bytes.end());
    const Reservation again = inner.reserve(worker, static_cast<std::uint32_t>(copy.size()));
    std::copy(copy.begin(), copy.end(), again.bytes.begin());
    inner.publish(worker, again);
  }
  std::uint64_t published_ = 0;
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

struct AppendRan {
  RepetitionReport report;  ///< of the last repetition
  std::vector<Check> checks;
  std::uint64_t appended = 0;
};

struct Plan {
  std::uint32_t threads = 1;
  std::uint64_t warm_up = 10'000;  ///< records
  std::uint64_t records = 20'000;  ///< with the warm-up
  LogBufferOptions log_buffer = kSmallRing;
  int repetitions = 1;
};

template <class A>
AppendRan run(const AppendOptions& options, const Plan& plan) {
  AppendWorkload<A> workload(plan.log_buffer, options, plan.threads, 7);
  AppendRan ran;
  for (int repetition = 0; repetition < plan.repetitions; ++repetition) {
    ran.appended += testing::drive(workload, plan.threads, plan.records, plan.warm_up);
    ran.report = workload.finish();
  }
  ran.checks = workload.close();
  return ran;
}

/// What a run says of a fault that begins with the first record and ends with the last that `about` names.
template <class A>
std::string fault(When about = {}, const Plan& plan = {}) {
  when = about;
  try {
    run<A>({}, plan);
  } catch (const VerificationError& error) {
    return error.what();
  }
  return "none";
}

/// All of it is measured. The ring has been overwritten often by the end.
constexpr Plan kMeasured{.warm_up = 0, .records = 20'000};

bool has(const std::string& text, std::initializer_list<const char*> parts) {
  UNSCOPED_INFO(text);
  return std::all_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

TEST_CASE(
    "append: every LSN of a sound log buffer is accounted for, and both ends are compared, in each "
    "repetition") {
  const AppendRan ran = run<Sound>({.bytes = {120}}, {.threads = 2, .repetitions = 3});
  REQUIRE(ran.checks.size() == 3);
  CHECK(ran.appended >= 60'000);
  CHECK(has(ran.checks[0].name, {"warm-up", "byte by byte"}));
  CHECK(ran.checks[0].count >= 3 * (10'000 - 2 * 8192 / 120));  // but for what was in the ring when it ended
  CHECK(has(ran.checks[1].name, {"last window", "byte by byte"}));
  CHECK(ran.checks[1].count > 0);
  CHECK(has(ran.checks[2].name, {"windows", "LSNs"}));
  CHECK(ran.checks[2].count == ran.appended);
}

TEST_CASE("append: records of mixed sizes, up to the ring's own, come through every safe algorithm") {
  for_each_type(AllAlgorithms<NativePlatform>{}, [](auto type) {
    using A = typename decltype(type)::type;
    if constexpr (!A::info.unsafe) {
      INFO(A::info.name);
      const AppendRan ran =
          run<A>({.bytes = {16, 17, 120, 8192}}, {.threads = 3, .warm_up = 1'000, .records = 3'000});
      CHECK(ran.checks.at(2).count == ran.appended);
    }
  });
}

TEST_CASE("append: the drainer keeps the last batch in the ring, unless workers are short of room") {
  constexpr std::uint32_t kBytes = 256;
  constexpr LogBufferOptions ring{.capacity = std::size_t{1} << 20, .max_workers = 1};
  constexpr Lsn batch = ring.capacity / 8;
  Sound log(ring);
  const AppendPayload payload(kBytes, 7);
  const WorkerId worker = log.attach();
  AppendDrainer<Sound> drainer(log, ring, kBytes);
  const auto append = [&] { append_record(log, worker, payload, {kBytes, 0, 0}); };
  while (log.reserved() < ring.capacity) append();  // while the drainer is held up
  drainer.look();
  drainer.recycle_batches();
  CHECK(drainer.recycled() == ring.capacity);
  while (drainer.boundary() < 3 * ring.capacity) {
    append();
    REQUIRE(drainer.look() == kBytes);
    drainer.recycle_batches();
    const Lsn kept = drainer.boundary() - drainer.recycled();
    REQUIRE(kept >= std::min(drainer.boundary() - ring.capacity, batch));
    REQUIRE(kept <= 2 * batch);
  }
  log.detach(worker);
}

TEST_CASE("append: the last batch of the windows is compared, and no window's record before it") {
  const LogBufferOptions ring{.capacity = std::size_t{1} << 20};
  const AppendRan ran = run<Sound>({.bytes = {256}}, {.warm_up = 0, .records = 40'000, .log_buffer = ring});
  CHECK(ran.checks.at(0).count == 0);
  CHECK(ran.checks.at(1).count > 0);
  CHECK(ran.checks.at(1).count * 256 <=
        2 * ring.capacity);  // with what is appended until the worker sees the stop
}

TEST_CASE("append: the boundary's lag is sampled while measuring") {
  CHECK(run<Sound>({.bytes = {120}}, {.threads = 2}).report.boundary_lag_bytes.count > 0);
}

TEST_CASE("append: an unsafe algorithm is named as not verified, with the number of its records") {
  const AppendRan ran = run<Null<>>({.bytes = {120}}, {.threads = 2});
  REQUIRE(ran.checks.size() == 1);
  CHECK(has(ran.checks[0].name, {"not verified", "unsafe"}));
  CHECK(ran.checks[0].count == ran.appended);
}

TEST_CASE(
    "append: idle workers hold back only the algorithm that stalls on them, and their records are compared") {
  const AppendOptions idle{.bytes = {120}, .idle_workers = 3};
  const AppendRan ran = run<BorderCollie<>>(idle, {.threads = 2});
  CHECK(ran.checks.at(2).count == ran.appended + 3);
  // The naive one appends until the ring is full, and no more: 65 records fit beside those of the idle ones. The 66th
  // waits until these leave.
  const AppendRan stalled = run<BorderCollieNaive<>>(idle, {.warm_up = 0, .records = 64});
  CHECK(stalled.appended >= 64);
  CHECK(stalled.checks.at(2).count <= 3 + 65 + 8);  // eight are appended between two looks at the stop
}

TEST_CASE("append: beside a straggler the boundary stays below its record") {
  const AppendOptions slow{.bytes = {120, 240}, .straggler = std::chrono::milliseconds(5)};
  const AppendRan ran = run<BorderCollie<>>(slow, {.threads = 2, .warm_up = 0, .records = 2'000});
  CHECK(ran.checks.at(2).count == ran.appended);
  CHECK(ran.report.boundary_lag_bytes.max >
        kSmallRing.capacity / 2);  // the other one fills the ring meanwhile
}

#ifndef __SANITIZE_THREAD__  // what these do wrong is a data race
TEST_CASE("append: a log buffer that publishes before the copy fails the run") {
  CHECK(has(fault<PublishesEarly>({}, {.threads = 2}), {"LSN", "expected", "found"}));
}
#endif

TEST_CASE("append: a gap between two records fails the run, also in a window") {
  CHECK(has(fault<LeavesAGap>({.first = 100}), {"LSN", "expected"}));
  CHECK(has(fault<LeavesAGap>({.first = 5'000, .last = 5'000}, kMeasured), {"that tile", "found"}));
}

TEST_CASE("append: an overlap in a window fails the run, though as large a gap makes up for it") {
  CHECK(has(fault<ShiftsARecord>({.first = 5'000, .last = 5'000}, kMeasured), {"gaps and overlaps"}));
}

TEST_CASE("append: a record that comes twice fails the run and names worker, LSN, expected and found") {
  CHECK(has(fault<Repeats>({.first = 50, .last = 50}),
            {"worker 0, LSN 6000: expected its record 50, found 49"}));
  CHECK(has(fault<Repeats>({.first = 5'000, .last = 5'000}, kMeasured), {"that tile", "found"}));
}

TEST_CASE(
    "append: a wrong byte anywhere in a record fails the run, in the warm-up and at the end of the windows") {
  for (const When about : {When{.first = 100, .last = 100}, When{.first = 19'000}}) {
    const std::string record = about.first == 100 ? "record 99" : "record";
    const Plan plan = about.first == 100 ? Plan{} : kMeasured;
    CHECK(has(fault<SpoilsAByte<0>>(about, plan), {record.c_str(), "bytes"}));  // its size
    CHECK(has(fault<SpoilsAByte<9>>(about, plan), {"record"}));                 // its sequence
    CHECK(has(fault<SpoilsAByte<16>>(about, plan), {record.c_str()}));          // the payload's first byte
    CHECK(has(fault<SpoilsAByte<60>>(about, plan), {record.c_str()}));
    CHECK(has(fault<SpoilsAByte<119>>(about, plan), {record.c_str()}));  // and its last
  }
}

TEST_CASE("append: records that never reach the drainer fail the run") {
  CHECK(has(fault<LosesTheTail>({}, {.threads = 2}), {"boundary at the end"}));
  CHECK(has(fault<LosesTheTail>({}, {.threads = 2, .warm_up = 0}), {"boundary at the end"}));
}

TEST_CASE("AppendTally: only ranges that tile the stretch come to its sums") {
  const auto sums = [](std::initializer_list<std::pair<Lsn, std::uint32_t>> ranges) {
    AppendTally tally;
    for (const auto& [begin, size] : ranges) tally.add(begin, size);
    return tally;
  };
  CHECK(sums({{30, 20}, {0, 30}}).tiles(0, 50));
  CHECK(sums({{~Lsn{0} - 9, 20}}).tiles(~Lsn{0} - 9, 10));        // modulo 2^64
  CHECK_FALSE(sums({{30, 20}, {0, 29}}).tiles(0, 50));            // a gap
  CHECK_FALSE(sums({{30, 20}, {0, 31}}).tiles(0, 50));            // an overlap
  CHECK_FALSE(sums({{0, 20}, {15, 20}, {40, 10}}).tiles(0, 50));  // both, of the same size
}

TEST_CASE("EqualRecords: their tally is that of records which happen to be of one size") {
  EqualRecords equal(20);
  AppendTally any;
  for (const Lsn begin : {Lsn{7}, Lsn{1'000}, ~Lsn{0} - 30}) {
    equal.add(begin, 20);
    any.add(begin, 20);
  }
  CHECK(equal.tally().records == any.records);
  CHECK(equal.tally().bytes == any.bytes);
  CHECK(equal.tally().squares == any.squares);
}

/// The n-th record of worker 0, of 120 bytes.
std::vector<std::byte> record(const AppendPayload& payload, std::uint64_t sequence) {
  std::vector<std::byte> bytes(120);
  payload.write(bytes, {.bytes = 120, .worker = 0, .sequence = sequence});
  return bytes;
}

TEST_CASE("AppendVerifier: every byte is compared") {
  const std::vector<std::uint32_t> sizes{120};
  const AppendPayload payload(120, 1);
  for (std::size_t byte = 0; byte < 120; ++byte) {
    std::vector<std::byte> spoilt = record(payload, 0);
    spoilt[byte] ^= std::byte{1};
    AppendVerifier verifier(sizes, payload, 1, 1);
    CHECK_FALSE(verifier.take(0, spoilt));
    if (byte >= sizeof(AppendHeader)) CHECK(has(verifier.fault(), {("LSN " + std::to_string(byte)).c_str()}));
  }
}

TEST_CASE("AppendVerifier: a boundary inside a record is a fault") {
  const std::vector<std::uint32_t> sizes{120};
  const AppendPayload payload(120, 1);
  const std::vector<std::byte> whole = record(payload, 0);
  for (const std::size_t visible : {8u, 100u}) {
    AppendVerifier verifier(sizes, payload, 1, 1);
    CHECK_FALSE(verifier.take(0, std::span(whole).first(visible)));
    CHECK(has(verifier.fault(), {"boundary", std::to_string(visible).c_str()}));
  }
}

TEST_CASE(
    "AppendVerifier: after records that were skipped a worker goes on later, then in turn, to its last") {
  const std::vector<std::uint32_t> sizes{120};
  const AppendPayload payload(120, 1);
  AppendVerifier verifier(sizes, payload, 1, 1);
  CHECK(verifier.take(0, record(payload, 0)) == 120u);
  CHECK(verifier.take(120, record(payload, 1)) == 120u);
  verifier.skip();
  CHECK(verifier.ended(0, 7));  // none of it was left to take
  CHECK_FALSE(verifier.ended(0, 1));
  AppendVerifier back = verifier;
  CHECK_FALSE(back.take(240, record(payload, 1)));
  CHECK(verifier.take(720, record(payload, 6)) == 120u);
  CHECK(verifier.ended(0, 7));
  CHECK_FALSE(verifier.ended(0, 8));
  CHECK_FALSE(verifier.take(840, record(payload, 8)));
}

}  // namespace
