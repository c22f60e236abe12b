#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/model/fiber.h"
#include "tests/model/knowledge.h"

namespace muster::model {

/// What a thread asks of an atomic location: a step of an execution.
enum class Action : std::uint8_t {
  load,
  store,
  exchange,
  fetch_add,
  fetch_sub,
  compare_exchange,
  await,
  lock,
  unlock,
  light_barrier,  ///< the two halves of an asymmetric barrier: they take turns at a location of their own
  heavy_barrier,
  rest,      ///< until nobody else can go on; ends the part of an execution that is searched
  finished,  ///< the thread has returned
};

struct Request {
  Action action = Action::finished;
  LocationId location = 0;
  std::memory_order order = std::memory_order_relaxed;
  std::memory_order failure = std::memory_order_relaxed;  // compare_exchange
  std::uint64_t operand = 0;
  std::uint64_t expected = 0;  // compare_exchange
  std::uint64_t mask = ~std::uint64_t{0};
  bool (*satisfied)(const void* predicate, std::uint64_t value) = nullptr;  // await
  const void* predicate = nullptr;
  std::source_location where;
};

struct Reply {
  std::uint64_t value = 0;  // that was read
  bool exchanged = false;   // compare_exchange
};

inline constexpr std::uint32_t kNone = ~std::uint32_t{0};

/// A step that has been taken.
struct Event {
  ThreadId thread = 0;
  std::uint32_t step = 0;  // of its thread, from 1
  Action action = Action::load;
  LocationId location = 0;
  std::uint32_t message = 0;     // that was read or, by a plain store, followed
  std::uint32_t source = kNone;  // the event that wrote that message; none: the initial value
  bool reads = false;
  bool writes = false;
  bool failed_exchange = false;  // it would have written
  /// Which events come before this one in every execution that is equivalent: program order, reads-from,
  /// and the order of the writes to a location.
  Clock before;
  Clock before_own;  // the same, without the edges that this event adds
};

/// A value that a location has had, in modification order.
struct Message {
  std::uint64_t value = 0;
  std::uint32_t event = kNone;
  Knowledge carried;  // what an acquire of it brings; of a barrier, what its thread may no longer miss
};

struct Location {
  const char* name = "";
  std::uint32_t index = 0;
  std::vector<Message> messages;
  std::vector<std::uint32_t> events;
  ThreadId creator = kNone;
  std::uint32_t created = 0;  // step of the creator, which others must know of
  Clock accesses;             // the last of each thread
  bool alive = false;
};

/// Tells what all threads have done apart from anything else that they might have done: two prefixes of executions have
/// the same one when they are equivalent, or would be with threads that are alike swapped, and else only by a chance of
/// one in 2^128.
struct Fingerprint {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  auto operator<=>(const Fingerprint&) const = default;
};

/// Written to by nobody while nobody replays for a reader's eyes.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual void step(const class Execution& execution, const Event& event, const Request& request,
                    const Reply& reply) = 0;
  virtual void mark(ThreadId thread, const char* operation, const std::string& text) = 0;
};

/// The threads of a program that is explored. Every run begins with set_up() and is deterministic but for the
/// order of its steps and what its loads return.
class Program {
 public:
  virtual ~Program() = default;
  virtual std::uint32_t threads() const = 0;
  /// The first thread that it is like: with two that are alike swapped, an execution is an execution still, but for the
  /// end that is not searched. Itself, unless a program knows better.
  virtual ThreadId alike(ThreadId thread) const { return thread; }
  virtual std::string thread_name(ThreadId thread) const = 0;
  virtual void set_up() = 0;
  virtual void run(ThreadId thread) = 0;
  virtual void tear_down() = 0;
};

/// A step to take: whose, and which message it reads (a plain store: which it follows).
struct Decision {
  ThreadId thread = 0;
  std::uint32_t message = 0;
};

