#include "tests/model/search.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <random>
#include <sstream>
#include <utility>

namespace muster::model {
namespace {

constexpr std::uint64_t bit(std::uint32_t index) {
  return std::uint64_t{1} << index;
}

std::uint32_t lowest(std::uint64_t bits) {
  return static_cast<std::uint32_t>(std::countr_zero(bits));
}

std::uint32_t highest(std::uint64_t bits) {
  return static_cast<std::uint32_t>(std::bit_width(bits)) - 1;
}

/// For each thread a set of messages.
using Choices = std::array<std::uint64_t, kMaxThreads>;

Choices choices_of(const Execution& execution) {
  Choices choices{};
  for (ThreadId t = 0; t < execution.threads(); ++t) choices[t] = execution.choices(t);
  return choices;
}

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  /// The clock is looked at now and then.
  bool spent(const Report& report) {
    if (report.executions >= limits_.executions) return true;
    return ++calls_ % 64 == 0 && seconds() >= limits_.seconds;
  }

 private:
  const Limits limits_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::uint64_t calls_ = 0;
};

void count(Report& report, const Execution& execution, Execution::Outcome outcome) {
  report.steps += execution.events().size();
  if (outcome == Execution::Outcome::abandoned) {
    ++report.abandoned;
  } else {
    ++report.executions;
  }
}

// ---- reduced ----

class Reduced : public Chooser {
 public:
  std::size_t kept() const override { return path_.empty() ? 0 : path_.size() - 1; }

  bool choose(const Execution& execution, Decision& decision) override {
    const std::size_t depth = execution.events().size();
    if (depth == path_.size() && !extend(execution)) return false;
    decision = {path_[depth].thread, path_[depth].message};
    return true;
  }

  void taken(const Execution& execution, const Event& event) override {
    find_races(execution, event, event.location, event.before_own, true);
  }

  /// What a thread would have done next also races with what has been done.
  void stopped(const Execution& execution) override {
    for (ThreadId t = 0; t < execution.threads(); ++t) {
      const Request& request = execution.request(t);
      if (request.action == Action::finished || request.action == Action::rest) continue;
      Event event;
      event.thread = t;
      event.step = execution.steps(t) + 1;
      event.action = request.action;
      event.location = request.location;
      event.writes = request.action != Action::load && request.action != Action::await;
      event.before_own = execution.trace_clock(t);
      event.before_own.steps[t] = static_cast<std::uint16_t>(event.step);
      const Message& newest = execution.location(request.location).messages.back();
      event.source = newest.event;
      if (execution.sequential() && request.action == Action::compare_exchange) {
        event.writes = newest.value == request.expected;
        event.failed_exchange = !event.writes;
      }
      find_races(execution, event, request.location, event.before_own, false);
    }
  }

  /// Turns to the next execution; false: there is none.
  bool backtrack() {
    while (!path_.empty()) {
      Node& node = path_.back();
      node.asleep[node.thread] |= bit(node.message);
      ThreadId thread = node.thread;
      std::uint64_t left = node.choices[thread] & ~node.asleep[thread];
      for (std::uint32_t todo = node.backtrack; left == 0 && todo != 0; todo &= todo - 1) {
        thread = lowest(todo);
        left = node.choices[thread] & ~node.asleep[thread];
      }
      if (left != 0) {
        node.thread = thread;
        node.message = highest(left);
        ++node.explored;
        return true;
      }
      path_.pop_back();
    }
    return false;
  }

  /// The share of the tree that lies behind, were all that is known to be left as large as what has been seen.
  double explored() const {
    double share = 0;
    double weight = 1;
    for (const Node& node : path_) {
      std::uint32_t left = 0;
      for (ThreadId t = 0; t < kMaxThreads; ++t) {
        if ((node.backtrack & bit(t)) != 0) {
          left += static_cast<std::uint32_t>(std::popcount(node.choices[t] & ~node.asleep[t]));
        }
      }
      const std::uint32_t of_these =
          std::max<std::uint32_t>(1, node.explored + left);  // the current one is left, too
      weight /= of_these;
      share += weight * node.explored;
    }
    return share;
  }

