// The contract of algorithms/log_buffer.h, over every safe algorithm of algorithms/all.h; and what the unsafe
// and the stalling ones declare about themselves, shown to be true. All under a watchdog: a deadlock has a name.
#include <set>
#include <thread>

#include "algorithms/registry.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/selected.h"
#include "tests/algorithms/watched.h"
#include "tests/catch.h"
#include "tests/sanitized.h"

namespace muster {
namespace {

using test::drive;
using test::DriveOptions;
using test::eventually;
using test::fill;
using test::Findings;

using SafeAlgorithms = test::SafeAlgorithmsOn<NativePlatform>;
using SafeWithLocks = decltype(test::locked(SafeAlgorithms{}));
using PromptAlgorithms = decltype(test::filtered<test::is_prompt>(AllAlgorithms<NativePlatform>{}));

constexpr std::uint32_t kRecords = kIsSanitized ? 500 : 4000;

template <class A>
void check_drive(const LogBufferOptions& options, const DriveOptions& how) {
  test::Watched<A> log(options);
  const Findings found = drive(log, options, how);
  INFO(name_with_lock<A>() << ": capacity " << options.capacity << ", " << how.workers << " workers, sizes "
                           << how.size_min << " to " << how.size_max << ", large " << how.large_size
                           << ", start " << options.start << ", seed " << how.seed);
  CHECK(found.wrong_bytes == 0);
  CHECK(found.boundary_fell == 0);
  CHECK(found.past_reserved == 0);
  CHECK(found.past_room == 0);
  CHECK(found.overwrites == 0);
  CHECK(found.lsn_fell == 0);
  CHECK(found.gaps_or_overlaps == 0);
  CHECK(found.missing == 0);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("LogBuffer: the contract holds, for 1 to 8 workers and rings of a page to megabytes",
                        "[contract]", SafeWithLocks) {
  using A = std::remove_pointer_t<TestType>;
  const std::size_t capacity = GENERATE(as<std::size_t>{}, 4096, 65536, 4 << 20);
  const std::uint32_t workers = GENERATE(as<std::uint32_t>{}, 1, 2, 4, 8);
  check_drive<A>({.capacity = capacity, .max_workers = workers}, {.workers = workers, .records = kRecords});
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the contract holds, when records are single bytes", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  check_drive<A>({.capacity = 4096, .max_workers = 3},
                 {.workers = 3, .records = 4 * kRecords, .size_min = 1, .size_max = 3});
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the contract holds, when records reach the size of the ring",
                        "[contract]", SafeWithLocks) {
  using A = std::remove_pointer_t<TestType>;
  const std::uint32_t workers = GENERATE(as<std::uint32_t>{}, 1, 3);
  check_drive<A>({.capacity = 4096, .max_workers = workers},
                 {.workers = workers, .records = kRecords, .size_max = 700, .large_size = 4096});
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the contract holds, when the drainer is slower than the workers",
                        "[contract]", SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  check_drive<A>({.capacity = 16384, .max_workers = 4},
                 {.workers = 4, .records = kRecords, .size_max = 500, .slow_drainer = true});
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the contract holds, when workers sleep, detach and come back",
                        "[contract]", SafeWithLocks) {
  using A = std::remove_pointer_t<TestType>;
  const std::uint64_t seed = GENERATE(as<std::uint64_t>{}, 1, 2, 3);
  check_drive<A>({.capacity = 8192, .max_workers = 4},
                 {.workers = 4, .records = kRecords, .pauses = true, .seed = seed});
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the contract holds, when the stream begins at an odd LSN", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  const Lsn start = GENERATE(as<Lsn>{}, 1, 4095, 4096, 123456789, (Lsn{1} << 62) - 77);
  check_drive<A>({.capacity = 4096, .max_workers = 2, .start = start}, {.workers = 2, .records = kRecords});
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: an open reservation holds the boundary, whoever publishes behind it",
                        "[contract]", SafeWithLocks) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 3});
  const WorkerId first = log.attach();
  const Reservation before = log.reserve(first, 100);
  fill(before);
  log.publish(first, before);
  REQUIRE(log.advance() == 100);

  const Reservation open = log.reserve(first, 50);
  std::atomic<bool> done{false};
  std::jthread second([&] {  // may wait for the first, as `mutex` does
    const WorkerId worker = log.attach();
    for (int i = 0; i < 3; ++i) {
      const Reservation r = log.reserve(worker, 10);
      fill(r);
      log.publish(worker, r);
    }
    log.detach(worker);
    done = true;
  });
  bool held = true;
  for (int i = 0; i < 200; ++i) {
    held = held && log.advance() == open.begin;
    std::this_thread::yield();
  }
  fill(open);
  log.publish(first, open);
  log.detach(first);
  CHECK(held);
  CHECK(eventually([&] { return log.advance() == 180; }));
  second.join();
  CHECK(done);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: a worker's very first reservation holds the boundary", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 2});
  const WorkerId worker = log.attach();
  const Reservation open = log.reserve(worker, 10);
  CHECK(log.advance() == 0);
  log.publish(worker, open);
  CHECK(log.advance() == 10);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the boundary is the end, when nobody has ever been there", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 2, .start = 77});
  CHECK(log.boundary() == 77);
  CHECK(log.reserved() == 77);
  CHECK(log.advance() == 77);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the boundary reaches the end, when every worker has left", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 2});
  for (int turn = 0; turn < 2; ++turn) {
    const WorkerId a = log.attach();
    const WorkerId b = log.attach();
    for (const WorkerId worker : {a, b, a}) {
      const Reservation r = log.reserve(worker, 10);
      fill(r);
      log.publish(worker, r);
    }
    log.detach(b);
    log.detach(a);
    CHECK(log.advance() == log.reserved());
    CHECK(log.boundary() == log.reserved());
  }
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: the boundary reaches the end, while other workers idle", "[contract]",
                        PromptAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 4});
  const WorkerId never_active = log.attach();
  const WorkerId once_active = log.attach();
  const WorkerId active = log.attach();
  const Reservation once = log.reserve(once_active, 10);
  fill(once);
  log.publish(once_active, once);
  for (int i = 0; i < 5000; ++i) {  // many laps
    const Reservation r = log.reserve(active, 100);
    fill(r);
    log.publish(active, r);
    REQUIRE(log.advance() == log.reserved());
    log.recycle(log.boundary());
  }
  for (const WorkerId worker : {never_active, once_active, active}) log.detach(worker);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: a worker that comes late does not hold the boundary back", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 2});
  const WorkerId early = log.attach();
  const Reservation r = log.reserve(early, 1000);
  fill(r);
  log.publish(early, r);
  log.detach(early);
  const WorkerId late = log.attach();
  const WorkerId later = log.attach();
  CHECK(log.advance() == 1000);
  log.detach(late);
  log.detach(later);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: a record of no bytes or of more than the ring is refused", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 1});
  const WorkerId worker = log.attach();
  CHECK_THROWS_AS(log.reserve(worker, 0), std::invalid_argument);
  CHECK_THROWS_WITH(log.reserve(worker, 4097),
                    "record size = 4097: want 1 to 4096, the log buffer's capacity");
  CHECK(log.reserved() == 0);  // nothing was taken, and the log goes on
  const Reservation r = log.reserve(worker, 4096);
  CHECK(r.bytes.size() == 4096);
  fill(r);
  log.publish(worker, r);
  CHECK(log.advance() == 4096);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: one worker more than there are slots is refused", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 2});
  const WorkerId first = log.attach();
  log.attach();
  CHECK_THROWS_AS(log.attach(), std::runtime_error);
  log.detach(first);
  CHECK(log.attach() == first);
}

