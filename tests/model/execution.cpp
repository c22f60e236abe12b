#include "tests/model/execution.h"

#include <bit>
#include <cstring>
#include <utility>

namespace muster::model {
namespace {

constexpr std::size_t kMaxSteps = 1000;  // of one execution, far more than any that ends

bool acquires(std::memory_order order) {
  return order == std::memory_order_acquire || order == std::memory_order_acq_rel;
}

bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel;
}

constexpr std::uint64_t bit(std::uint32_t index) {
  return std::uint64_t{1} << index;
}

/// The messages from `oldest` to `newest`.
constexpr std::uint64_t bits(std::uint32_t oldest, std::uint32_t newest) {
  return (~std::uint64_t{0} >> (63 - newest)) & (~std::uint64_t{0} << oldest);
}

/// The finalizer of splitmix64.
constexpr std::uint64_t mixed(std::uint64_t word) {
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}

constexpr Fingerprint extended(Fingerprint history, std::uint64_t word) {
  return {mixed(history.high + word + 0x9e3779b97f4a7c15), mixed(history.low * 0xd1342543de82ef95 + ~word)};
}

std::uint64_t modified(const Request& request, std::uint64_t value) {
  switch (request.action) {
    case Action::fetch_add:
      return (value + request.operand) & request.mask;
    case Action::fetch_sub:
      return (value - request.operand) & request.mask;
    case Action::lock:
      return 1;
    case Action::unlock:
      return 0;
    default:
      return request.operand;
  }
}

}  // namespace

Execution* Execution::current_ = nullptr;

Execution::Execution() : threads_(kMaxThreads), locations_(kMaxLocations) {
  current_ = this;
}

Execution::Outcome Execution::run(Program& program, Chooser& chooser) {
  reset();
  keep(chooser.kept());
  thread_count_ = program.threads();
  if (thread_count_ > kMaxThreads)
    throw LimitReached("more than " + std::to_string(kMaxThreads) + " threads");

  struct TearDown {
    Program& program;
    Execution& execution;
    ~TearDown() {
      execution.running_ = kNone;
      execution.running_threads_ = false;
      execution.settling_ = true;
      program.tear_down();
    }
  } const tear_down{program, *this};
  barriers_ = create(0);
  describe(barriers_, "barrier", 0);
  program.set_up();

  running_threads_ = true;
  for (ThreadId t = 0; t < thread_count_; ++t) {
    threads_[t].alike = program.alike(t);
    threads_[t].fiber.start([this, &program, t] {
      try {
        program.run(t);
      } catch (const LimitReached&) {
        limit_ = std::current_exception();
      } catch (const std::exception& error) {
        violation_ = std::string("an exception: ") + error.what();
      }
      threads_[t].request.action = Action::finished;
    });
    resume(t);
    if (!violation_.empty()) return Outcome::violated;
  }
  take_kept_steps();
  if (!violation_.empty()) return Outcome::violated;

  for (;;) {
    bool can_go_on = false;
    for (ThreadId t = 0; t < thread_count_ && !can_go_on; ++t) can_go_on = choices(t) != 0;
    if (!can_go_on) break;
    Decision decision;
    if (!chooser.choose(*this, decision)) {
      chooser.stopped(*this);
      return Outcome::abandoned;
    }
    decisions_.push_back(decision);
    take_step(decision);
    if (!violation_.empty()) return Outcome::violated;
    chooser.taken(*this, events_.back());
    resume(decision.thread);
    if (!violation_.empty()) return Outcome::violated;
  }
  chooser.stopped(*this);
  settle();
  return violation_.empty() ? Outcome::finished : Outcome::violated;
}