 private:
  struct Node {
    ThreadId thread = 0;
    std::uint32_t message = 0;
    std::uint32_t backtrack = 0;  // threads to explore from here, a set
    std::uint32_t explored = 0;   // alternatives that lie behind
    Choices choices{};
    Choices asleep{};  // steps after which everything has been explored already
    // The same for threads that are alike and have not begun. Those that have begun differ, though they may have met the
    // same so far: what was explored before was explored for one of them.
    std::array<std::uint8_t, kMaxThreads> places{};

    std::uint32_t places_of(std::uint32_t threads) const {
      std::uint32_t set = 0;
      for (; threads != 0; threads &= threads - 1)
        set |= static_cast<std::uint32_t>(bit(places[lowest(threads)]));
      return set;
    }
  };

  bool extend(const Execution& execution) {
    Node node;
    node.choices = choices_of(execution);
    for (ThreadId t = 0; t < execution.threads(); ++t)
      node.places[t] =
          static_cast<std::uint8_t>(execution.steps(t) == 0 ? kMaxThreads + execution.alike(t) : t);
    if (!path_.empty()) {
      node.asleep = path_.back().asleep;
      node.asleep[path_.back().thread] = 0;
      node.thread = path_.back().thread;  // go on with the same one where it can
    }
    // A step that is asleep and whose message is not among the choices any more has been woken: what it read, or
    // followed, is not the newest any more.
    for (ThreadId t = 0; t < execution.threads(); ++t) node.asleep[t] &= node.choices[t];
    if (execution.sequential() && !execution.events().empty()) wake_writers(execution, node);
    std::uint64_t awake = node.choices[node.thread] & ~node.asleep[node.thread];
    for (ThreadId t = 0; awake == 0 && t < execution.threads(); ++t) {
      node.thread = t;
      awake = node.choices[t] & ~node.asleep[t];
    }
    if (awake == 0) return false;
    node.message = highest(awake);
    node.backtrack = static_cast<std::uint32_t>(bit(node.thread));
    path_.push_back(node);
    return true;
  }

  /// Where loads and stores depend on each other both ways, a load wakes who would write there.
  static void wake_writers(const Execution& execution, Node& node) {
    const Event& last = execution.events().back();
    for (ThreadId t = 0; t < execution.threads(); ++t) {
      const Request& request = execution.request(t);
      if (request.location != last.location || request.action == Action::load ||
          request.action == Action::await)
        continue;
      node.asleep[t] = 0;
    }
  }

  /// Whether `earlier` and then `later`, at the same location, could come in the other order and would then mean
  /// something else.
  static bool conflict(const Event& earlier, const Event& later, bool sequential) {
    if (later.action == Action::lock) return earlier.action == Action::lock;
    if (later.action == Action::unlock || earlier.action == Action::unlock) return false;
    if (later.writes) return true;
    return (later.failed_exchange || sequential) && earlier.writes;
  }

  void find_races(const Execution& execution, const Event& event, LocationId location, const Clock& before,
                  bool has_been_taken) {
    if (!event.writes && !event.failed_exchange && !execution.sequential()) return;
    const auto& events = execution.events();
    const auto& at = execution.location(location).events;
    for (auto it = at.rbegin(); it != at.rend(); ++it) {
      const Event& earlier = events[*it];
      if (earlier.thread == event.thread || !conflict(earlier, event, execution.sequential())) continue;
      if (before.knows(earlier.thread, earlier.step)) continue;
      const bool locks = event.action == Action::lock;
      // Each value that it may find, not the last one only: before that there may be nothing new that it could do.
      const bool looks = event.action == Action::await ||
                         (event.action == Action::compare_exchange && !execution.sequential());
      if (!locks && !looks && something_between(execution, *it, event)) continue;
      reverse(execution, *it, event, has_been_taken);
      if (locks) break;  // with the last holder only: the others are its to race with
    }
  }

  /// Whether `later` depends on a third event that depends on `earlier`.
  static bool something_between(const Execution& execution, std::uint32_t earlier, const Event& later) {
    const auto& events = execution.events();
    const Event& first = events[earlier];
    const auto is_between = [&](std::uint32_t third) {
      return third != earlier && events[third].before.knows(first.thread, first.step);
    };
    if (later.source != kNone && is_between(later.source)) return true;
    if (!execution.sequential() || !later.writes) return false;
    for (const std::uint32_t third : execution.location(later.location).events) {
      if (events[third].thread != later.thread && is_between(third)) return true;
    }
    return false;
  }

