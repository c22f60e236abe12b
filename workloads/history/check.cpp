#include "workloads/history/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace muster::history {
namespace {

using Kind = Operation::Kind;

/// Whether each history that satisfies `stronger` satisfies `weaker`.
bool implies(Level stronger, Level weaker) {
  if (stronger == weaker || weaker == Level::read_committed) return true;
  switch (stronger) {
    case Level::read_committed:
    case Level::snapshot:
      return false;
    case Level::serializable:
    case Level::strong_session_snapshot:
      return weaker == Level::snapshot;
    case Level::strong_session_serializable:
      return weaker == Level::snapshot || weaker == Level::serializable ||
             weaker == Level::strong_session_snapshot;
    case Level::strong_snapshot:
      return weaker == Level::snapshot || weaker == Level::strong_session_snapshot;
    case Level::strict_serializable:
      return true;
  }
  return false;
}

struct Description {
  std::string_view name;
  std::string_view title;
  Level violates;
};

// By Flaw.
constexpr std::array<Description, kFlaws> kFlawDescriptions{{
    {"G1a", "aborted read", Level::read_committed},
    {"G1b", "intermediate read", Level::read_committed},
    {"dirty-update", "a committed version made of one that was rolled back", Level::read_committed},
    {"internal", "a transaction does not see its own write", Level::read_committed},
    {"future-read", "a transaction sees its own write before it is made", Level::read_committed},
    {"fuzzy-read", "a transaction reads a key twice and differently; Elle's internal", Level::snapshot},
    {"lost-update", "two updates of one version", Level::snapshot},
    {"incompatible-order", "lists that contradict each other", Level::read_committed},
    {"duplicate-elements", "a list that holds a value twice", Level::read_committed},
    {"cyclic-versions", "versions that come before themselves", Level::read_committed},
}};

// By CycleKind.
constexpr std::array<Description, kCycleKinds> kCycleDescriptions{{
    {"G0", "cycle of writes", Level::read_committed},
    {"G1c", "cycle of writes and reads", Level::read_committed},
    {"G-single", "cycle with one overwritten read", Level::snapshot},
    {"G-nonadjacent", "cycle with overwritten reads apart from each other", Level::snapshot},
    {"G2-item", "cycle with overwritten reads behind each other", Level::serializable},
}};

Level ordered(Level violated, Order order) {
  const bool serializable = violated == Level::serializable;
  if (order == Order::session)
    return serializable ? Level::strong_session_serializable : Level::strong_session_snapshot;
  return serializable ? Level::strict_serializable : Level::strong_snapshot;
}

/// Says why each step of a cycle is there.
class Words {
 public:
  explicit Words(const Versions& versions) : versions_(versions), history_(versions.history()) {}

  std::string why(const Step& step) const {
    switch (step.because) {
      case Because::ww:
        return overwrote(step);
      case Because::wr:
        return fmt::format("T{} read {}, which T{} had {}", step.to, words(step.operation), step.from,
                           lists() ? "appended to last" : "written");
      case Because::rw:
        return fmt::format("T{} read {}, and T{} made the next version by {}", step.from,
                           words(step.operation), step.to, next_write(step));
      case Because::session:
        return fmt::format("process {} ran T{} before T{}", history_.transactions()[step.from].process,
                           step.from, step.to);
      case Because::realtime:
      case Because::through:
        break;
    }
    return fmt::format("T{} was done before T{} began", step.from, step.to);
  }

 private:
  bool lists() const { return history_.model() == Model::list_append; }
  std::string words(OperationIndex i) const { return history_.in_words(history_.operations()[i]); }

  std::string overwrote(const Step& step) const {
    const OperationIndex write = step.operation;
    if (!lists()) {
      return fmt::format("T{} read {}, which T{} had written, and then wrote {}", step.to,
                         words(versions_.known_by(write)), step.from, words(write));
    }
    const Key key = history_.operations()[write].key;
    const auto order = versions_.order(key);
    const bool unread = versions_.place(write) == kNone;
    std::size_t at = unread ? order.size() : versions_.place(write);
    while (at > 0 && !versions_.is_of(order[at - 1], step.from)) --at;
    const Value before = at > 0 ? history_.operations()[order[at - 1]].value : 0;
    return fmt::format("T{}'s {} comes after T{}'s {}{}", step.to, words(write), step.from, before,
                       unread ? ", the last that any transaction read" : "");
  }

  /// The target's write that made the version after the one that was read.
  std::string next_write(const Step& step) const {
    const Operation& read = history_.operations()[step.operation];
    const Transaction& writer = history_.transactions()[step.to];
    OperationIndex chosen = kNone;
    for (OperationIndex i = writer.operations_begin; i < writer.operations_end; ++i) {
      const Operation& o = history_.operations()[i];
      if (o.kind != Kind::write || o.key != read.key) continue;
      const bool is_next =
          lists() ? versions_.place(i) == kNone || versions_.place(i) >= history_.list(read).size()
                  : versions_.before(i) == versions_.version_read(read);
      if (is_next && chosen == kNone) chosen = i;
    }
    return chosen == kNone ? "a write" : words(chosen);
  }