/// Decides which step comes next.
class Chooser {
 public:
  virtual ~Chooser() = default;
  /// How many steps, from the first, the next execution has in common with the one before, which this chooser must have
  /// chosen, too. They are repeated without choose() and taken().
  virtual std::size_t kept() const { return 0; }
  /// False: enough of this execution. Somebody can take a step when it is asked.
  virtual bool choose(const Execution& execution, Decision& decision) = 0;
  virtual void taken(const Execution& /*execution*/, const Event& /*event*/) {}
  /// Nobody can go on, or choose() has had enough: what the threads ask for now is not done.
  virtual void stopped(const Execution& /*execution*/) {}
};

/// An internal limit was reached: nothing can be said about the program.
struct LimitReached : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One order to make weaker, or none: where it stands in the source.
struct Weakening {
  std::string file;  // the last part of its path; empty: none
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  bool failure = false;  // compare_exchange: the order of its failure
  std::memory_order order = std::memory_order_relaxed;
};

/// An order in the source that is not relaxed.
struct Site {
  std::source_location where;
  Action action;
  bool failure;
  std::memory_order order;
  std::string location;
};

/// Runs a program step by step under C++20's memory model, as far as it has acquire, release and relaxed
/// atomics, mutexes and plain data.
///
/// A load may return any message that coherence and happens-before allow; a read-modify-write reads the newest
/// and continues its release sequence; a plain store does not continue one, whoever wrote it. Plain data is
/// checked for races by vector clocks.
///
/// An asymmetric barrier is what P1202R5 makes of it: barriers come one after the other, in the order of their steps. Of a
/// heavy half and one that comes later, of either kind and in any thread: what a thread could not miss when it passed the
/// first (its own stores, and what it had read or acquired), the other one cannot miss from the second on. So a heavy half
/// shows its thread what others stored before their last barrier, and others from their next barrier on what its thread
/// stored. Two light halves order nothing, and no half makes anything happen before anything else: plain data may race.
/// Simplified  The order of writes to a location is the order in which they are executed; where C++20 allows another
///             one that no other execution has, that is a violation. No load sees a store that is executed later (no
///             load buffering); no fences; no seq_cst.
class Execution {
 public:
  enum class Outcome : std::uint8_t { finished, abandoned, violated };

  Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  /// One at a time in a process: the platform's atomics find it here.
  static Execution& current() { return *current_; }

  void weaken(Weakening weakening) { weakening_ = std::move(weakening); }
  /// Whether some execution has come to the place that is weakened.
  bool weakening_met() const { return weakening_met_; }
  /// Sequential consistency: each load returns the newest message, whatever its order says. Data races are still
  /// told by what the orders promise.
  void make_sequential(bool sequential) { sequential_ = sequential; }
  bool sequential() const { return sequential_; }
  /// Whether a read leaves out the messages after which nothing goes wrong that does not after an older one: it does,
  /// unless told otherwise.
  void skip_subsumed(bool skip) { skips_subsumed_ = skip; }
  bool skips_subsumed() const { return skips_subsumed_; }
  /// Calls `recorder` at each step, but for those that a chooser keeps, and at each mark; null: nobody.
  void record(Recorder* recorder) { recorder_ = recorder; }
  /// Collects the orders that the program uses, from now on.
  void collect_sites(std::vector<Site>* sites) { sites_ = sites; }

  Outcome run(Program& program, Chooser& chooser);

  const std::string& violation() const { return violation_; }
  const std::vector<Event>& events() const { return events_; }
  const std::vector<Decision>& decisions() const { return decisions_; }
  const Location& location(LocationId id) const { return locations_[id]; }
  std::uint32_t threads() const { return thread_count_; }
  const Request& request(ThreadId thread) const { return threads_[thread].request; }
  const Clock& trace_clock(ThreadId thread) const { return threads_[thread].trace; }
  std::uint32_t steps(ThreadId thread) const { return threads_[thread].steps; }
  Fingerprint fingerprint() const;
  /// The first thread that `thread` is like.
  ThreadId alike(ThreadId thread) const { return threads_[thread].alike; }
  /// Its rank among the threads that it is like, by what they have met, as a thread's number: the same in whatever way
  /// they are swapped.
  ThreadId unswapped(ThreadId thread) const;
  /// The messages that the thread's next step may read, as a set of bits; 0: it cannot go on.
  std::uint64_t choices(ThreadId thread) const { return choices(threads_[thread], threads_[thread].request); }