  /// Sees to it that `later` is explored without `events[earlier]` before it.
  void reverse(const Execution& execution, std::uint32_t earlier, const Event& later, bool has_been_taken) {
    const auto& events = execution.events();
    const Event& first = events[earlier];
    Node& node = path_[earlier];
    const std::size_t end = has_been_taken ? events.size() - 1 : events.size();

    // Of what does not depend on `first`, the threads whose first step could as well come at once.
    std::uint32_t seen = 0;
    std::uint32_t initials = 0;
    Clock first_steps;  // of each thread seen
    const auto is_initial = [&](const Event& event, const Clock& before) {
      for (ThreadId t = 0; t < execution.threads(); ++t) {
        if (t != event.thread && (seen & bit(t)) != 0 && before.knows(t, first_steps.steps[t])) return false;
      }
      return true;
    };
    for (std::size_t i = earlier + 1; i < end; ++i) {
      const Event& event = events[i];
      if (event.before.knows(first.thread, first.step)) continue;
      if ((seen & bit(event.thread)) != 0) continue;
      if (is_initial(event, event.before)) {
        initials |= static_cast<std::uint32_t>(bit(event.thread));
        if ((node.asleep[event.thread] & bit(event.message)) != 0) return;  // explored already
      }
      seen |= static_cast<std::uint32_t>(bit(event.thread));
      first_steps.steps[event.thread] = static_cast<std::uint16_t>(event.step);
    }
    if ((seen & bit(later.thread)) == 0) {
      Clock before = later.before_own;
      if (later.source != kNone && later.source != earlier &&
          !events[later.source].before.knows(first.thread, first.step)) {
        before.join(events[later.source].before);
      }
      if (execution.sequential() && later.writes) {  // behind each load that is there without `first`
        for (const std::uint32_t other : execution.location(later.location).events) {
          if (other < end && !events[other].before.knows(first.thread, first.step))
            before.join(events[other].before);
        }
      }
      if (is_initial(later, before)) initials |= static_cast<std::uint32_t>(bit(later.thread));
    }
    if ((initials & bit(later.thread)) != 0 && node.choices[later.thread] == 0) {
      // It awaits what only `first` gave it there: whoever can go on may lead to another value that serves.
      for (ThreadId t = 0; t < execution.threads(); ++t) {
        if (node.choices[t] != 0) node.backtrack |= static_cast<std::uint32_t>(bit(t));
      }
      return;
    }
    if ((node.places_of(initials) & node.places_of(node.backtrack)) != 0) return;
    if ((initials & bit(later.thread)) != 0) {
      node.backtrack |= static_cast<std::uint32_t>(bit(later.thread));
    } else {
      node.backtrack |= initials & (~initials + 1);
    }
  }

  std::vector<Node> path_;
};

// ---- bounded ----

/// What a reader would rather see comes first, then the fewer steps.
std::pair<bool, std::size_t> badness(const std::string& violation, const std::vector<Decision>& schedule) {
  return {is_of_orders(violation), schedule.size()};
}

/// Where executions have been, by fingerprint, and what it took to come there: hash tables with open addresses, many,
/// so that while one grows only that one is there twice.
///
/// Who comes with fewer preemptions may do all that the others may, whoever is running: to go on with another thread
/// costs one. With as many, who comes while nobody is running, or the same thread is.
class Visited {
 public:
  explicit Visited(std::size_t bytes) : slots_left_(bytes / sizeof(Fingerprint)) {}

