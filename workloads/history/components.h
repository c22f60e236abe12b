#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace muster::history {

/// The strongly connected component of each node, numbered from 0. A component's number is lower than the number of any other
/// that leads to it. Tarjan, SIAM J. Comput. 1(2), 1972, with a stack of its own instead of recursion: a path may be as long as
/// the graph.
///
/// `view` has nodes(), degree(node) and target(node, i), which is a node or kNoTarget where that edge does not count.
inline constexpr std::uint32_t kNoTarget = ~std::uint32_t{0};

template <class View>
std::vector<std::uint32_t> components_of(const View& view) {
  struct Visit {
    std::uint32_t node;
    std::uint32_t next;  // edge to look at
  };
  const std::uint32_t nodes = view.nodes();
  std::vector<std::uint32_t> component(nodes, kNoTarget);
  std::vector<std::uint32_t> low(
      nodes,
      0);  // 0: not seen; else its order, or the earliest order that it leads back to
  std::vector<std::uint32_t> open;  // seen, without a component
  std::vector<Visit> path;
  std::uint32_t seen = 0, components = 0;
  const auto visit = [&](std::uint32_t node) {
    low[node] = ++seen;
    open.push_back(node);
    path.push_back({node, 0});
  };
  std::vector<std::uint32_t> order(nodes, 0);  // when it was seen
  for (std::uint32_t root = 0; root < nodes; ++root) {
    if (low[root] != 0) continue;
    visit(root);
    order[root] = seen;
    while (!path.empty()) {
      Visit& here = path.back();
      if (here.next < view.degree(here.node)) {
        const std::uint32_t to = view.target(here.node, here.next++);
        if (to == kNoTarget) continue;
        if (low[to] == 0) {
          visit(to);
          order[to] = seen;
        } else if (component[to] == kNoTarget) {
          low[here.node] = std::min(low[here.node], order[to]);
        }
        continue;
      }
      const std::uint32_t node = here.node;
      path.pop_back();
      if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[node]);
      if (low[node] != order[node]) continue;
      for (std::uint32_t member = kNoTarget; member != node;) {
        member = open.back();
        open.pop_back();
        component[member] = components;
      }
      ++components;
    }
  }
  return component;
}

}  // namespace muster::history