  const Versions& versions_;
  const History& history_;
};

void add_flaws(const Versions& versions, Verdict& verdict) {
  Flaws flaws = find_flaws(versions);
  for (std::size_t i = 0; i < kFlaws; ++i) {
    if (flaws[i].count == 0) continue;
    const Description& is = kFlawDescriptions[i];
    Anomaly& anomaly = verdict.anomalies.emplace_back();
    anomaly.name = is.name;
    anomaly.title = is.title;
    anomaly.violates = is.violates;
    anomaly.count = flaws[i].count;
    anomaly.what = std::move(flaws[i].what);
    anomaly.transactions = std::move(flaws[i].transactions);
  }
}

void add_cycle(std::size_t kind, const std::optional<Cycle>& cycle, const Words& words, Order order,
               Verdict& verdict) {
  if (!cycle) return;
  const Description& is = kCycleDescriptions[kind];
  Anomaly& anomaly = verdict.anomalies.emplace_back();
  anomaly.name = is.name;
  anomaly.title = is.title;
  anomaly.violates = is.violates;
  if (order != Order::none) {
    anomaly.name += order == Order::session ? "-session" : "-realtime";
    anomaly.title += order == Order::session ? ", in the order of sessions" : ", in real time";
    anomaly.violates = ordered(is.violates, order);
  }
  anomaly.cycle = *cycle;
  for (const Step& step : *cycle) {
    anomaly.transactions.push_back(step.from);
    anomaly.why.push_back(words.why(step));
  }
}

std::string describe(const History& history, TransactionIndex t) {
  const Transaction& transaction = history.transactions()[t];
  std::vector<std::string> operations;
  for (const Operation& o : history.operations_of(t)) operations.push_back(history.in_words(o));
  return fmt::format("T{} (process {}{}{}): {}", t, transaction.process,
                     transaction.line == 0 ? "" : fmt::format(", line {}", transaction.line),
                     transaction.outcome == Outcome::fail   ? ", rolled back"
                     : transaction.outcome == Outcome::info ? ", outcome unknown"
                                                            : "",
                     fmt::join(operations, " "));
}

}  // namespace

Order order_of(Level level) {
  switch (level) {
    case Level::read_committed:
    case Level::snapshot:
    case Level::serializable:
      return Order::none;
    case Level::strong_session_snapshot:
    case Level::strong_session_serializable:
      return Order::session;
    case Level::strong_snapshot:
    case Level::strict_serializable:
      break;
  }
  return Order::realtime;
}

Level promised_by(Isolation isolation) {
  switch (isolation) {
    case Isolation::read_committed:
      return Level::read_committed;
    case Isolation::snapshot:
      return Level::strong_snapshot;
    case Isolation::two_phase_locking:
    case Isolation::serializable_snapshot:
    case Isolation::serial:
      break;
  }
  return Level::strict_serializable;
}

bool Verdict::satisfies(Level level) const {
  return std::ranges::none_of(anomalies, [&](const Anomaly& a) { return implies(level, a.violates); });
}

std::vector<Level> Verdict::levels() const {
  std::vector<Level> levels;
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    const auto level = static_cast<Level>(i);
    if (order_of(level) == Order::none || order_of(level) == order) levels.push_back(level);
  }
  return levels;
}

Verdict check(const History& history, Order order) {
  Verdict verdict;
  verdict.order = order;
  for (const Transaction& t : history.transactions()) {
    ++(t.outcome == Outcome::ok     ? verdict.committed
       : t.outcome == Outcome::fail ? verdict.failed
                                    : verdict.unknown);
  }
  const Versions versions(history);
  add_flaws(versions, verdict);
  const Graph graph = dependencies(versions, order);
  verdict.dependencies = graph.edges.size();
  const Cycles cycles = find_cycles(graph);
  verdict.knots = cycles.knots;
  verdict.largest = cycles.largest;
  const Words words(versions);
  for (std::size_t kind = 0; kind < kCycleKinds; ++kind) {
    add_cycle(kind, cycles.plain[kind], words, Order::none, verdict);
    add_cycle(kind, cycles.ordered[kind], words, order, verdict);
  }
  std::ranges::stable_sort(verdict.anomalies, {}, &Anomaly::violates);
  return verdict;
}

std::string in_one_line(const Verdict& verdict, Level level) {
  std::vector<std::string> names;
  for (const Anomaly& a : verdict.anomalies) {
    if (implies(level, a.violates)) names.push_back(a.name);
  }
  return names.empty() ? fmt::format("{}", name_of(level))
                       : fmt::format("not {}: {}", name_of(level), fmt::join(names, ", "));
}

std::string in_words(const Verdict& verdict, const History& history) {
  std::string text = fmt::format("{} transactions committed, {} rolled back, {} unknown; {} dependencies\n",
                                 verdict.committed, verdict.failed, verdict.unknown, verdict.dependencies);
  if (verdict.knots > 0) {
    text += fmt::format("{} group{} of transactions in cycles, at most {} in one\n", verdict.knots,
                        verdict.knots == 1 ? "" : "s", verdict.largest);
  }
  for (const Anomaly& a : verdict.anomalies) {
    text += fmt::format(
        "\n{}: {}{}\n", a.name, a.title,
        a.count == 0 ? "; the shortest that was found:" : fmt::format("; {} in all, the first:", a.count));
    if (!a.what.empty()) text += fmt::format("  {}\n", a.what);
    for (const TransactionIndex t : std::set(a.transactions.begin(), a.transactions.end()))
      text += fmt::format("  {}\n", describe(history, t));
    for (std::size_t i = 0; i < a.why.size(); ++i) {
      text += fmt::format("  {} T{} before T{}: {}\n",
                          i + 1 == a.why.size() ? "but "
                          : i == 0              ? "    "
                                                : "and ",
                          a.cycle[i].from, a.cycle[i].to, a.why[i]);
    }
  }
  text += verdict.anomalies.empty() ? "\nno anomaly\n" : "\n";
  for (const Level level : verdict.levels())
    text += fmt::format("{:<28}{}\n", name_of(level), verdict.satisfies(level) ? "yes" : "no");
  return text;
}

}  // namespace muster::history