TEMPLATE_LIST_TEST_CASE("LogBuffer: reservations are contiguous, where the ring wraps", "[contract]",
                        SafeAlgorithms) {
  using A = std::remove_pointer_t<TestType>;
  test::Watched<A> log({.capacity = 4096, .max_workers = 1});
  const WorkerId worker = log.attach();
  for (const std::uint32_t size : {4000u, 4000u, 4000u}) {
    const Reservation r = log.reserve(worker, size);
    fill(r);
    log.publish(worker, r);
    const Lsn boundary = log.advance();
    REQUIRE(boundary == r.end());
    const auto bytes = log.bytes(r.begin, boundary);
    bool right = true;
    for (std::size_t i = 0; i < bytes.size(); ++i) right = right && bytes[i] == test::pattern(r.begin + i);
    CHECK(right);
    log.recycle(boundary);
  }
}

TEST_CASE("Registry: every algorithm runs behind the virtual interface", "[registry]") {
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.unsafe) continue;
    INFO(info.name);
    const LogBufferOptions options{.capacity = 4096, .max_workers = 2};
    test::Watched<LogBuffer> log(info.name, make_log_buffer(info.name, options), options.start);
    CHECK(drive(log, options, {.workers = 2, .records = kRecords / 4}).total() == 0);
  }
}

TEST_CASE("Registry: names are unique, and an unknown one is answered with the known", "[registry]") {
  std::set<std::string_view> names;
  for (const AlgorithmInfo& info : algorithms()) {
    CHECK(names.insert(info.name).second);
    CHECK_FALSE(info.title.empty());
    CHECK_FALSE(info.source.empty());
  }
  std::string known;
  for (const AlgorithmInfo& info : algorithms()) known.append(known.empty() ? "" : ", ").append(info.name);
  CHECK_THROWS_WITH(make_log_buffer("aether", {}), "algorithm = aether: want one of " + known);
}

