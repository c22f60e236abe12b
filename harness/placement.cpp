#include "harness/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "engine/error.h"

namespace muster {
namespace {

/// Node by node as it comes; in a node the cores before their siblings.
std::vector<ProcessingUnit> compact(const Topology& topology) {
  std::vector<ProcessingUnit> units = topology.units();
  std::stable_sort(units.begin(), units.end(), [](const auto& a, const auto& b) {
    return std::tie(a.node, a.sibling, a.core, a.number) < std::tie(b.node, b.sibling, b.core, b.number);
  });
  return units;
}

/// The first node, then each time the one that is farthest from all before it.
std::vector<std::size_t> distant_first(const Topology& topology) {
  const std::size_t count = topology.nodes().size();
  std::vector<std::size_t> order;
  std::vector<bool> taken(count, false);
  while (order.size() < count) {
    std::size_t best = count;
    unsigned best_distance = 0;
    for (std::size_t node = 0; node < count; ++node) {
      if (taken[node]) continue;
      unsigned distance = 0;
      for (const std::size_t before : order) distance += topology.distance(before, node);
      if (best == count || distance > best_distance) {
        best = node;
        best_distance = distance;
      }
    }
    taken[best] = true;
    order.push_back(best);
  }
  return order;
}

std::vector<ProcessingUnit> scatter(const Topology& topology) {
  std::map<unsigned, std::vector<ProcessingUnit>> of_node;
  for (const ProcessingUnit& unit : compact(topology)) of_node[unit.node].push_back(unit);
  std::vector<ProcessingUnit> order;
  for (std::size_t turn = 0; order.size() < topology.units().size(); ++turn) {
    for (const std::size_t node : distant_first(topology)) {
      const auto& units = of_node[topology.nodes()[node].number];
      if (turn < units.size()) order.push_back(units[turn]);
    }
  }
  return order;
}

/// The units that the user listed.
std::vector<unsigned> listed(const Topology& topology, const std::vector<unsigned>& list,
                             const Configuration& c) {
  const std::string shown = fmt::format("[{}]", fmt::join(list, ","));
  for (const unsigned number : list) {
    if (topology.find(number) != nullptr) continue;
    throw ConfigError("placement", shown,
                      fmt::format("want units that this process may use: {}",
                                  fmt::join(unit_order(topology, PlacementPolicy::compact), ", ")));
  }
  if (list.size() > c.threads + std::size_t{1}) {
    throw ConfigError(
        "placement", shown,
        fmt::format("want {} units, the workers', and at most one more, the flusher's", c.threads));
  }
  if (c.oversubscribe) return list;
  if (list.size() < c.threads) {
    throw ConfigError(
        "placement", shown,
        fmt::format("want a unit for each of {} workers, or \"oversubscribe\": true", c.threads));
  }
  if (std::set<unsigned>(list.begin(), list.begin() + c.threads).size() < c.threads) {
    throw ConfigError("placement", shown, "want each worker's unit once, or \"oversubscribe\": true");
  }
  return list;
}

}  // namespace

std::vector<unsigned> unit_order(const Topology& topology, PlacementPolicy policy) {
  std::vector<unsigned> numbers;
  for (const ProcessingUnit& unit :
       policy == PlacementPolicy::scatter ? scatter(topology) : compact(topology)) {
    numbers.push_back(unit.number);
  }
  return numbers;
}

Placement place_threads(const Topology& topology, const Configuration& c) {
  const std::size_t available = topology.units().size();
  if (c.threads > available && !c.oversubscribe) {
    throw ConfigError(
        "threads", std::to_string(c.threads),
        fmt::format(
            "want 1 to {}, the processing units that this process may use, or \"oversubscribe\": true",
            available));
  }
  Placement placement;
  placement.workers.resize(c.threads);
  placement.oversubscribed = c.threads > available;
  const auto* policy = std::get_if<PlacementPolicy>(&c.placement);
  if (policy != nullptr && *policy == PlacementPolicy::none) return placement;

  const std::vector<unsigned> order = policy != nullptr
                                          ? unit_order(topology, *policy)
                                          : listed(topology, std::get<std::vector<unsigned>>(c.placement), c);
  for (std::size_t worker = 0; worker < c.threads; ++worker)
    placement.workers[worker] = order[worker % order.size()];
  placement.flusher = c.threads < order.size() ? order[c.threads] : order.back();
  placement.flusher_shares_unit = std::find(placement.workers.begin(), placement.workers.end(),
                                            placement.flusher) != placement.workers.end();
  return placement;
}

}  // namespace muster
