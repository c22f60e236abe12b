// The progress that every algorithm declares, tested by stopping its workers for good: one of them before
// every single access that it makes to an atomic, pairs before random ones. What the others then finish is told
// by a stage (halting_platform.h), which knows who can go on, and not by a clock.
//
//   blocking   there is a stop after which another worker does not finish, however long it runs alone
//   lock-free  there is none, but the others can keep one operation from finishing for as long as they like
//   wait-free  neither: an operation's own accesses stay below a bound, whatever the others do
#include <algorithm>
#include <array>
#include <atomic>
#include <iostream>
#include <latch>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "algorithms/registry.h"
#include "tests/algorithms/drive.h"
#include "tests/algorithms/halting_platform.h"
#include "tests/algorithms/selected.h"
#include "tests/catch.h"

namespace muster {
namespace {

using test::HaltingPlatform;
using test::Stage;

constexpr std::uint32_t kRecord = 160;  // bytes
/// For stops: a ring with room for all that is appended, and little else for who stays behind a stopped worker.
constexpr LogBufferOptions kTight{
    .capacity = 1 << 17, .slot_pool = 2, .link_window = 1024, .funnel_slots = 1};
/// Where nobody stops, and one operation is held up: as much of everything as it takes.
constexpr LogBufferOptions kRoomy{.capacity = 1 << 22, .funnel_slots = 1};
/// What an advance may look at is limited by what the ring holds: nothing is recycled while it is under way.
constexpr LogBufferOptions kSmall{.capacity = 4096, .funnel_slots = 1};
// The bounds of wait-free operations: what one reserve or publish may access, and what one advance may in addition
// for every record that the ring can hold.
constexpr std::uint64_t kAccessesMax = 64;
constexpr std::uint64_t kAccessesARecord = 4;
constexpr std::uint64_t kSpinning = 20'000;  // accesses of one operation that goes on alone: it never ends

enum class Operation : std::uint8_t { reserve, publish, advance, copy, none };
constexpr std::array<const char*, 5> kNames = {"reserve", "publish", "advance", "copy", "attach or detach"};
const char* name_of(Operation operation) {
  return kNames[static_cast<std::size_t>(operation)];
}

/// What has been seen of one algorithm.
struct Observed {
  std::map<Operation, std::string> blocked;  // and the first stop that showed it
  std::map<Operation, std::string> starved;
  std::map<Operation, std::uint64_t> accesses;  // most of one operation, where the others could not starve it
  std::uint64_t stops = 0;
  std::uint64_t passed = 0;      // boundaries above a stopped writer's begin
  std::uint64_t crowded = 0;     // times that somebody was blocked, and the ring was full
  std::uint64_t unfinished = 0;  // times that not everybody came home once all were let go

  Progress progress(Operation operation) const {
    if (blocked.contains(operation)) return Progress::blocking;
    return starved.contains(operation) ? Progress::lock_free : Progress::wait_free;
  }
};

/// Workers and a drainer of one log buffer on a stage. Each does as much as its quota says.
template <class A>
class Cast {
 public:
  struct Actor {
    Operation operation = Operation::none;
    std::uint64_t since = 0;  // the accesses that it had made when it entered the operation
    std::uint64_t quota = 0;  // appends, or advances, to finish
    std::uint64_t finished = 0;
    std::vector<Lsn> begins;                           // of its reservations
    bool leaves = false;                               // once its quota is done
    std::map<Operation, std::uint64_t> accesses_most;  // of one operation
  };

  Cast(std::uint32_t workers, LogBufferOptions options)
      : drainer(workers), actors(workers + 1), log((options.max_workers = workers, options)) {
    for (std::uint32_t w = 0; w < workers; ++w) stage.add([this, w] { append(w); });
    stage.add([this] { drain(); });
  }