TEST_CASE("Registry: an option out of range is refused with its name, value and what would do",
          "[registry]") {
  for (const AlgorithmInfo& info : algorithms()) {
    INFO(info.name);
    CHECK_THROWS_WITH(make_log_buffer(info.name, {.capacity = 5000}),
                      "capacity = 5000: want a power of two, 4096 at least");
    CHECK_THROWS_WITH(make_log_buffer(info.name, {.capacity = 2048}),
                      "capacity = 2048: want a power of two, 4096 at least");
    CHECK_THROWS_WITH(make_log_buffer(info.name, {.max_workers = 0}), "max_workers = 0: want 1 at least");
    CHECK_THROWS_WITH(make_log_buffer(info.name, {.start = Lsn{1} << 62}),
                      "start = 4611686018427387904: want less than 2^62");
  }
  CHECK_THROWS_WITH(make_log_buffer("consolidation", {.consolidation_slots = 0}),
                    "consolidation_slots = 0: want 1 to 64");
  for (const std::string_view name : {"consolidation_decoupled", "consolidation_delegated"}) {
    CHECK_THROWS_WITH(make_log_buffer(name, {.consolidation_slots = 65}),
                      "consolidation_slots = 65: want 1 to 64");
  }
  for (const std::uint32_t chain : {0u, 3u, 2048u}) {
    CHECK_THROWS_WITH(make_log_buffer("consolidation_delegated", {.delegation_chain = chain}),
                      "delegation_chain = " + std::to_string(chain) + ": want a power of two from 1 to 1024");
  }
  for (const std::uint32_t pool : {1u, 65537u}) {
    CHECK_THROWS_WITH(make_log_buffer("wiredtiger_slots", {.slot_pool = pool}),
                      "slot_pool = " + std::to_string(pool) + ": want a power of two from 2 to 65536");
  }
  CHECK_THROWS_WITH(make_log_buffer("wiredtiger_slots", {.max_workers = 1u << 24}),
                    "max_workers = 16777216: want less than 16777216, what a slot can count");
  for (const std::uint32_t locks : {0u, 257u}) {
    CHECK_THROWS_WITH(make_log_buffer("postgres_insert_locks", {.insert_locks = locks}),
                      "insert_locks = " + std::to_string(locks) + ": want 1 to 256");
    CHECK_THROWS_WITH(make_log_buffer("postgres_lock_free", {.lock_free_insert_locks = locks}),
                      "lock_free_insert_locks = " + std::to_string(locks) + ": want 1 to 256");
  }
  for (const std::uint32_t window : {0u, 1000u, 1u << 31}) {
    CHECK_THROWS_WITH(
        make_log_buffer("mysql_link_buf", {.link_window = window}),
        "link_window = " + std::to_string(window) + ": want a power of two, 1073741824 at most");
  }
  CHECK_THROWS_WITH(make_log_buffer("eleda", {.capacity = 4096, .hop_bits = 13}),
                    "hop_bits = 13: want 0, or 1 to 12, log2 of the capacity");
  CHECK_THROWS_WITH(make_log_buffer("eleda", {.capacity = 1 << 24, .hop_bits = 3}),
                    "hop_bits = 3: want 0, or 4 to 24, log2 of the capacity");
}

