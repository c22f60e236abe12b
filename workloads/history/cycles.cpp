#include "workloads/history/cycles.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>

#include "workloads/history/components.h"

namespace muster::history {
namespace {

constexpr unsigned bit(Because because) {
  return 1U << static_cast<unsigned>(because);
}
constexpr unsigned kWw = bit(Because::ww);
constexpr unsigned kWr = bit(Because::wr);
constexpr unsigned kRw = bit(Because::rw);
constexpr unsigned kOrders = bit(Because::session) | bit(Because::realtime);
constexpr unsigned kThrough = bit(Because::through);

/// Edges that the search for one kind may look at in one component, and how many of them one way back may use up.
constexpr std::uint64_t kPatience = 20'000'000;
constexpr std::uint64_t kPatienceOfOne = kPatience / 16;
/// A prime above 2^32: multiples of it, modulo a smaller number, visit all places far from each other.
constexpr std::uint64_t kScatter = 4'294'967'311;

/// The graph with only some kinds of edges. With `apart`, no rw edge follows another one: a state is a node, and whether an rw
/// edge led to it.
class View {
 public:
  View(const Graph& graph, unsigned edges, bool apart)
      : graph_(graph), edges_(edges | kThrough), apart_(apart) {}

  std::uint32_t nodes() const { return graph_.nodes() * (apart_ ? 2 : 1); }
  std::uint32_t node_of(std::uint32_t state) const { return apart_ ? state / 2 : state; }
  /// The state after an edge to the node.
  std::uint32_t state_of(std::uint32_t node, bool after_rw) const {
    return apart_ ? node * 2 + after_rw : node;
  }
  std::uint32_t degree(std::uint32_t state) const {
    return static_cast<std::uint32_t>(graph_.of(node_of(state)).size());
  }
  const Edge& edge(std::uint32_t state, std::uint32_t i) const { return graph_.of(node_of(state))[i]; }
  std::uint32_t target(std::uint32_t state, std::uint32_t i) const {
    const Edge& e = edge(state, i);
    if ((bit(e.because()) & edges_) == 0) return kNoTarget;
    if (!apart_) return e.to();
    const bool is_rw = e.because() == Because::rw;
    if (is_rw && state % 2 == 1) return kNoTarget;
    return state_of(e.to(), is_rw);
  }
  const Graph& graph() const { return graph_; }

 private:
  const Graph& graph_;
  const unsigned edges_;
  const bool apart_;
};

bool has_two_rw_in_a_row(const Cycle& cycle) {
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if (cycle[i].because == Because::rw && cycle[(i + 1) % cycle.size()].because == Because::rw) return true;
  }
  return false;
}

/// Takes a closed walk without two rw in a row, which may meet a transaction twice. Returns a part of it that is a cycle. The
/// walk is cut in two where it meets a transaction again. At least one part has no two rw in a row: the walk has none, so the
/// two parts cannot both begin and end with rw.
Cycle without_repetition(Cycle walk) {
  for (;;) {
    std::map<TransactionIndex, std::size_t> met;
    std::optional<std::pair<std::size_t, std::size_t>> twice;
    for (std::size_t i = 0; i < walk.size() && !twice; ++i) {
      const auto [place, is_new] = met.try_emplace(walk[i].from, i);
      if (!is_new) twice.emplace(place->second, i);
    }
    if (!twice) return walk;
    const auto at = [&](std::size_t i) { return walk.begin() + static_cast<std::ptrdiff_t>(i); };
    const Cycle inner(at(twice->first), at(twice->second));
    Cycle outer(walk.begin(), at(twice->first));
    outer.insert(outer.end(), at(twice->second), walk.end());
    walk = inner.size() > 1 && !has_two_rw_in_a_row(inner) ? inner : outer;
  }
}

/// Searches for ways back in one view of one component's graph.
class Search {
 public:
  explicit Search(const View& view)
      : view_(view), came_from_(view.nodes()), came_by_(view.nodes()), round_(view.nodes(), 0) {}

  std::uint64_t edges_seen() const { return edges_seen_; }

  /// The shortest way from one of the states `from` to the state `to`, around the node `avoid`, of at most `most` steps. Gives
  /// up after looking at `edges` edges.
  std::optional<Cycle> way(const std::vector<std::uint32_t>& from, std::uint32_t to, std::uint32_t avoid,
                           std::size_t most, std::uint64_t edges) {
    ++this_round_;
    const std::uint64_t end = edges_seen_ + edges;
    front_.clear();
    for (const std::uint32_t state : from) reach(state, kNoTarget, 0, 0);
    while (!front_.empty() && edges_seen_ < end) {
      const auto [state, steps] = front_.front();
      front_.pop_front();
      for (std::uint32_t i = 0; i < view_.degree(state); ++i) {
        ++edges_seen_;
        const std::uint32_t next = view_.target(state, i);
        if (next == kNoTarget) continue;
        const std::uint32_t node = view_.node_of(next);
        if (node == avoid || round_[next] == this_round_) continue;
        // A step ends at a transaction; points in time on the way do not count.
        const std::size_t length = steps + (node < view_.graph().transactions ? 1 : 0);
        if (length > most) continue;
        reach(next, state, i, length);
        if (next == to) return path_to(next);
      }
    }
    return std::nullopt;
  }