  bool unfinished(std::size_t a) const {
    return actors[a].leaves ? stage.state(a) != Stage::State::done : actors[a].finished < actors[a].quota;
  }
  /// Accesses of the operation that it is in.
  std::uint64_t accesses(std::size_t a) const { return stage.accesses(a) - actors[a].since; }
  bool can_go_on(std::size_t a) const { return stage.can_run(a) && accesses(a) < kSpinning; }
  /// Runs one until its quota is done, or it can go on no more.
  void run(std::size_t a) {
    while (unfinished(a) && can_go_on(a)) stage.run(a, kSpinning);
  }
  std::string where(std::size_t a) const {
    return std::string(name_of(actors[a].operation)) + ", " + stage.place(a);
  }

  const std::size_t drainer;
  std::vector<Actor> actors;
  A log;
  Lsn boundary = 0;  // that advance() returned last
  Stage stage;       // last: its threads use all that

 private:
  void enter(std::size_t a, Operation operation) {
    std::uint64_t& most = actors[a].accesses_most[actors[a].operation];
    most = std::max(most, accesses(a));
    actors[a].operation = operation;
    actors[a].since = stage.accesses(a);
  }
  bool has_work(std::size_t a) {
    Actor& self = actors[a];
    const auto told = [&self] { return self.finished < self.quota || self.leaves; };
    if (!told()) Stage::wait("work", told);
    return self.finished < self.quota;
  }

  void append(std::uint32_t w) {
    Actor& self = actors[w];
    const WorkerId worker = log.attach();
    while (has_work(w)) {
      enter(w, Operation::reserve);
      const Reservation reservation = log.reserve(worker, kRecord);
      self.begins.push_back(reservation.begin);
      enter(w, Operation::copy);
      Stage::access("the", "bytes");
      enter(w, Operation::publish);
      log.publish(worker, reservation);
      enter(w, Operation::none);
      ++self.finished;
    }
    log.detach(worker);
  }

  void drain() {
    for (; has_work(drainer); ++actors[drainer].finished) {
      enter(drainer, Operation::advance);
      boundary = log.advance();
      enter(drainer, Operation::none);
    }
  }
};

/// Some workers stop for good, each before the access that it is told; then the others go on alone, and in the
/// end all go home.
template <class A>
class Scenario {
 public:
  struct Plan {
    std::uint64_t seed;
    std::vector<std::uint64_t> stops;  // accesses that workers 0, 1, ... make before they stop
    std::uint64_t appends;             // of each of the others, after that
  };

  Scenario(const Plan& plan, Observed& observed)
      : plan_(plan),
        victims_(plan.stops.size()),
        random_(static_cast<std::uint32_t>(plan.seed)),
        observed_(observed),
        cast_(static_cast<std::uint32_t>(victims_) + kOthers, kTight) {}

  /// False: worker 0 had done all it does before it came to its stop.
  bool play() {
    for (std::size_t a = victims_; a < cast_.drainer; ++a) cast_.stage.run(a, kSpinning);  // these attach
    stop_the_victims();
    if (cast_.stage.state(0) == Stage::State::done) return false;
    ++observed_.stops;
    std::vector<std::size_t> open;  // which of its reservations no boundary may pass yet
    for (std::size_t v = 0; v < victims_; ++v) {
      const auto& victim = cast_.actors[v];
      open.push_back(victim.begins.size() - (victim.operation == Operation::copy ? 1 : 0));
      if (victim.operation == Operation::publish)
        open.back() = ~std::size_t{0};  // it may have said so already
    }

    for (std::size_t a = victims_; a < cast_.drainer; ++a) {
      cast_.actors[a].quota = cast_.actors[a].finished + plan_.appends;
    }
    for (const std::size_t a : go_on(victims_)) note_blocked(a);
    const Lsn boundary = cast_.boundary;

    for (std::size_t a = 0; a < cast_.drainer; ++a) {
      if (a >= victims_) cast_.actors[a].quota = 0;  // no further append
      cast_.actors[a].leaves = true;
    }
    const bool all_home = go_on(0).empty();
    for (std::size_t v = 0; v < victims_; ++v) {
      const auto& begins = cast_.actors[v].begins;
      if (open[v] < begins.size() && boundary > begins[open[v]]) ++observed_.passed;
    }
    auto& drainer = cast_.actors[cast_.drainer];
    drainer.quota = drainer.finished + 2;  // the one that it is in, and a whole one
    cast_.run(cast_.drainer);
    if (!all_home || cast_.boundary != cast_.log.reserved()) ++observed_.unfinished;
    return true;
  }