TEST_CASE("Registry: a counter that an algorithm cannot have is refused, and a funnel of no slots") {
  for (const AlgorithmInfo& info : algorithms()) {
    INFO(info.name);
    for (const CounterKind counter : {CounterKind::aggregating, CounterKind::adaptive}) {
      const LogBufferOptions options{.capacity = 4096, .counter = counter};
      if (info.takes_counter) {
        CHECK_NOTHROW(make_log_buffer(info.name, options));
        continue;
      }
      CHECK_THROWS_WITH(make_log_buffer(info.name, options),
                        "counter = " + std::string(to_string(counter)) + ": want hardware: " +
                            std::string(info.name) + " has no counter that every record adds to");
    }
  }
  for (const std::uint32_t slots : {0u, 65u}) {
    CHECK_THROWS_WITH(make_log_buffer("eleda", {.counter = CounterKind::aggregating, .funnel_slots = slots}),
                      "funnel_slots = " + std::to_string(slots) + ": want 1 to 64");
  }
  CHECK_THROWS_WITH(make_log_buffer("bound", {.max_workers = 40'000, .counter = CounterKind::adaptive}),
                    "max_workers = 40000: want 32768 at most, what a funnel can tell apart");
}

TEST_CASE("Registry: the lock is the one that is asked for, and one that an algorithm cannot have is refused",
          "[registry]") {
  for (const AlgorithmInfo& info : algorithms()) {
    INFO(info.name);
    for (const LockKind lock : {LockKind::ticket, LockKind::mcs}) {
      const LogBufferOptions options{.capacity = 4096, .max_workers = 2, .lock = lock};
      const auto log = make_log_buffer(info.name, options);
      if (!info.unsafe) CHECK(drive(*log, options, {.workers = 2, .records = kRecords / 4}).total() == 0);
    }
    const LogBufferOptions options{.capacity = 4096, .lock = LockKind::std_mutex};
    if (info.lock_use != LockUse::handed_on) {
      CHECK_NOTHROW(make_log_buffer(info.name, options));
      continue;
    }
    CHECK_THROWS_WITH(make_log_buffer(info.name, options),
                      "lock = std_mutex: want one of ttas, ticket, mcs: " + std::string(info.name) +
                          " takes a lock that another thread may release");
  }
}

namespace {

/// Counts on which thread a mutex is released that another one has taken.
struct OwnedPlatform : NativePlatform {
  static inline std::atomic<std::uint32_t> released_by_another{0};

  class Mutex : public NativePlatform::Mutex {
   public:
    void lock() {
      NativePlatform::Mutex::lock();
      taker_ = std::this_thread::get_id();
    }
    void unlock() {
      if (taker_ != std::this_thread::get_id()) ++released_by_another;
      NativePlatform::Mutex::unlock();
    }

   private:
    std::thread::id taker_;
  };
};

}  // namespace

TEST_CASE("Locks: an algorithm that may have a std_mutex releases it on the thread that has taken it") {
  std::uint32_t algorithms = 0;
  for_each_type(AllAlgorithms<OwnedPlatform>{}, [&](auto type) {
    using A = typename decltype(type)::type;
    if constexpr (A::info.lock_use == LockUse::by_taker) {
      with_lock<A>(LockKind::std_mutex, [&](auto locked) {
        ++algorithms;
        INFO(A::info.name);
        check_drive<typename decltype(locked)::type>({.capacity = 4096, .max_workers = 4},
                                                     {.workers = 4, .records = kRecords});
        CHECK(OwnedPlatform::released_by_another == 0);
      });
    }
  });
  CHECK(algorithms == 4);
}

TEST_CASE("Contract: nobody waits for a drainer sooner than the algorithm says") {
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.reach == nullptr) continue;
    INFO(info.name);
    const LogBufferOptions options{
        .capacity = 1 << 20, .max_workers = 1, .slot_pool = 4, .link_window = 1 << 16};
    const std::uint64_t reach = info.reach(options);
    CHECK(reach < options.capacity);
    const auto log = make_log_buffer(info.name, options);
    const WorkerId worker = log->attach();
    while (log->reserved() + 64 <= reach)
      log->publish(worker, log->reserve(worker, 64));  // or this test never ends
    CHECK(log->advance() == log->reserved());
    CHECK(info.reach({.capacity = 4096}) <= 4096);
  }
}

TEST_CASE("Unsafe: `bound` returns a boundary over a hole", "[unsafe]") {
  static_assert(Bound<>::info.unsafe);
  Bound<> log({.capacity = 4096, .max_workers = 1});
  const WorkerId worker = log.attach();
  const Reservation open = log.reserve(worker, 10);
  CHECK(log.advance() == open.end());
}

TEST_CASE("Unsafe: `null` hands the same LSNs to two workers", "[unsafe]") {
  static_assert(Null<>::info.unsafe);
  Null<> log({.capacity = 4096, .max_workers = 2});
  const Reservation one = log.reserve(log.attach(), 10);
  const Reservation other = log.reserve(log.attach(), 10);
  CHECK(one.begin == other.begin);
  CHECK(one.bytes.data() != other.bytes.data());
}

TEST_CASE("Stalls on idle: an idle worker holds the boundary of `border_collie_naive` for ever", "[unsafe]") {
  static_assert(BorderCollieNaive<>::info.stalls_on_idle);
  BorderCollieNaive<> log({.capacity = 4096, .max_workers = 2});
  const WorkerId idle = log.attach();
  const WorkerId active = log.attach();
  const Reservation once = log.reserve(idle, 10);
  log.publish(idle, once);
  for (int i = 0; i < 10; ++i) {
    const Reservation r = log.reserve(active, 100);
    log.publish(active, r);
    CHECK(log.advance() == once.end());
  }
  log.detach(idle);  // only its leaving helps
  CHECK(log.advance() == log.reserved());
}

}  // namespace muster