 private:
  void reach(std::uint32_t state, std::uint32_t from, std::uint32_t edge, std::size_t steps) {
    round_[state] = this_round_;
    came_from_[state] = from;
    came_by_[state] = edge;
    if (view_.node_of(state) < view_.graph().transactions) {
      front_.emplace_back(state, steps);
    } else {
      front_.emplace_front(state, steps);
    }
  }

  Cycle path_to(std::uint32_t state) const {
    Cycle backwards;
    std::uint32_t to = view_.node_of(state);
    while (came_from_[state] != kNoTarget) {
      const std::uint32_t before = came_from_[state];
      const Edge& edge = view_.edge(before, came_by_[state]);
      state = before;
      const std::uint32_t node = view_.node_of(before);
      if (node >= view_.graph().transactions) continue;
      backwards.push_back({node, to, edge.because(), edge.operation()});
      to = node;
    }
    return {backwards.rbegin(), backwards.rend()};
  }

  const View& view_;
  std::vector<std::uint32_t> came_from_;
  std::vector<std::uint32_t> came_by_;  // the edge's place among the edges of came_from_
  std::vector<std::uint32_t> round_;    // the search that reached the state last
  std::uint32_t this_round_ = 0;
  std::deque<std::pair<std::uint32_t, std::size_t>> front_;
  std::uint64_t edges_seen_ = 0;
};

/// A component of the whole graph, with nodes and edges of its own.
class Knot {
 public:
  Knot(const Graph& whole, std::span<const std::uint32_t> members, std::vector<std::uint32_t>& place,
       std::span<const std::uint32_t> component)
      : members_(members) {
    // Members are in order, so that transactions come first here, too.
    for (std::uint32_t i = 0; i < members.size(); ++i) place[members[i]] = i;
    graph_.begin.push_back(0);
    for (const std::uint32_t member : members) {
      graph_.transactions += member < whole.transactions;
      for (const Edge& edge : whole.of(member)) {
        if (component[edge.to()] == component[member])
          graph_.edges.emplace_back(place[edge.to()], edge.because(), edge.operation());
      }
      graph_.begin.push_back(static_cast<std::uint32_t>(graph_.edges.size()));
    }
  }

  const Graph& graph() const { return graph_; }
  Cycle named_as_outside(Cycle cycle) const {
    for (Step& step : cycle) step = {members_[step.from], members_[step.to], step.because, step.operation};
    return cycle;
  }

 private:
  const std::span<const std::uint32_t> members_;
  Graph graph_;
};

/// Looks for cycles in one component after the other.
class Finder {
 public:
  explicit Finder(Cycles& found) : found_(found) {}

  void look(const Knot& knot) {
    knot_ = &knot;
    look(0);
    if (std::ranges::any_of(knot.graph().edges,
                            [](const Edge& e) { return (bit(e.because()) & kOrders) != 0; }))
      look(kOrders);
  }

 private:
  enum class Way : std::uint8_t { any, rw_first };  // rw_first: the edge is rw, and so is the next

  void look(unsigned orders) {
    search(CycleKind::g0, kWw, kWw | orders, false, true);
    search(CycleKind::g1c, kWr, kWw | kWr | orders, false, true);
    search(CycleKind::g_single, kRw, kWw | kWr | orders, false, false);
    search(CycleKind::g_nonadjacent, kRw, kWw | kWr | kRw | orders, true, true);
    search(CycleKind::g2_item, kRw, kWw | kWr | kRw | orders, false, true);
    search(CycleKind::g2_item, kRw, kWw | kWr | kRw | orders, false, false, Way::rw_first);
  }

  /// Looks for cycles: an edge of the kind `own`, and a way back over edges of the kinds `others`. With `within`, it tries only
  /// edges whose two ends are in one component of `others`, so that a way back exists.
  void search(CycleKind kind, unsigned own, unsigned others, bool apart, bool within, Way way = Way::any) {
    const bool ordered = (others & kOrders) != 0;
    if (steps_of(kind, ordered) == 2 || (ordered && place_of(kind, false))) return;
    const Graph& graph = knot_->graph();
    const View view(graph, others, apart);
    std::vector<std::uint32_t> component;
    if (within) component = components_of(view);
    std::vector<std::pair<std::uint32_t, Edge>> starts;
    for (std::uint32_t node = 0; node < graph.transactions; ++node) {
      for (const Edge& edge : graph.of(node)) {
        if (bit(edge.because()) != own) continue;
        // With `apart`, an rw edge leads to the state after rw, and the way back to a state not after rw: no two rw in a row.
        const std::uint32_t from = view.state_of(node, false);
        const std::uint32_t to = view.state_of(edge.to(), edge.because() == Because::rw);
        if (!within || component[from] == component[to]) starts.emplace_back(node, edge);
      }
    }
    if (starts.empty()) return;
    Search search(view);
    for (std::uint64_t i = 0; i < starts.size() && search.edges_seen() < kPatience; ++i) {
      const auto& [node, edge] = starts[i * kScatter % starts.size()];
      const Step first{node, edge.to(), edge.because(), edge.operation()};
      const std::uint32_t to = view.state_of(edge.to(), first.because == Because::rw);
      const std::size_t shortest = steps_of(kind, ordered);
      if (shortest == 2) return;
      // Where a way has to exist, the first search goes on until it finds it: this keeps find_cycles() exact.
      const std::uint64_t patience =
          within && i == 0 ? std::numeric_limits<std::uint32_t>::max() : kPatienceOfOne;
      if (way == Way::rw_first) {
        through_two_rw(search, view, first, shortest - 1);
      } else if (const auto back =
                     search.way({to}, view.state_of(node, false), kNoTarget, shortest - 2, patience)) {
        Cycle cycle{first};
        cycle.insert(cycle.end(), back->begin(), back->end());
        offer(apart ? without_repetition(std::move(cycle)) : std::move(cycle));
      }
    }
  }