 private:
  static constexpr std::uint32_t kOthers = 2;
  static constexpr std::uint64_t kVictimsAppends = 3;
  static constexpr std::uint64_t kFruitless = 2;  // advances after which nothing more will come of them
  static constexpr std::uint64_t kBurst = 12;     // accesses, at most, from one random choice to the next

  void run_one_of(const std::vector<std::size_t>& actors) {
    const std::size_t a = actors[random_() % actors.size()];
    const std::uint64_t burst = 1 + random_() % kBurst;
    cast_.stage.run(a, a < plan_.stops.size() ? std::min(burst, left(a)) : burst);
  }

  /// Accesses that a victim still makes before it stops.
  std::uint64_t left(std::size_t v) const {
    if (let_go_ || cast_.stage.state(v) == Stage::State::done) return let_go_ ? kSpinning : 0;
    return plan_.stops[v] - cast_.stage.accesses(v);
  }

  void stop_the_victims() {
    for (std::size_t a = 0; a < cast_.actors.size(); ++a) {
      cast_.actors[a].quota = a < victims_ ? kVictimsAppends : ~std::uint64_t{0};
      cast_.actors[a].leaves = a < victims_;
    }
    for (int hopeless = 0; hopeless < 64;) {  // a victim may wait for one that has stopped, and stays there
      std::vector<std::size_t> able;
      bool all_stopped = true;
      for (std::size_t v = 0; v < victims_; ++v) {
        all_stopped = all_stopped && left(v) == 0;
        if (left(v) > 0 && cast_.can_go_on(v)) able.push_back(v);
      }
      if (all_stopped) break;
      hopeless = able.empty() ? hopeless + 1 : 0;
      for (std::size_t a = victims_; a < cast_.actors.size(); ++a) {
        if (cast_.can_go_on(a)) able.push_back(a);
      }
      if (able.empty()) break;
      run_one_of(able);
    }
    let_go_ = true;  // whoever is chosen from now on may go on
  }

  /// Runs the workers from `first` on, and the drainer, until all are done or nobody gets any further; returns
  /// those that did not.
  std::vector<std::size_t> go_on(std::size_t first) {
    auto& drainer = cast_.actors[cast_.drainer];
    drainer.quota = ~std::uint64_t{0};
    for (std::uint64_t last_help = drainer.finished;;) {
      std::vector<std::size_t> left, able;
      for (std::size_t a = first; a < cast_.drainer; ++a) {
        if (!cast_.unfinished(a)) continue;
        left.push_back(a);
        if (cast_.can_go_on(a)) able.push_back(a);
      }
      if (!able.empty()) last_help = drainer.finished;
      const bool drainer_stuck = !cast_.can_go_on(cast_.drainer);
      if (able.empty() && (drainer_stuck || drainer.finished > last_help + kFruitless)) {
        if (drainer_stuck) left.push_back(cast_.drainer);
        return left;
      }
      if (!drainer_stuck) able.push_back(cast_.drainer);
      run_one_of(able);
    }
  }

  void note_blocked(std::size_t actor) {
    std::ostringstream why;
    why << "worker " << actor << " at \"" << cast_.where(actor) << "\"";
    for (std::size_t v = 0; v < victims_; ++v) {
      why << (v == 0 ? ", while worker " : " and worker ") << v << " is stopped at \"" << cast_.where(v)
          << "\"";
    }
    why << ", seed " << plan_.seed;
    observed_.blocked.emplace(cast_.actors[actor].operation, why.str());
    if (cast_.log.reserved() > kTight.capacity) ++observed_.crowded;
  }

