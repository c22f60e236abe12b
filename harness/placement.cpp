#include "harness/placement.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "engine/error.h"

namespace muster {
namespace {

using Units = std::vector<ProcessingUnit>;
using Numbers = std::vector<unsigned>;

template <class Key>
Units sorted_by(const Topology& topology, Key key) {
  Units units = topology.units();
  std::ranges::stable_sort(units, {}, key);
  return units;
}

/// Node by node as it comes; in a node the cores before their siblings.
Units compact(const Topology& topology) {
  return sorted_by(topology,
                   [](const ProcessingUnit& u) { return std::tuple(u.node, u.sibling, u.core, u.number); });
}

/// Cores of the whole machine, node by node, before any sibling.
Units smt_last(const Topology& topology) {
  return sorted_by(topology,
                   [](const ProcessingUnit& u) { return std::tuple(u.sibling, u.node, u.core, u.number); });
}

/// One last-level cache after the other; under each the cores before their siblings.
Units cache(const Topology& topology) {
  return sorted_by(topology,
                   [](const ProcessingUnit& u) { return std::tuple(u.cache, u.sibling, u.core, u.number); });
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

Units scatter(const Topology& topology) {
  std::map<unsigned, Units> of_node;
  for (const ProcessingUnit& unit : compact(topology)) of_node[unit.node].push_back(unit);
  const std::vector<std::size_t> nodes = distant_first(topology);
  Units order;
  for (std::size_t turn = 0; order.size() < topology.units().size(); ++turn) {
    for (const std::size_t node : nodes) {
      const Units& units = of_node[topology.nodes()[node].number];
      if (turn < units.size()) order.push_back(units[turn]);
    }
  }
  return order;
}

Numbers numbers_of(const Units& units) {
  Numbers numbers;
  for (const ProcessingUnit& unit : units) numbers.push_back(unit.number);
  return numbers;
}

Units ordered(const Topology& topology, PlacementPolicy policy) {
  switch (policy) {
    case PlacementPolicy::scatter:
      return scatter(topology);
    case PlacementPolicy::smt_last:
      return smt_last(topology);
    case PlacementPolicy::cache:
      return cache(topology);
    case PlacementPolicy::compact:
    case PlacementPolicy::none:
      break;
  }
  return compact(topology);
}

std::string usable_units(const Topology& topology) {
  return fmt::format("want units that this process may use: {}",
                     fmt::join(numbers_of(compact(topology)), ", "));
}

/// As compact has them. Throws ConfigError where there are none.
Numbers units_of_node(const Topology& topology, unsigned node, const char* key, const std::string& shown) {
  Numbers units;
  std::set<unsigned> usable;
  for (const ProcessingUnit& unit : compact(topology)) {
    usable.insert(unit.node);
    if (unit.node == node) units.push_back(unit.number);
  }
  if (!units.empty()) return units;
  throw ConfigError(key, shown,
                    fmt::format("want NUMA nodes with processing units that this process may use: {}",
                                fmt::join(usable, ", ")));
}

std::string shown(const NodeList& list) {
  return fmt::format("{}{}", list.numbers.size() == 1 ? "node:" : "nodes:", fmt::join(list.numbers, ","));
}

/// Throws ConfigError where the list does not do for so many workers.
void check_list(const Numbers& list, const Configuration& c) {
  const std::string shown = fmt::format("[{}]", fmt::join(list, ","));
  if (list.size() > c.threads + std::size_t{1}) {
    throw ConfigError(
        "placement", shown,
        fmt::format("want {} units, the workers', and at most one more, the flusher's", c.threads));
  }
  if (c.oversubscribe) return;
  if (list.size() < c.threads) {
    throw ConfigError(
        "placement", shown,
        fmt::format("want a unit for each of {} workers, or \"oversubscribe\": true", c.threads));
  }
  if (std::set<unsigned>(list.begin(), list.begin() + c.threads).size() < c.threads) {
    throw ConfigError("placement", shown, "want each worker's unit once, or \"oversubscribe\": true");
  }
}

/// Whether there are more workers than units for them. Throws ConfigError where nobody has asked for that.
bool oversubscribes(const Topology& topology, const Numbers& order, const Configuration& c) {
  const auto* nodes = std::get_if<NodeList>(&c.placement);
  const std::size_t available = nodes != nullptr ? order.size() : topology.units().size();
  if (c.threads <= available) return false;
  if (c.oversubscribe) return true;
  throw ConfigError("threads", std::to_string(c.threads),
                    fmt::format("want 1 to {}, the processing units {}that this process may use, or "
                                "\"oversubscribe\": true",
                                available, nodes != nullptr ? "of " + shown(*nodes) + " " : ""));
}

/// Chooses the flusher's unit, once the workers have theirs.
class FlusherChoice {
 public:
  FlusherChoice(const Topology& topology, const Configuration& c, const Numbers& order,
                const Placement& workers)
      : topology_(topology), c_(c), order_(order) {
    for (const auto& unit : workers.workers) {
      if (unit) busy_.push_back(*unit);
    }
  }

  std::optional<unsigned> unit() const {
    using Kind = FlusherPlacement::Kind;
    const auto* list = std::get_if<Numbers>(&c_.placement);
    if (c_.flusher.kind != Kind::next && list != nullptr && list->size() > c_.threads) {
      refuse(c_, "flusher.placement", "next, or a placement that lists no unit for the flusher");
    }
    const bool by_workers = c_.flusher.kind == Kind::own_core || c_.flusher.kind == Kind::share;
    if (by_workers && busy_.empty()) {
      refuse(c_, "flusher.placement",
             "next, node:<k> or a unit: with placement none no worker has a unit of its own");
    }
    switch (c_.flusher.kind) {
      case Kind::own_core:
        return own_core();
      case Kind::share:
        return busy_.back();
      case Kind::node:
        return of_node();
      case Kind::unit:
        if (topology_.find(c_.flusher.number) != nullptr) return c_.flusher.number;
        throw ConfigError("flusher.placement", std::to_string(c_.flusher.number), usable_units(topology_));
      case Kind::next:
        break;
    }
    if (busy_.empty()) return std::nullopt;
    return c_.threads < order_.size() ? order_[c_.threads] : order_.back();
  }

 private:
  bool is_busy(unsigned unit) const { return std::ranges::find(busy_, unit) != busy_.end(); }

  /// In the order of the placement, or else of the machine.
  unsigned own_core() const {
    std::set<unsigned> busy_cores;
    for (const unsigned unit : busy_) busy_cores.insert(topology_.find(unit)->core);
    Numbers candidates = order_;
    std::ranges::copy(numbers_of(compact(topology_)), std::back_inserter(candidates));
    for (const unsigned unit : candidates) {
      if (!busy_cores.contains(topology_.find(unit)->core)) return unit;
    }
    refuse(c_, "flusher.placement", "next or share, or fewer threads: every core has a worker");
  }

  unsigned of_node() const {
    const Numbers units = units_of_node(topology_, c_.flusher.number, "flusher.placement",
                                        shown(NodeList{{c_.flusher.number}}));
    const auto free = std::ranges::find_if(units, [&](unsigned unit) { return !is_busy(unit); });
    return free != units.end() ? *free : units.back();
  }

  const Topology& topology_;
  const Configuration& c_;
  const Numbers& order_;
  Numbers busy_;  // the workers' units
};

}  // namespace

std::vector<unsigned> unit_order(const Topology& topology, const PlacementRequest& request) {
  if (const auto* policy = std::get_if<PlacementPolicy>(&request))
    return numbers_of(ordered(topology, *policy));
  Numbers order;
  if (const auto* nodes = std::get_if<NodeList>(&request)) {
    for (const unsigned node : nodes->numbers) {
      std::ranges::copy(units_of_node(topology, node, "placement", shown(*nodes)), std::back_inserter(order));
    }
    return order;
  }
  order = std::get<Numbers>(request);
  for (const unsigned number : order) {
    if (topology.find(number) != nullptr) continue;
    throw ConfigError("placement", fmt::format("[{}]", fmt::join(order, ",")), usable_units(topology));
  }
  return order;
}

Placement place_threads(const Topology& topology, const Configuration& c) {
  const Numbers order = unit_order(topology, c.placement);
  Placement placement;
  placement.oversubscribed = oversubscribes(topology, order, c);
  if (const auto* list = std::get_if<Numbers>(&c.placement)) check_list(*list, c);
  placement.workers.resize(c.threads);
  if (c.placement != PlacementRequest(PlacementPolicy::none)) {
    for (std::size_t worker = 0; worker < c.threads; ++worker)
      placement.workers[worker] = order[worker % order.size()];
  }
  placement.flusher = FlusherChoice(topology, c, order, placement).unit();
  placement.flusher_shares_unit =
      placement.flusher && std::ranges::find(placement.workers, placement.flusher) != placement.workers.end();
  return placement;
}

}  // namespace muster
