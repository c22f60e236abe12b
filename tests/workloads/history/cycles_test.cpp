#include "workloads/history/cycles.h"

#include <algorithm>
#include <map>
#include <vector>

#include "tests/catch.h"
#include "workloads/random.h"

namespace {

using namespace muster;
using namespace muster::history;

struct Arrow {
  std::uint32_t from, to;
  Because because;
};

Graph graph_of(std::uint32_t transactions, std::uint32_t nodes, std::vector<Arrow> arrows) {
  std::ranges::stable_sort(arrows, {}, &Arrow::from);
  Graph graph;
  graph.transactions = transactions;
  for (std::uint32_t node = 0; node <= nodes; ++node) {
    graph.begin.push_back(static_cast<std::uint32_t>(
        std::ranges::count_if(arrows, [&](const Arrow& arrow) { return arrow.from < node; })));
  }
  for (const Arrow& arrow : arrows) graph.edges.emplace_back(arrow.to, arrow.because, 0);
  return graph;
}

/// By walking all of them: the shortest cycle of each kind, with an edge of an order or without.
using Lengths = std::map<std::pair<CycleKind, bool>, std::size_t>;

class Walk {
 public:
  explicit Walk(const Graph& graph) : graph_(graph), on_(graph.nodes()) {}
  Lengths lengths() {
    for (start_ = 0; start_ < graph_.transactions; ++start_) go(start_);
    return lengths_;
  }

 private:
  void go(std::uint32_t node) {
    on_[node] = true;
    for (const Edge& edge : graph_.of(node)) {
      const std::uint32_t to = edge.to();
      if (to < start_ || (on_[to] && to != start_))
        continue;  // the smallest transaction of a cycle begins it
      const bool from_transaction = node < graph_.transactions;
      if (from_transaction) steps_.push_back({node, to, edge.because(), 0});
      if (to != start_) {
        go(to);
      } else if (steps_.size() > 1) {
        std::size_t& length =
            lengths_.try_emplace({kind_of(steps_), has_order(steps_)}, steps_.size()).first->second;
        length = std::min(length, steps_.size());
      }
      if (from_transaction) steps_.pop_back();
    }
    on_[node] = false;
  }

  const Graph& graph_;
  std::vector<bool> on_;
  std::uint32_t start_ = 0;
  Cycle steps_;
  Lengths lengths_;
};

void expect_a_cycle(const Graph& graph, const Cycle& cycle) {
  std::vector<TransactionIndex> seen;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    CHECK(cycle[i].to == cycle[(i + 1) % cycle.size()].from);
    CHECK(cycle[i].from < graph.transactions);
    seen.push_back(cycle[i].from);
  }
  std::ranges::sort(seen);
  CHECK(std::ranges::adjacent_find(seen) == seen.end());
}

TEST_CASE("find_cycles: agrees with a walk over all cycles of random small graphs") {
  std::uint64_t with_cycles = 0;
  for (std::uint64_t seed = 1; seed <= 4000; ++seed) {
    Random random(seed);
    const auto transactions = static_cast<std::uint32_t>(2 + random.below(7));
    const auto points = static_cast<std::uint32_t>(random.below(3));
    std::vector<Arrow> arrows;
    const std::uint64_t count = random.below(4 * transactions);
    const std::uint64_t kinds = 2 + random.below(3);
    const double rw = 0.8 * random.uniform();  // share of edges that are it, whatever the kinds
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto from = static_cast<std::uint32_t>(random.below(transactions));
      const auto to = static_cast<std::uint32_t>(random.below(transactions));
      const auto because = random.uniform() < rw ? Because::rw : static_cast<Because>(random.below(kinds));
      if (from < to || (from > to && because != Because::session)) arrows.push_back({from, to, because});
    }
    // Transactions before a point lead to it; transactions from there on follow it: time, as sessions, goes forwards only.
    for (std::uint32_t point = 0; point < points; ++point) {
      const std::uint64_t now = (point + 1) * transactions / (points + 1);
      for (std::uint32_t t = 0; t < transactions; ++t) {
        if (random.below(2) == 0) continue;
        if (t < now) {
          arrows.push_back({t, transactions + point, Because::realtime});
        } else {
          arrows.push_back({transactions + point, t, Because::through});
        }
      }
      if (point > 0) arrows.push_back({transactions + point - 1, transactions + point, Because::through});
    }
    const Graph graph = graph_of(transactions, transactions + points, arrows);
    const Lengths all = Walk(graph).lengths();
    const Cycles found = find_cycles(graph);
    INFO("seed " << seed);
    with_cycles += !all.empty();
    CHECK((found.knots > 0) == !all.empty());
    const auto exists = [&](CycleKind kind, bool ordered) { return all.contains({kind, ordered}); };
    for (std::size_t i = 0; i < kCycleKinds; ++i) {
      const auto kind = static_cast<CycleKind>(i);
      for (const bool ordered : {false, true}) {
        const auto& cycle = (ordered ? found.ordered : found.plain)[i];
        INFO("kind " << i << ", ordered " << ordered);
        if (cycle) {
          expect_a_cycle(graph, *cycle);
          CHECK(kind_of(*cycle) == kind);
          CHECK(has_order(*cycle) == ordered);
          CHECK(cycle->size() >= all.at({kind, ordered}));
        }
        if (ordered && exists(kind, false)) continue;  // not looked for
        if (kind == CycleKind::g_nonadjacent) continue;
        CHECK(cycle.has_value() == exists(kind, ordered));
        if (cycle && !ordered) CHECK(cycle->size() == all.at({kind, ordered}));
      }
    }
    // What a level is about is exact: cycles of any kind but g2_item.
    for (const bool ordered : {false, true}) {
      const auto any = [&](const auto& has) {
        bool is = false;
        for (const bool o : {false, true}) {
          for (std::size_t i = 0; i < static_cast<std::size_t>(CycleKind::g2_item); ++i)
            is = is || ((ordered || !o) && has(i, o));
        }
        return is;
      };
      CHECK(any([&](std::size_t i, bool o) { return (o ? found.ordered : found.plain)[i].has_value(); }) ==
            any([&](std::size_t i, bool o) { return exists(static_cast<CycleKind>(i), o); }));
    }
  }
  CHECK(with_cycles > 1000);
}

TEST_CASE("find_cycles: a path as long as the graph needs no stack, and a cycle of all is found") {
  constexpr std::uint32_t kNodes = 300'000;
  Graph graph;
  graph.transactions = kNodes;
  for (std::uint32_t node = 0; node < kNodes; ++node) {
    graph.begin.push_back(node);
    graph.edges.emplace_back((node + 1) % kNodes, node == 0 ? Because::rw : Because::ww, 0);
  }
  graph.begin.push_back(kNodes);
  const Cycles found = find_cycles(graph);
  CHECK(found.largest == kNodes);
  REQUIRE(found.plain[static_cast<std::size_t>(CycleKind::g_single)]);
  CHECK(found.plain[static_cast<std::size_t>(CycleKind::g_single)]->size() == kNodes);
}

}  // namespace