  const Plan plan_;
  const std::size_t victims_;
  std::minstd_rand random_;
  Observed& observed_;
  bool let_go_ = false;
  Cast<A> cast_;
};

/// After each access that one thread makes in an operation every other worker finishes a whole append, if it can: a
/// retry of anything that they change never succeeds. What else it does nobody disturbs.
template <class A>
void starve(Operation operation, std::uint64_t operations, Observed& observed) {
  constexpr std::uint32_t kWorkers = 3;
  const bool is_advance = operation == Operation::advance;
  Cast<A> cast(kWorkers, is_advance ? kSmall : kRoomy);
  const std::size_t victim = is_advance ? cast.drainer : 0;
  const std::uint64_t bound = kAccessesMax + (is_advance ? kAccessesARecord * kSmall.capacity / kRecord : 0);
  auto& self = cast.actors[victim];
  self.quota = operations;
  std::uint64_t fruitless = 0;
  for (std::uint64_t round = 0; self.finished < operations; ++round) {
    const bool could = cast.can_go_on(victim);
    if (could) cast.stage.run(victim, 1);
    if (could && self.operation != operation) continue;
    if (self.operation == operation && cast.accesses(victim) > bound) {
      observed.starved.emplace(operation, cast.where(victim) + " after " + std::to_string(bound) +
                                              " accesses, the others finishing an append after each");
      return;
    }
    bool helped = false;
    for (std::size_t a = 0; a < cast.actors.size(); ++a) {
      if (a == victim || (a == cast.drainer && round % 16 != 0)) continue;
      if (!cast.unfinished(a)) ++cast.actors[a].quota;
      cast.run(a);
      helped = helped || (a != cast.drainer && !cast.unfinished(a));
    }
    fruitless = could || helped ? 0 : fruitless + 1;
    if (fruitless > 32) return;  // blocked, as stopping it will show
  }
  observed.accesses[operation] = self.accesses_most[operation];
}

template <class A>
Observed observe() {
  constexpr std::uint64_t kStopsMax = 500;  // more accesses than a worker's few appends can take
  Observed observed;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    std::uint64_t stop = 0;
    while (stop < kStopsMax && Scenario<A>({seed, {stop}, 12}, observed).play()) ++stop;
    if (stop == kStopsMax) ++observed.unfinished;
  }
  std::minstd_rand random(1);
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    Scenario<A>({seed, {random() % 24, random() % 48}, 250}, observed).play();
  }
  starve<A>(Operation::reserve, 300, observed);
  starve<A>(Operation::publish, 300, observed);
  starve<A>(Operation::advance, 12, observed);
  return observed;
}

std::array<std::pair<Operation, Progress>, 3> declared_by(const AlgorithmInfo& info) {
  return {{{Operation::reserve, info.reserve},
           {Operation::publish, info.publish},
           {Operation::advance, info.advance}}};
}

/// A line for each declaration that is not what has been observed, and what showed it.
std::string differences(const AlgorithmInfo& info, const Observed& observed) {
  std::ostringstream lines;
  for (const auto& [operation, progress] : declared_by(info)) {
    if (observed.progress(operation) == progress) continue;
    lines << info.name << ": " << name_of(operation) << " is declared " << to_string(progress)
          << ", observed " << to_string(observed.progress(operation)) << "\n";
    for (const auto* const evidence : {&observed.blocked, &observed.starved}) {
      const auto found = evidence->find(operation);
      if (found != evidence->end()) lines << "  " << found->second << "\n";
    }
  }
  return lines.str();
}

/// Of a table in Markdown: each operation's progress as observed, and the most accesses of one that was wait-free.
std::string row(const AlgorithmInfo& info, const Observed& observed) {
  std::ostringstream line;
  line << "| " << info.name;
  for (const auto& [operation, declared] : declared_by(info)) {
    const Progress seen = observed.progress(operation);
    line << " | " << to_string(seen);
    if (seen == Progress::wait_free && observed.accesses.contains(operation))
      line << ", " << observed.accesses.at(operation);
    if (seen != declared) line << " (**declared " << to_string(declared) << "**)";
  }
  line << " | " << observed.stops << " |\n";
  return line.str();
}

/// What is here to be found out has a tail and what is published of it.
class TailAndPublished : public LogBufferBase<HaltingPlatform, Ring<HaltingPlatform>::KnownRoom> {
 public:
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