/// What remains is not searched: newest messages, each thread as far as it gets (perform).
void Execution::settle() {
  settling_ = true;
  settled_ = 0;
  for (;;) {
    ThreadId next = kNone;
    for (ThreadId t = 0; t < thread_count_ && next == kNone; ++t) {
      if (choices(t) != 0) next = t;
    }
    if (next != kNone) {
      threads_[next].reply = settle(next, threads_[next].request);
    } else {
      bool all_finished = true;
      for (ThreadId t = 0; t < thread_count_; ++t) {
        all_finished = all_finished && finished(t);
        if (threads_[t].request.action == Action::rest) next = t;
      }
      if (next == kNone) {
        if (!all_finished) violation_ = "deadlock: every thread waits for another";
        return;
      }
      count_settled();  // who rests for ever
    }
    if (!violation_.empty()) return;
    resume(next);
    if (!violation_.empty()) return;
  }
}

/// Forgets all but the first steps of the execution before: of those, what they have left in the locations stays.
void Execution::keep(std::size_t steps) {
  repeating_ = steps != 0;
  next_kept_ = steps;
  events_.resize(steps);
  decisions_.resize(steps);
  outlooks_.resize(steps);
  for (std::uint32_t l = 0; l < location_count_; ++l) {
    Location& location = locations_[l];
    const auto is_kept = [&](std::uint32_t event) { return event < steps; };
    while (location.messages.size() > 1 && !is_kept(location.messages.back().event))
      location.messages.pop_back();
    while (!location.events.empty() && !is_kept(location.events.back())) location.events.pop_back();
    location.accesses = {};
    location.alive = false;
  }
  for (const Event& event : events_)
    locations_[event.location].accesses.steps[event.thread] = static_cast<std::uint16_t>(event.step);
  location_count_ = 0;
}

/// The threads run again, and touch what is not atomic in the same order; what the explorer knows of it is there.
void Execution::take_kept_steps() {
  next_kept_ = 0;
  while (next_kept_ < events_.size()) {
    const ThreadId t = events_[next_kept_].thread;
    threads_[t].reply = repeat(threads_[t], threads_[t].request);
    resume(t);
  }
  for (std::size_t i = 0; i < events_.size(); ++i) {
    Thread& thread = threads_[events_[i].thread];
    if (thread.steps != events_[i].step) continue;  // the last one tells
    thread.knowledge = outlooks_[i].knowledge;
    thread.history = outlooks_[i].history;
    thread.trace = events_[i].before;
  }
  repeating_ = false;
}

/// A kept step; whose thread takes the next one, too, is not stopped in between. Values are found anew: a pointer is
/// another one this time.
Reply Execution::repeat(Thread& thread, const Request& request) {
  const Event& event = events_[next_kept_++];
  if (request.action != event.action || request.location != event.location)
    throw LimitReached("a thread of the program does not do the same again after the same replies");
  ++thread.steps;
  std::vector<Message>& messages = locations_[event.location].messages;
  const std::uint64_t value = messages[event.message].value;
  if (event.writes) messages[event.message + 1].value = modified(request, value);
  return {value, event.action == Action::compare_exchange && event.writes};
}

void Execution::resume(ThreadId thread) {
  running_ = thread;
  threads_[thread].fiber.resume();
  running_ = kNone;
  if (limit_) std::rethrow_exception(std::exchange(limit_, nullptr));
}

void Execution::reset() {
  for (Thread& thread : threads_) {
    thread.request = {};
    thread.knowledge = {};
    thread.trace = {};
    thread.steps = 0;
    thread.history = {};
  }
  violation_.clear();
  running_ = kNone;
  running_threads_ = false;
  settling_ = false;
}

LocationId Execution::create(std::uint64_t value) {
  if (location_count_ == kMaxLocations) {
    throw LimitReached("an execution has more than " + std::to_string(kMaxLocations) +
                       " atomic locations: want fewer --workers or --records, or smaller --option values");
  }
  Location& location = locations_[location_count_];
  location.alive = true;
  if (repeating_) {
    location.messages.front().value = value;  // setting up may change it
    return location_count_++;
  }
  location.name = "";
  location.index = 0;
  location.messages.clear();
  location.messages.push_back({value, kNone, {}});
  location.events.clear();
  location.creator = running_threads_ ? running_ : kNone;
  location.created = running_threads_ ? threads_[running_].steps + 1 : 0;
  location.accesses = {};
  return location_count_++;
}

