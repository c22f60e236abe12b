// Executions too long to be searched for, led step by step to where an order matters that shorter ones do not need.
#include <algorithm>
#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/consolidation_decoupled.h"
#include "algorithms/consolidation_delegated.h"
#include "tests/catch.h"
#include "tests/model/gated_program.h"

namespace muster::model {
namespace {

/// A thread goes on until its next step is of this kind, at a location of this name.
struct Move {
  ThreadId thread;
  Action action;
  std::string_view location;
  bool finds_the_lock_busy = false;  // by an old value, whatever it is now
};

/// What a look at the published boundary finds; all other looks find the newest.
enum class Looks : bool { newest, oldest };

class Guided : public Chooser {
 public:
  Guided(std::vector<Move> moves, Looks looks) : moves_(std::move(moves)), looks_(looks) {}

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
    const bool looks_back = looks_ == Looks::oldest && location.name == std::string_view("published");
    decision = {move.thread, looks_back ? oldest(choices) : newest(choices)};
    has_stepped_ = true;
    return true;
  }

 private:
  static std::uint32_t newest(std::uint64_t messages) {
    return static_cast<std::uint32_t>(std::bit_width(messages)) - 1;
  }
  static std::uint32_t oldest(std::uint64_t messages) {
    return static_cast<std::uint32_t>(std::countr_zero(messages));
  }
  static bool has_arrived(const Execution& execution, const Move& move) {
    const Request& request = execution.request(move.thread);
    if (request.action == Action::finished) return true;
    return request.action == move.action && execution.location(request.location).name == move.location;
  }

  const std::vector<Move> moves_;
  const Looks looks_;
  std::size_t move_ = 0;
  bool has_stepped_ = false;
  bool has_seen_lock_ = false;
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

/// A worker opens the slot anew, and has not acquired what the slot's last leader told his group there.
constexpr std::string_view kUnsettled =
    "unsettled: slot[0] is written by a thread that has not synchronised with a store that led it there: "
    "the two may come in the other order";

using Make = std::unique_ptr<Program> (*)(std::vector<std::uint32_t> records);

std::string violation(Make make, std::uint32_t groups, Looks looks, const Weakening& weakening = {},
                      std::vector<Site>* sites = nullptr) {
  const std::unique_ptr<Program> program = make({groups, groups, groups});
  Execution execution;
  execution.skip_subsumed(false);  // the newest message, or the one that the guide wants
  execution.weaken(weakening);
  execution.collect_sites(sites);
  Guided guide(until_a_slot_is_used_again(groups), looks);
  execution.run(*program, guide);
  CHECK((guide.is_through() || !execution.violation().empty()));
  return execution.violation();
}

/// An algorithm, the groups until the slot of the first comes round again, and how its own header then looks at the
/// published boundary.
template <class A>
void check(std::uint32_t groups, Action look) {
  const Make make = &make_gated_program<A>;
  const std::string name(A::info.name);
  std::vector<Site> sites;
  CHECK(violation(make, groups, Looks::newest, {}, &sites) == "");
  CHECK(violation(make, groups, Looks::oldest) == "");
  CHECK(violation(make, groups, Looks::newest, order_of(sites, name + ".h", look)) == kUnsettled);
  std::uint32_t mutants = 0;
  for (const GuidedMutant& mutant : guided_mutants()) {
    if (!mutant.name.starts_with(name + ":")) continue;
    INFO(mutant.name << ": " << mutant.why);
    CHECK(violation(mutant.make, groups, Looks::oldest) == kUnsettled);
    ++mutants;
  }
  CHECK(mutants == 2);
}

}  // namespace

TEST_CASE("Model: whoever uses a group's slot again has acquired what its last member published", "[model]") {
  check<ConsolidationDecoupled<CheckingPlatform<>>>(4, Action::load);
  check<ConsolidationDelegated<CheckingPlatform<>>>(6, Action::await);
}

}  // namespace muster::model