  /// Offers a cycle that begins with `first` and another rw, of at most `most` steps.
  void through_two_rw(Search& search, const View& view, const Step& first, std::size_t most) {
    std::vector<std::uint32_t> after;
    for (const Edge& second : view.graph().of(first.to)) {
      if (second.because() != Because::rw) continue;
      const Step step{first.to, second.to(), Because::rw, second.operation()};
      if (second.to() == first.from) return offer({first, step});
      after.push_back(second.to());
    }
    if (after.empty() || most < 3) return;
    const auto back = search.way(after, first.from, first.to, most - 2, kPatienceOfOne);
    if (!back) return;
    for (const Edge& second : view.graph().of(first.to)) {
      if (second.because() != Because::rw || second.to() != back->front().from) continue;
      Cycle cycle{first, {first.to, second.to(), Because::rw, second.operation()}};
      cycle.insert(cycle.end(), back->begin(), back->end());
      return offer(std::move(cycle));
    }
  }

  std::optional<Cycle>& place_of(CycleKind kind, bool ordered) {
    return (ordered ? found_.ordered : found_.plain)[static_cast<std::size_t>(kind)];
  }

  /// The length of the shortest cycle so far.
  std::size_t steps_of(CycleKind kind, bool ordered) {
    const auto& so_far = place_of(kind, ordered);
    return so_far ? so_far->size() : std::numeric_limits<std::size_t>::max();
  }

  /// Keeps the cycle if it is the shortest of its kind; a search may find another kind than it looks for.
  void offer(Cycle cycle) {
    const CycleKind kind = kind_of(cycle);
    std::optional<Cycle>& place = place_of(kind, has_order(cycle));
    if (!place || cycle.size() < place->size()) place = knot_->named_as_outside(std::move(cycle));
  }

  Cycles& found_;
  const Knot* knot_ = nullptr;
};

}  // namespace

CycleKind kind_of(const Cycle& cycle) {
  const auto count = [&](Because because) { return std::ranges::count(cycle, because, &Step::because); };
  if (count(Because::rw) == 1) return CycleKind::g_single;
  if (count(Because::rw) > 1)
    return has_two_rw_in_a_row(cycle) ? CycleKind::g2_item : CycleKind::g_nonadjacent;
  return count(Because::wr) > 0 ? CycleKind::g1c : CycleKind::g0;
}

bool has_order(const Cycle& cycle) {
  return std::ranges::any_of(cycle, [](const Step& step) { return (bit(step.because) & kOrders) != 0; });
}

Cycles find_cycles(const Graph& graph) {
  Cycles found;
  const View all(graph, ~0U, false);
  const std::vector<std::uint32_t> component = components_of(all);
  std::vector<std::pair<std::uint32_t, std::uint32_t>>
      members;  // component, node: of components of several transactions
  {
    std::vector<std::uint32_t> size(graph.nodes(), 0);
    for (std::uint32_t node = 0; node < graph.transactions; ++node) ++size[component[node]];
    for (std::uint32_t node = 0; node < graph.nodes(); ++node) {
      if (size[component[node]] > 1) members.emplace_back(component[node], node);
    }
  }
  std::ranges::sort(members);
  std::vector<std::uint32_t> nodes(members.size());
  std::ranges::transform(members, nodes.begin(), [](const auto& member) { return member.second; });
  std::vector<std::uint32_t> place(graph.nodes());
  Finder finder(found);
  for (std::size_t begin = 0, end = 0; begin < members.size(); begin = end) {
    while (end < members.size() && members[end].first == members[begin].first) ++end;
    const Knot knot(graph, std::span(nodes).subspan(begin, end - begin), place, component);
    ++found.knots;
    found.largest = std::max(found.largest, knot.graph().transactions);
    finder.look(knot);
  }
  for (std::size_t kind = 0; kind < kCycleKinds; ++kind) {
    if (found.plain[kind]) found.ordered[kind].reset();
  }
  return found;
}

}  // namespace muster::history