void Execution::describe(LocationId location, const char* name, std::uint32_t index) {
  locations_[location].name = name;
  locations_[location].index = index;
}

void Execution::destroy(LocationId id) {
  Location& location = locations_[id];
  location.alive = false;
  if (!running_threads_) return;
  for (ThreadId t = 0; t < thread_count_; ++t) {
    if (location.accesses.steps[t] != 0 && !happened_before({t, location.accesses.steps[t]})) {
      fail("use after free: " + name_of(location) +
           " is destroyed, and a step of another thread on it did not happen before");
    }
  }
}

bool Execution::is_weakened(const std::source_location& where, bool failure) const {
  if (weakening_.file.empty() || where.line() != weakening_.line || where.column() != weakening_.column ||
      failure != weakening_.failure) {
    return false;
  }
  if (where.file_name() != weakened_file_) {
    if (file_name(where) != weakening_.file) return false;
    weakened_file_ = where.file_name();
  }
  weakening_met_ = true;
  return true;
}

std::memory_order Execution::effective(const Request& request, bool failure) const {
  if (is_weakened(request.where, failure)) return weakening_.order;
  return failure ? request.failure : request.order;
}

void Execution::note_site(const Request& request) {
  if (request.action == Action::lock || request.action == Action::unlock) return;
  for (const bool failure : {false, true}) {
    if (failure && request.action != Action::compare_exchange) continue;
    const std::memory_order order = failure ? request.failure : request.order;
    if (order == std::memory_order_relaxed) continue;
    bool known = false;
    for (const Site& site : *sites_) {
      known = known || (site.where.line() == request.where.line() &&
                        site.where.column() == request.where.column() && site.failure == failure &&
                        std::strcmp(site.where.file_name(), request.where.file_name()) == 0);
    }
    if (!known) {
      sites_->push_back({request.where, request.action, failure, order, locations_[request.location].name});
    }
  }
}

/// A read-modify-write, so that searches turn any two of them round and tell places apart by their order. Two light halves
/// could do without: that would be fewer executions.
void Execution::barrier(Action half, const std::source_location& where) {
  perform({.action = half, .location = barriers_, .where = where});
}

Reply Execution::perform(const Request& request) {
  if (running_ == kNone) {  // nobody else is there, before the threads or after them
    std::vector<Message>& messages = locations_[request.location].messages;
    if (settling_) messages.push_back({messages.back().value, kNone, {}});
    Message& message = settling_ ? messages.back() : messages.front();
    Reply reply{message.value, message.value == request.expected};
    const bool writes = request.action == Action::compare_exchange
                            ? reply.exchanged
                            : request.action != Action::load && request.action != Action::await;
    if (writes) message.value = modified(request, message.value);
    return reply;
  }
  if (sites_ != nullptr && !settling_) note_site(request);
  Thread& thread = threads_[running_];
  if (repeating_ && next_kept_ < events_.size() && events_[next_kept_].thread == running_)
    return repeat(thread, request);
  if (settling_ && choices(thread, request) != 0) {
    const Reply reply = settle(running_, request);
    if (violation_.empty()) return reply;
  }
  thread.request = request;
  thread.fiber.leave();
  return thread.reply;
}

/// Where a thread is and what it knows follows from the messages that it has met, in their order; what a message is,
/// from who has met the one before it in order to write it.
Fingerprint Execution::fingerprint() const {
  Fingerprint all;
  for (ThreadId t = 0; t < thread_count_; ++t) {
    const Fingerprint own = extended(threads_[t].history, ~std::uint64_t{threads_[t].alike});
    all.high += own.high;
    all.low += own.low;
  }
  return all;
}