 protected:
  explicit TailAndPublished(const LogBufferOptions& options) : LogBufferBase(options) {
    tail_.describe("tail");
    published_.describe("published");
  }

  HaltingPlatform::Atomic<Lsn> tail_{0}, published_{0};
};

/// Reserves by compare-and-swap and publishes in order.
class Retries : public TailAndPublished {
 public:
  explicit Retries(const LogBufferOptions& options) : TailAndPublished(options) {}
  Reservation reserve(WorkerId, std::uint32_t size) {
    Lsn begin = tail_.load(std::memory_order_relaxed);
    while (
        !tail_.compare_exchange(begin, begin + size, std::memory_order_relaxed, std::memory_order_relaxed)) {}
    return {begin, ring_.bytes(begin, size)};
  }
  void publish(WorkerId, const Reservation& r) {
    const auto my_turn = [&](Lsn published) { return published == r.begin; };
    HaltingPlatform::await(published_, my_turn, std::memory_order_acquire, WaitFor::predecessor);
    published_.store(r.end(), std::memory_order_release);
  }
  Lsn advance() { return found(published_.load(std::memory_order_acquire)); }
};

/// Counts what is published by compare-and-swap, and knows a boundary when all is.
class RetriesToPublish : public TailAndPublished {
 public:
  explicit RetriesToPublish(const LogBufferOptions& options) : TailAndPublished(options) {}
  Reservation reserve(WorkerId, std::uint32_t size) {
    const Lsn begin = tail_.fetch_add(size, std::memory_order_relaxed);
    return {begin, ring_.bytes(begin, size)};
  }
  void publish(WorkerId, const Reservation& r) {
    std::uint64_t bytes = published_.load(std::memory_order_relaxed);
    while (!published_.compare_exchange(bytes, bytes + r.bytes.size(), std::memory_order_release,
                                        std::memory_order_relaxed)) {}
  }
  Lsn advance() {
    const std::uint64_t bytes = published_.load(std::memory_order_acquire);
    return found(reserved() == bytes ? bytes : last_found());
  }
};

}  // namespace

namespace {
/// Those that put no log together: their advance accesses nothing that it could be stopped before.
bool puts_no_log_together(std::string_view algorithm) {
  constexpr std::array kControls = {Null<>::info.name, CopyRotating<>::info.name, CopyCounted<>::info.name,
                                    CopyInterleaved<>::info.name};
  return std::find(kControls.begin(), kControls.end(), algorithm) != kControls.end();
}
}  // namespace

TEST_CASE("Progress: every operation is what its algorithm declares, with workers stopped at every access") {
  std::string table = "| algorithm | reserve | publish | advance | stops |\n|---|---|---|---|---|\n";
  std::string wrong;
  const auto check = [&](auto type) {
    using A = typename decltype(type)::type;
    if (puts_no_log_together(A::info.name)) return;
    const std::string name = name_with_policy<A>();
    AlgorithmInfo info = A::info;
    info.name = name;
    const Observed observed = observe<A>();
    table += row(info, observed);
    wrong += differences(info, observed);
    INFO(name);
    CHECK(observed.stops > 20);
    CHECK(observed.crowded == 0);
    for (const auto& [operation, progress] : declared_by(A::info)) {
      if (progress == Progress::wait_free) CHECK(observed.accesses.contains(operation));
    }
    if (!test::is_safe(A::info)) return;
    CHECK(observed.passed == 0);
    CHECK(observed.unfinished == 0);
  };
  for_each_type(AllAlgorithms<HaltingPlatform>{},
                [&](auto type) { for_each_type(WithEachPolicy<typename decltype(type)::type>{}, check); });
  std::cout << table;  // for whoever runs this test by itself
  CHECK(wrong == "");
}

