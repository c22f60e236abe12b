// Executions too long to be searched for, led step by step to where an order matters that shorter ones do not need.
#include <bit>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/consolidation_decoupled.h"
#include "algorithms/consolidation_delegated.h"
#include "tests/catch.h"
#include "tests/model/checking_platform.h"
#include "tests/model/execution.h"

namespace muster::model {
namespace {

/// A thread goes on until its next step is of this kind, at a location of this name.
struct Move {
  ThreadId thread;
  Action action;
  std::string_view location;
  bool finds_the_lock_busy = false;  // by an old value, whatever it is now
};

class Guided : public Chooser {
 public:
  explicit Guided(std::vector<Move> moves) : moves_(std::move(moves)) {}

  bool is_through() const { return move_ == moves_.size(); }

  bool choose(const Execution& execution, Decision& decision) override {
    if (!is_through() && has_stepped_ && has_arrived(execution, moves_[move_])) {
      ++move_;
      has_stepped_ = has_seen_lock_ = false;
    }
    if (is_through()) return false;
    const Move& move = moves_[move_];
    std::uint64_t choices = execution.choices(move.thread);
    const Location& location = execution.location(execution.request(move.thread).location);
    if (move.finds_the_lock_busy && !has_seen_lock_ && location.name == std::string_view("lock")) {
      has_seen_lock_ = true;
      while (choices != 0 && location.messages[newest(choices)].value == 0)
        choices ^= std::bit_floor(choices);
    }
    if (choices == 0) throw LimitReached("move " + std::to_string(move_) + " cannot be made");
    decision = {move.thread, newest(choices)};
    has_stepped_ = true;
    return true;
  }

 private:
  static std::uint32_t newest(std::uint64_t messages) {
    return static_cast<std::uint32_t>(std::bit_width(messages)) - 1;
  }
  static bool has_arrived(const Execution& execution, const Move& move) {
    const Request& request = execution.request(move.thread);
    if (request.action == Action::finished) return true;
    return request.action == move.action && execution.location(request.location).name == move.location;
  }

  const std::vector<Move> moves_;
  std::size_t move_ = 0;
  bool has_stepped_ = false;
  bool has_seen_lock_ = false;
};

/// Workers that append so many records each and stop at a gate before every reserve and publish. Nobody drains.
template <class A>
class Gated : public Program {
 public:
  explicit Gated(std::vector<std::uint32_t> records) : records_(std::move(records)) {}

  std::uint32_t threads() const override { return static_cast<std::uint32_t>(records_.size()); }
  std::string thread_name(ThreadId thread) const override { return "worker " + std::to_string(thread); }
  void set_up() override {
    log_.emplace(LogBufferOptions{
        .capacity = 1024, .max_workers = threads(), .consolidation_slots = 1, .delegation_chain = 1});
    gate_.emplace();
    gate_->describe("gate");
    for (ThreadId t = 0; t < threads(); ++t) log_->attach();
  }
  void run(ThreadId thread) override {
    for (std::uint32_t i = 0; i < records_[thread]; ++i) {
      gate_->load(std::memory_order_relaxed);
      const Reservation reservation = log_->reserve(thread, 3);
      gate_->load(std::memory_order_relaxed);
      log_->publish(thread, reservation);
    }
    gate_->load(std::memory_order_relaxed);
  }
  void tear_down() override {
    log_.reset();
    gate_.reset();
  }

 private:
  const std::vector<std::uint32_t> records_;
  std::optional<A> log_;
  std::optional<CheckingPlatform<>::Atomic<int>> gate_;
};

/// A slot has served one group and comes round again after `groups` of them. Of the first group, and of all that
/// follow, the same worker is the last to leave: it publishes them, and it never takes the lock again. The two others
/// take it in turn, and leave before anything is published.
std::vector<Move> until_a_slot_is_used_again(std::uint32_t groups) {
  constexpr ThreadId last = 0;
  const auto to_gate = [](ThreadId thread, bool finds_the_lock_busy = false) {
    return Move{thread, Action::load, "gate", finds_the_lock_busy};
  };
  std::vector<Move> moves{to_gate(2), to_gate(2)};  // alone: after it, the lock has been taken once
  moves.insert(moves.end(), {to_gate(last, true), to_gate(last)});
  for (std::uint32_t group = 1; group < groups; ++group) {
    const ThreadId leader = 1 + (group + 1) % 2;
    moves.insert(moves.end(), {Move{leader, Action::store, "slot", true},  // has the lock, and has not closed
                               Move{last, Action::await, "slot"}, to_gate(leader), to_gate(last),
                               to_gate(leader), to_gate(last)});
  }
  moves.push_back(to_gate(1 + (groups + 1) % 2, true));
  return moves;
}

/// Where `file` reads the published boundary by such an action.
Weakening order_of(const std::vector<Site>& sites, std::string_view file, Action action) {
  Weakening weakening;
  for (const Site& site : sites) {
    if (file_name(site.where) != file || site.action != action || site.location != "published") continue;
    REQUIRE(weakening.file.empty());
    weakening.file = file_name(site.where);
    weakening.line = site.where.line();
    weakening.column = site.where.column();
  }
  REQUIRE_FALSE(weakening.file.empty());
  return weakening;
}

template <class A>
void check(std::uint32_t groups, std::string_view file, Action action) {
  const std::vector<Move> moves = until_a_slot_is_used_again(groups);
  Gated<A> program({groups, groups, groups});
  std::vector<Site> sites;
  const auto violation = [&](const Weakening& weakening) {
    Execution execution;
    execution.skip_subsumed(false);  // the newest message, or the one that the guide wants
    execution.weaken(weakening);
    if (weakening.file.empty()) execution.collect_sites(&sites);
    Guided guide(moves);
    execution.run(program, guide);
    CHECK((guide.is_through() || !execution.violation().empty()));
    return execution.violation();
  };
  CHECK(violation({}) == "");
  // It opens the slot anew, and has not acquired what the slot's last leader told his group there.
  CHECK(violation(order_of(sites, file, action)) ==
        "unsettled: slot[0] is written by a thread that has not synchronised with a store that led it there: "
        "the two may come in the other order");
}

}  // namespace

TEST_CASE("Model: whoever uses a group's slot again has acquired what its last member published", "[model]") {
  check<ConsolidationDecoupled<CheckingPlatform<>>>(4, "consolidation_decoupled.h", Action::load);
  check<ConsolidationDelegated<CheckingPlatform<>>>(6, "consolidation_delegated.h", Action::await);
}

}  // namespace muster::model