ThreadId Execution::unswapped(ThreadId id) const {
  const Thread& thread = threads_[id];
  ThreadId place = thread.alike;
  for (ThreadId t = 0; t < thread_count_; ++t) {
    if (threads_[t].alike != thread.alike || !(threads_[t].history < thread.history)) continue;
    do ++place;
    while (threads_[place].alike != thread.alike);
  }
  return place;
}

std::uint64_t Execution::choices(const Thread& thread, const Request& request) const {
  if (request.action == Action::finished || request.action == Action::rest) return 0;
  const Location& location = locations_[request.location];
  const std::uint32_t last = newest(location);
  const std::uint32_t first = sequential_ || settling_ ? last : thread.knowledge.oldest_of(request.location);
  switch (request.action) {
    case Action::load:
      return not_subsumed(request, location, bits(first, last));
    case Action::await: {
      std::uint64_t satisfying = 0;
      for (std::uint32_t m = first; m <= last; ++m) {
        if (request.satisfied(request.predicate, location.messages[m].value)) satisfying |= bit(m);
      }
      return not_subsumed(request, location, satisfying);
    }
    case Action::compare_exchange: {
      // It fails on any value but the expected one; it succeeds on the newest only, or it would not be atomic.
      std::uint64_t failing = 0;
      for (std::uint32_t m = first; m <= last; ++m) {
        if (location.messages[m].value != request.expected) failing |= bit(m);
      }
      failing = not_subsumed(request, location, failing);
      return location.messages[last].value == request.expected ? failing | bit(last) : failing;
    }
    case Action::lock:
      return location.messages[last].value == 0 ? bit(last) : 0;
    default:
      return bit(last);
  }
}

/// Of `messages`, those that bring what no older one brings: another value, or knowledge. Who reads the older of two
/// that bring the same may do all that a reader of the newer may do, so that whatever goes wrong behind the newer goes
/// wrong behind the older. The exception is a wait: a message between the two may end it behind the older, and no more
/// behind the newer.
std::uint64_t Execution::not_subsumed(const Request& request, const Location& location,
                                      std::uint64_t messages) const {
  if (!skips_subsumed_) return messages;
  const bool learns = acquires(request.action == Action::compare_exchange ? request.failure : request.order);
  std::uint64_t chosen = 0;
  for (; messages != 0; messages &= messages - 1) {
    const Message& message = location.messages[static_cast<std::uint32_t>(std::countr_zero(messages))];
    bool subsumed = false;
    for (std::uint64_t older = chosen; older != 0 && !subsumed; older &= older - 1) {
      const Message& other = location.messages[static_cast<std::uint32_t>(std::countr_zero(older))];
      subsumed = (request.action == Action::await || other.value == message.value) &&
                 (!learns || message.carried.covers(other.carried));
    }
    if (!subsumed) chosen |= messages & (~messages + 1);
  }
  return chosen;
}

void Execution::append(Thread& thread, Location& location, std::uint64_t value, std::memory_order order,
                       bool continues) {
  if (location.messages.size() == kMaxMessages) {
    throw LimitReached("an execution writes " + name_of(location) + " more than " +
                       std::to_string(kMaxMessages) +
                       " times: want fewer --workers, --records or --advances");
  }
  const auto index = static_cast<std::uint8_t>(location.messages.size());
  thread.knowledge.oldest[static_cast<std::size_t>(&location - locations_.data())] = index;
  location.messages.emplace_back();
  Message& message = location.messages.back();
  message.value = value;
  message.event = settling_ ? kNone : static_cast<std::uint32_t>(events_.size());
  if (continues) message.carried = location.messages[index - 1].carried;
  if (releases(order)) message.carried.join(thread.knowledge);
}