TEST_CASE("Progress: a false declaration is found, whether it promises too much or too little") {
  using Catch::Matchers::StartsWith;
  AlgorithmInfo mutex = Mutex<>::info;
  mutex.reserve = Progress::wait_free;
  CHECK_THAT(differences(mutex, observe<Mutex<HaltingPlatform>>()),
             StartsWith("mutex: reserve is declared wait-free, observed blocking\n  worker"));
  AlgorithmInfo border_collie = BorderCollie<>::info;
  border_collie.publish = Progress::blocking;
  CHECK(differences(border_collie, observe<BorderCollie<HaltingPlatform>>()) ==
        "border_collie: publish is declared blocking, observed wait-free\n");
}

TEST_CASE("Progress: retries that never succeed, and waits for predecessors, are found") {
  const Observed observed = observe<Retries>();
  CHECK(observed.progress(Operation::reserve) == Progress::lock_free);
  CHECK(observed.progress(Operation::publish) == Progress::blocking);
  CHECK(observed.progress(Operation::advance) == Progress::wait_free);
  CHECK(observed.passed == 0);
  CHECK(observed.unfinished == 0);

  const Observed to_publish = observe<RetriesToPublish>();
  CHECK(to_publish.progress(Operation::reserve) == Progress::wait_free);
  CHECK(to_publish.progress(Operation::publish) == Progress::lock_free);
  CHECK(to_publish.passed == 0);
  CHECK(to_publish.unfinished == 0);
}

TEST_CASE("Progress: a boundary above a stopped writer is found") {
  CHECK(observe<Bound<HaltingPlatform>>().passed > 0);
}

namespace {
constexpr bool never_blocks(const AlgorithmInfo& info) {
  return test::is_safe(info) && info.reserve != Progress::blocking && info.publish != Progress::blocking;
}
using NonBlocking = decltype(test::filtered<never_blocks>(AllAlgorithms<NativePlatform>{}));
}  // namespace

TEMPLATE_LIST_TEST_CASE(
    "Progress: the others finish all at full speed, with writers stopped at random records", "",
    NonBlocking) {
  using A = std::remove_pointer_t<TestType>;
  constexpr std::uint32_t kStopped = 3, kOthers = 3, kRecords = 3000;
  A log({.capacity = 1 << 20, .max_workers = kStopped + kOthers});
  std::atomic<Lsn> hole{~Lsn{0}};  // the least begin among the stopped writers
  std::latch all_stopped(kStopped + 1), let_go(1);
  std::atomic<bool> over{false};
  std::atomic<std::uint64_t> passed{0};
  const auto append = [&](WorkerId worker) {
    const Reservation r = log.reserve(worker, 40);
    test::fill(r);
    log.publish(worker, r);
  };
  const auto stop = [&](std::uint32_t seed) {
    const WorkerId worker = log.attach();
    std::minstd_rand random(seed);
    for (std::uint64_t i = random() % 500; i > 0; --i) append(worker);
    const Reservation open = log.reserve(worker, 40);
    for (Lsn seen = hole; open.begin < seen && !hole.compare_exchange_weak(seen, open.begin);) {}
    all_stopped.count_down();
    let_go.wait();
    test::fill(open);
    log.publish(worker, open);
    log.detach(worker);
  };
  const auto work = [&] {
    const WorkerId worker = log.attach();
    for (std::uint32_t i = 0; i < kRecords; ++i) append(worker);
    log.detach(worker);
  };
  const auto drain = [&] {
    while (!over) {
      const Lsn boundary = log.advance();
      if (boundary > hole) ++passed;  // a hole that is known by now was there when it looked
    }
  };
  {
    std::vector<std::jthread> stopped;
    for (std::uint32_t i = 0; i < kStopped; ++i) stopped.emplace_back(stop, 7 * i + 1);
    {
      std::jthread drainer(drain);
      all_stopped.arrive_and_wait();
      {
        std::vector<std::jthread> others;
        for (std::uint32_t i = 0; i < kOthers; ++i) others.emplace_back(work);
      }  // whom only this test's time-out would end, if one of them waited for a stopped one
      over = true;
    }
    CHECK(log.advance() <= hole);
    CHECK(passed == 0);
    let_go.count_down();
  }
  CHECK(log.advance() == log.reserved());
}

}  // namespace muster