  /// Whether something may be seen from there that was not seen by those who have been there before. What it has no
  /// room for it does not remember: whoever comes there again goes on.
  bool visit(const Fingerprint& place, std::uint32_t preemptions, ThreadId running) {
    Table& table = tables_[place.high >> (64 - kTableBits)];
    if (table.is_crowded()) grow(table);
    const std::uint64_t who = bit(running == kNone ? kMaxThreads : running);
    Fingerprint& slot = table.find(place);
    if (slot.low == 0) {
      if (table.is_crowded()) {
        full_ = true;
        return true;
      }
      ++table.count;
    } else if (const std::uint64_t fewest = (slot.low & kCost) >> kRunners; fewest <= preemptions) {
      if (fewest < preemptions || (slot.low & (who | bit(kMaxThreads))) != 0) return false;
      slot.low |= who;
      return true;
    }
    slot = {place.high, (place.low & ~kCost) | std::uint64_t{preemptions} << kRunners | who};
    return true;
  }

  bool full() const { return full_; }

 private:
  static constexpr std::uint32_t kTableBits = 10;             // of the fingerprint
  static constexpr std::uint32_t kRunners = kMaxThreads + 1;  // bits: each thread, and nobody
  static constexpr std::uint64_t kCost = bit(kRunners + std::bit_width(kPreemptionsMax)) - 1;

  struct Table {
    std::vector<Fingerprint> slots;  // where the lower word has its bits of cost, 0: empty
    std::size_t count = 0;

    bool is_crowded() const { return 5 * count >= 4 * slots.size(); }

    Fingerprint& find(const Fingerprint& place) {
      std::size_t i = place.high & (slots.size() - 1);
      while (slots[i].low != 0 &&
             (slots[i].high != place.high || ((slots[i].low ^ place.low) & ~kCost) != 0)) {
        i = (i + 1) & (slots.size() - 1);
      }
      return slots[i];
    }
  };

  void grow(Table& table) {
    const std::size_t more = std::max<std::size_t>(16, table.slots.size());
    if (more > slots_left_ && !table.slots.empty()) return;  // a few it has in any case
    slots_left_ -= std::min(more, slots_left_);
    std::vector<Fingerprint> old(table.slots.size() + more);
    old.swap(table.slots);
    for (const Fingerprint& place : old) {
      if (place.low != 0) table.find(place) = place;
    }
  }

  std::array<Table, std::size_t{1} << kTableBits> tables_;
  std::size_t slots_left_;  // that they may still have
  bool full_ = false;
};

class Bounded : public Chooser {
 public:
  Bounded(std::uint32_t preemptions, bool merges, std::size_t memory)
      : preemptions_max_(preemptions), merges_(merges), visited_(memory) {}

  bool full() const { return visited_.full(); }

  std::size_t kept() const override { return path_.empty() ? 0 : path_.size() - 1; }

  bool choose(const Execution& execution, Decision& decision) override {
    const std::size_t depth = execution.events().size();
    if (depth == path_.size() && !extend(execution)) return false;
    const Node& node = path_[depth];
    decision = {node.thread, node.message};
    return true;
  }

  bool backtrack() {
    while (!path_.empty()) {
      Node& node = path_.back();
      node.left[node.thread] &= ~bit(node.message);
      if (pick(node)) return true;
      path_.pop_back();
    }
    return false;
  }

 private:
  struct Node {
    ThreadId thread = 0;
    std::uint32_t message = 0;
    std::uint32_t preemptions = 0;  // before this step
    ThreadId running = kNone;       // whoever made the step before, where it could go on
    Choices left{};
  };

  bool extend(const Execution& execution) {
    Node node;
    node.left = choices_of(execution);
    if (!path_.empty()) {
      const Node& before = path_.back();
      node.preemptions =
          before.preemptions + (before.running != kNone && before.running != before.thread ? 1 : 0);
      if (node.left[before.thread] != 0) node.running = before.thread;
    }
    if (merges_ && branches(node)) {
      const ThreadId running = node.running == kNone ? kNone : execution.unswapped(node.running);
      if (!visited_.visit(execution.fingerprint(), node.preemptions, running)) return false;
    }
    pick(node);
    path_.push_back(node);
    return true;
  }

  /// Whether there is more than one way to go on: where there is not, the place is not worth remembering.
  bool branches(const Node& node) const {
    std::uint32_t ways = 0;
    for (ThreadId t = 0; t < kMaxThreads; ++t) {
      if (t == node.running || node.running == kNone || node.preemptions < preemptions_max_)
        ways += static_cast<std::uint32_t>(std::popcount(node.left[t]));
    }
    return ways > 1;
  }