/// Writes to a location are executed in their order. That loses nothing where a write is not caused by an earlier one:
/// elsewhere it is executed before that. Where it is caused (program order, reads-from and the order of writes lead
/// there), and nothing that C++20 goes by says that it comes later, it may come before all the same: an execution that
/// is not searched, and that the program must not have.
void Execution::want_settled_order(const Event& event) {
  const Location& location = locations_[event.location];
  for (std::uint32_t m = threads_[event.thread].knowledge.oldest_of(event.location) + 1;
       m <= newest(location); ++m) {
    const std::uint32_t writer = location.messages[m].event;
    if (writer == kNone || events_[writer].reads) continue;  // nothing comes between it and what it has read
    if (event.action == Action::compare_exchange &&
        location.messages[m - 1].value != threads_[event.thread].request.expected)
      continue;  // before that store it would have failed, as it also does where it reads what stands there
    const Event& other = events_[writer];
    if (!event.before_own.knows(other.thread, other.step)) continue;
    violation_ = "unsettled: " + name_of(location) +
                 " is written by a thread that has not synchronised with a store "
                 "that led it there: the two may come in the other order";
    return;
  }
}

void Execution::take_step(const Decision& decision) {
  if (events_.size() == kMaxSteps) {
    violation_ = "no progress: " + std::to_string(kMaxSteps) +
                 " steps, and no end: a loop that may read the same stale value again and again";
    return;
  }
  Thread& thread = threads_[decision.thread];
  const Request& request = thread.request;
  begin_step(decision.thread, request.location);
  thread.history = extended(thread.history, decision.message);

  Event event = described(decision, request);
  event.before_own = thread.trace;
  event.before_own.steps[decision.thread] = static_cast<std::uint16_t>(thread.steps);
  thread.trace = event.before_own;
  if (event.source != kNone) thread.trace.join(events_[event.source].before);
  if (sequential_ && event.writes) {  // a load before it could not come after it
    for (const std::uint32_t other : locations_[event.location].events)
      thread.trace.join(events_[other].before);
  }
  event.before = thread.trace;
  if (event.writes && !sequential_ && request.action != Action::lock) want_settled_order(event);

  thread.reply = end_step(event, request);
  locations_[event.location].events.push_back(static_cast<std::uint32_t>(events_.size()));
  events_.push_back(event);
  outlooks_.push_back({thread.knowledge, thread.history});
}

/// The thread cannot miss any more what the thread of an earlier barrier could not miss then, if one of the two is heavy.
void Execution::pass_barrier(Thread& thread, Action half) {
  for (const Message& passed : locations_[barriers_].messages) {
    if (passed.event == kNone) continue;
    if (half == Action::light_barrier && events_[passed.event].action == Action::light_barrier) continue;
    thread.knowledge.show(passed.carried);
  }
}

void Execution::count_settled() {
  if (++settled_ > kMaxSteps) violation_ = "no progress: nothing comes to an end, though everybody may go on";
}

/// A step that nobody may choose.
Reply Execution::settle(ThreadId id, const Request& request) {
  count_settled();
  begin_step(id, request.location);
  return end_step(described({id, newest(locations_[request.location])}, request), request);
}

/// The thread may touch the location, and has done one more step.
void Execution::begin_step(ThreadId id, LocationId at) {
  Location& location = locations_[at];
  const ThreadId before = std::exchange(running_, id);  // what fails here fails in this thread
  if (!location.alive) violation_ = "use after free: " + name_of(location);
  if (location.creator != kNone && !happened_before({location.creator, location.created})) {
    violation_ = "data race: " + name_of(location) +
                 " is used by a thread that has not synchronised with its creation";
  }
  running_ = before;
  Thread& thread = threads_[id];
  const auto step = static_cast<std::uint16_t>(++thread.steps);
  thread.knowledge.clock.steps[id] = step;
  location.accesses.steps[id] = step;
}