  // The platform's side.
  LocationId create(std::uint64_t value);
  void describe(LocationId location, const char* name, std::uint32_t index);
  void destroy(LocationId location);
  Reply perform(const Request& request);
  void barrier(Action half, const std::source_location& where);

  // Plain data: when this thread touches it, and whether it may.
  struct Access {
    ThreadId thread = kNone;  // none: before the threads began
    std::uint32_t step = 0;
  };
  Access access() const;
  bool happened_before(const Access& access) const;

  // The program's side.
  bool recording() const { return recorder_ != nullptr; }
  void mark(const char* operation, const std::string& text = "");
  /// Ends the execution. Does not return where a thread of the program calls it.
  void fail(std::string violation);
  /// Until no other thread can go on.
  void rest();
  /// As if every other thread had been joined.
  void join_all();
  bool finished(ThreadId thread) const { return threads_[thread].request.action == Action::finished; }
  ThreadId self() const { return running_; }

 private:
  struct Thread {
    Fiber fiber;
    Request request;
    Reply reply;
    Knowledge knowledge;
    Clock trace;
    std::uint32_t steps = 0;
    Fingerprint history;  // of the messages that its steps have read or followed
    ThreadId alike = 0;   // the first that it is like
  };

  /// What a step has left its thread with.
  struct Outlook {
    Knowledge knowledge;
    Fingerprint history;
  };

  std::uint64_t choices(const Thread& thread, const Request& request) const;
  std::uint64_t not_subsumed(const Request& request, const Location& location, std::uint64_t messages) const;
  void want_settled_order(const Event& event);
  void pass_barrier(Thread& thread, Action half);
  void take_step(const Decision& decision);
  void begin_step(ThreadId thread, LocationId location);
  Event described(const Decision& decision, const Request& request) const;
  Reply end_step(const Event& event, const Request& request);
  void settle();
  void count_settled();
  Reply settle(ThreadId thread, const Request& request);
  void keep(std::size_t steps);
  void take_kept_steps();
  Reply repeat(Thread& thread, const Request& request);
  void resume(ThreadId thread);
  std::uint32_t newest(const Location& location) const {
    return static_cast<std::uint32_t>(location.messages.size()) - 1;
  }
  std::memory_order effective(const Request& request, bool failure) const;
  void append(Thread& thread, Location& location, std::uint64_t value, std::memory_order order,
              bool continues);
  bool is_weakened(const std::source_location& where, bool failure) const;
  void note_site(const Request& request);
  void reset();

  static Execution* current_;

  std::vector<Thread> threads_;
  std::uint32_t thread_count_ = 0;
  std::vector<Location> locations_;
  std::uint32_t location_count_ = 0;
  LocationId barriers_ = 0;  // every barrier is a read-modify-write of it
  std::vector<Event> events_;
  std::vector<Decision> decisions_;
  std::vector<Outlook> outlooks_;  // after each of the events
  std::string violation_;
  std::exception_ptr limit_;  // thrown by a thread, on its way out
  ThreadId running_ = kNone;
  bool running_threads_ = false;
  bool settling_ = false;      // in the end that is not searched, or the tear-down behind it
  std::size_t settled_ = 0;    // steps of that end
  bool repeating_ = false;     // from the set-up to the last step that is kept of the execution before
  std::size_t next_kept_ = 0;  // the event that is repeated next; none before all threads have begun
  bool sequential_ = false;
  bool skips_subsumed_ = true;
  Weakening weakening_;
  mutable bool weakening_met_ = false;
  mutable const char* weakened_file_ = nullptr;  // the pointer that was found to name weakening_.file
  Recorder* recorder_ = nullptr;
  std::vector<Site>* sites_ = nullptr;
};

std::string name_of(const Location& location);
const char* name_of(Action action);
const char* name_of(std::memory_order order);
std::string file_name(const std::source_location& where);

}  // namespace muster::model