  bool pick(Node& node) {
    if (node.running != kNone && node.left[node.running] != 0) {
      node.thread = node.running;
    } else {
      if (node.running != kNone && node.preemptions >= preemptions_max_) return false;
      node.thread = 0;
      while (node.thread < kMaxThreads && node.left[node.thread] == 0) ++node.thread;
      if (node.thread == kMaxThreads) return false;
    }
    node.message = highest(node.left[node.thread]);
    return true;
  }

  const std::uint32_t preemptions_max_;
  const bool merges_;
  std::vector<Node> path_;
  Visited visited_;
};

// ---- random ----

/// Reads leave out nothing meanwhile: a sample gains nothing by it, and a schedule may be of any search.
class AllMessages {
 public:
  explicit AllMessages(Execution& execution) : execution_(execution), skipped_(execution.skips_subsumed()) {
    execution.skip_subsumed(false);
  }
  AllMessages(const AllMessages&) = delete;
  AllMessages& operator=(const AllMessages&) = delete;
  ~AllMessages() { execution_.skip_subsumed(skipped_); }

 private:
  Execution& execution_;
  const bool skipped_;
};

class Random : public Chooser {
 public:
  Random(std::uint64_t seed, std::uint32_t threads, std::uint32_t changes, std::size_t steps)
      : random_(seed) {
    priorities_.resize(threads);
    for (std::uint32_t t = 0; t < threads; ++t) priorities_[t] = changes + t;
    std::shuffle(priorities_.begin(), priorities_.end(), random_);
    std::uniform_int_distribution<std::size_t> any(0, std::max<std::size_t>(steps, 1));
    for (std::uint32_t i = 0; i < changes; ++i) change_at_.push_back(any(random_));
  }

  bool choose(const Execution& execution, Decision& decision) override {
    const std::size_t depth = execution.events().size();
    ThreadId best = first(execution);
    for (std::uint32_t i = 0; i < change_at_.size(); ++i) {
      if (change_at_[i] != depth) continue;
      priorities_[best] = i;  // below all that have not been lowered
      best = first(execution);
    }
    const std::uint64_t choices = execution.choices(best);
    decision = {best, highest(choices)};
    if (std::has_single_bit(choices) || random_() % 2 == 0) return true;
    auto skip = random_() % static_cast<std::uint64_t>(std::popcount(choices));
    std::uint64_t rest = choices;
    for (; skip > 0; --skip) rest &= rest - 1;
    decision.message = lowest(rest);
    return true;
  }

 private:
  ThreadId first(const Execution& execution) const {
    ThreadId best = kNone;
    for (ThreadId t = 0; t < execution.threads(); ++t) {
      if (execution.choices(t) != 0 && (best == kNone || priorities_[t] > priorities_[best])) best = t;
    }
    return best;
  }

  std::mt19937_64 random_;
  std::vector<std::uint32_t> priorities_;
  std::vector<std::size_t> change_at_;
};

class Replayed : public Chooser {
 public:
  explicit Replayed(const std::vector<Decision>& schedule) : schedule_(schedule) {}

  bool choose(const Execution& execution, Decision& decision) override {
    const std::size_t depth = execution.events().size();
    if (depth < schedule_.size()) {
      decision = schedule_[depth];
      if (decision.thread >= execution.threads() || execution.choices(decision.thread) == 0) {
        throw std::invalid_argument("schedule: at step " + std::to_string(depth) + " thread " +
                                    std::to_string(decision.thread) + " cannot go on");
      }
      if (decision.message == kNone) decision.message = highest(execution.choices(decision.thread));
      if ((execution.choices(decision.thread) & bit(decision.message)) == 0) {
        throw std::invalid_argument("schedule: at step " + std::to_string(depth) + " message " +
                                    std::to_string(decision.message) + " cannot be read");
      }
      return true;
    }
    decision.thread = 0;
    while (execution.choices(decision.thread) == 0) ++decision.thread;
    decision.message = highest(execution.choices(decision.thread));
    return true;
  }

 private:
  const std::vector<Decision>& schedule_;
};

}  // namespace