/// What a step is, but for what comes before it.
Event Execution::described(const Decision& decision, const Request& request) const {
  const Location& location = locations_[request.location];
  const Message& read = location.messages[decision.message];
  Event event;
  event.thread = decision.thread;
  event.step = threads_[decision.thread].steps;
  event.action = request.action;
  event.location = request.location;
  event.message = decision.message;
  event.source = read.event;
  event.reads = request.action != Action::store && request.action != Action::unlock;
  event.writes = request.action != Action::load && request.action != Action::await;
  if (request.action == Action::compare_exchange) {
    event.writes = decision.message == newest(location) && read.value == request.expected;
    event.failed_exchange = !event.writes;
  }
  return event;
}

/// What comes of a step in its location, and what its thread knows from then on.
Reply Execution::end_step(const Event& event, const Request& request) {
  Thread& thread = threads_[event.thread];
  Location& location = locations_[event.location];
  const Message& read = location.messages[event.message];
  const std::uint64_t value = read.value;
  const std::memory_order order = effective(request, event.failed_exchange);
  if (event.reads) {
    std::uint8_t& oldest = thread.knowledge.oldest[event.location];
    oldest = std::max(oldest, static_cast<std::uint8_t>(event.message));
    if (acquires(order)) thread.knowledge.join(read.carried);
  }
  if (event.action == Action::light_barrier || event.action == Action::heavy_barrier) {
    pass_barrier(thread, event.action);
    append(thread, location, 0, std::memory_order_relaxed, false);
    location.messages.back().carried = thread.knowledge;
  } else if (event.writes)
    append(thread, location, modified(request, value), order, event.reads);
  const Reply reply{value, event.action == Action::compare_exchange && event.writes};
  if (recorder_ != nullptr) recorder_->step(*this, event, request, reply);
  return reply;
}

Execution::Access Execution::access() const {
  if (running_ == kNone) return {};
  return {running_, threads_[running_].steps + 1};
}

bool Execution::happened_before(const Access& access) const {
  if (access.thread == kNone || access.thread == running_ || running_ == kNone || repeating_) return true;
  return threads_[running_].knowledge.clock.knows(access.thread, access.step);
}

void Execution::mark(const char* operation, const std::string& text) {
  if (recorder_ != nullptr) recorder_->mark(running_, operation, text);
}

void Execution::fail(std::string violation) {
  if (violation_.empty()) violation_ = std::move(violation);
  if (running_ == kNone) return;
  for (;;) threads_[running_].fiber.leave();  // for good
}

void Execution::rest() {
  threads_[running_].request = {};
  threads_[running_].request.action = Action::rest;
  threads_[running_].fiber.leave();
}

void Execution::join_all() {
  for (ThreadId t = 0; t < thread_count_; ++t) threads_[running_].knowledge.join(threads_[t].knowledge);
}

std::string name_of(const Location& location) {
  return std::string(location.name) + "[" + std::to_string(location.index) + "]";
}

const char* name_of(Action action) {
  switch (action) {
    case Action::load:
      return "load";
    case Action::store:
      return "store";
    case Action::exchange:
      return "exchange";
    case Action::fetch_add:
      return "fetch_add";
    case Action::fetch_sub:
      return "fetch_sub";
    case Action::compare_exchange:
      return "compare_exchange";
    case Action::await:
      return "await";
    case Action::lock:
      return "lock";
    case Action::unlock:
      return "unlock";
    case Action::light_barrier:
      return "light_barrier";
    case Action::heavy_barrier:
      return "heavy_barrier";
    case Action::rest:
      return "rest";
    case Action::finished:
      break;
  }
  return "finished";
}

const char* name_of(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return "relaxed";
    case std::memory_order_acquire:
      return "acquire";
    case std::memory_order_release:
      return "release";
    case std::memory_order_acq_rel:
      return "acq_rel";
    default:
      break;
  }
  return "seq_cst";
}

std::string file_name(const std::source_location& where) {
  const std::string path = where.file_name();
  return path.substr(path.rfind('/') + 1);
}

}  // namespace muster::model