std::size_t memory_of_a_search() {
  const auto of_system = [](int name) { return static_cast<std::size_t>(std::max(1L, sysconf(name))); };
  return of_system(_SC_PHYS_PAGES) * of_system(_SC_PAGESIZE) / of_system(_SC_NPROCESSORS_ONLN) / 3 * 2;
}

Report search_reduced(Execution& execution, Program& program, const Limits& limits,
                      const Observer& observer) {
  Report report;
  Budget budget(limits);
  Reduced search;
  for (;;) {
    const Execution::Outcome outcome = execution.run(program, search);
    count(report, execution, outcome);
    if (outcome == Execution::Outcome::violated) {
      report.violation = execution.violation();
      report.schedule = execution.decisions();
      break;
    }
    if (outcome == Execution::Outcome::finished && observer) observer(execution);
    if (!search.backtrack()) {
      report.exhausted = true;
      break;
    }
    if (budget.spent(report)) break;
  }
  report.explored = report.exhausted ? 1 : search.explored();
  report.seconds = budget.seconds();
  return report;
}

Report search_bounded(Execution& execution, Program& program, std::uint32_t preemptions, const Limits& limits,
                      const Observer& observer, Merging merging) {
  if (preemptions > kPreemptionsMax) {
    throw std::invalid_argument("preemptions = " + std::to_string(preemptions) + ": want " +
                                std::to_string(kPreemptionsMax) + " at most");
  }
  Report report;
  Budget budget(limits);
  Bounded search(preemptions, merging == Merging::on, limits.memory);
  for (;;) {
    const Execution::Outcome outcome = execution.run(program, search);
    count(report, execution, outcome);
    if (outcome == Execution::Outcome::violated &&
        (report.violation.empty() || badness(execution.violation(), execution.decisions()) <
                                         badness(report.violation, report.schedule))) {
      report.violation = execution.violation();
      report.schedule = execution.decisions();
    }
    if (outcome == Execution::Outcome::finished && observer) observer(execution);
    if (!search.backtrack()) {
      report.exhausted = true;
      break;
    }
    if (budget.spent(report)) break;
  }
  report.full = search.full();
  report.seconds = budget.seconds();
  return report;
}

Report search_random(Execution& execution, Program& program, std::uint64_t seed, std::uint32_t changes,
                     const Limits& limits) {
  const AllMessages all_messages(execution);
  Report report;
  Budget budget(limits);
  std::size_t steps = 30;
  while (!budget.spent(report)) {
    Random random(seed + report.executions, program.threads(), changes, steps);
    const Execution::Outcome outcome = execution.run(program, random);
    count(report, execution, outcome);
    steps = std::max(steps, execution.events().size());
    if (outcome == Execution::Outcome::violated) {
      report.violation = execution.violation();
      report.schedule = execution.decisions();
      break;
    }
  }
  report.seconds = budget.seconds();
  return report;
}

Report replay(Execution& execution, Program& program, const std::vector<Decision>& schedule) {
  const AllMessages all_messages(execution);
  Report report;
  Replayed chooser(schedule);
  const Execution::Outcome outcome = execution.run(program, chooser);
  count(report, execution, outcome);
  report.violation = execution.violation();
  report.schedule = execution.decisions();
  return report;
}

std::string format_schedule(const std::vector<Decision>& schedule) {
  std::string text;
  for (const Decision& decision : schedule) {
    if (!text.empty()) text += ' ';
    text += std::to_string(decision.thread);
    if (decision.message != kNone) text += '/' + std::to_string(decision.message);
  }
  return text;
}

std::vector<Decision> parse_schedule(const std::string& text) {
  std::vector<Decision> schedule;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    Decision decision{0, kNone};
    const std::size_t slash = word.find('/');
    try {
      decision.thread = static_cast<ThreadId>(std::stoul(word.substr(0, slash)));
      if (slash != std::string::npos)
        decision.message = static_cast<std::uint32_t>(std::stoul(word.substr(slash + 1)));
      if (slash != std::string::npos && decision.message >= kMaxMessages) throw std::out_of_range("message");
    } catch (const std::exception&) {
      throw std::invalid_argument("--schedule: \"" + word + "\": want THREAD or THREAD/MESSAGE");
    }
    schedule.push_back(decision);
  }
  return schedule;
}

}  // namespace muster::model
