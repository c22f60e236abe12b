#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/error.h"
#include "harness/commands.h"
#include "harness/machine_request.h"
#include "harness/memory_policy.h"
#include "harness/placement.h"
#include "harness/topology.h"
#include "harness/topology_json.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

struct NamedPolicy {
  const char* name;
  PlacementPolicy policy;
};
constexpr std::array<NamedPolicy, 4> kPolicies{{{"compact", PlacementPolicy::compact},
                                                {"scatter", PlacementPolicy::scatter},
                                                {"smt_last", PlacementPolicy::smt_last},
                                                {"cache", PlacementPolicy::cache}}};

/// What a policy comes to with so many workers.
struct Outcome {
  std::map<unsigned, unsigned> workers_of_nodes;
  std::size_t cores = 0;   // that have a worker
  std::size_t caches = 0;  // last-level
  Placement placement;
  unsigned ring_node = 0;  // where a ring is local
};

Outcome outcome(const Topology& topology, PlacementPolicy policy, std::uint32_t threads) {
  Configuration c;
  c.threads = threads;
  c.placement = policy;
  Outcome outcome;
  outcome.placement = place_threads(topology, c);
  std::set<unsigned> cores, caches;
  for (const auto& worker : outcome.placement.workers) {
    const ProcessingUnit& unit = *topology.find(*worker);
    ++outcome.workers_of_nodes[unit.node];
    cores.insert(unit.core);
    caches.insert(unit.cache);
  }
  outcome.cores = cores.size();
  outcome.caches = caches.size();
  outcome.ring_node = memory_node_of(topology, *outcome.placement.flusher);
  return outcome;
}

/// Powers of two, and all.
std::vector<std::uint32_t> shown_counts(std::size_t units) {
  std::vector<std::uint32_t> counts;
  for (std::uint32_t count = 1; count < units; count *= 2) counts.push_back(count);
  counts.push_back(static_cast<std::uint32_t>(units));
  return counts;
}

/// "0-3 8 9-11": each stretch that goes up by one.
std::string in_stretches(const std::vector<unsigned>& numbers) {
  std::string text;
  for (std::size_t begin = 0; begin < numbers.size();) {
    std::size_t end = begin + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    const std::string stretch = end - begin < 3 ? fmt::format("{}", numbers[begin])
                                                : fmt::format("{}-{}", numbers[begin], numbers[end - 1]);
    if (end - begin < 3) end = begin + 1;
    text += (text.empty() ? "" : " ") + stretch;
    begin = end;
  }
  return text;
}

Json placements_json(const Topology& topology, PlacementPolicy policy) {
  Json rows = Json::array();
  for (const std::uint32_t threads : shown_counts(topology.units().size())) {
    const Outcome result = outcome(topology, policy, threads);
    Json nodes = Json::array();
    for (const auto& [node, workers] : result.workers_of_nodes)
      nodes.push_back({{"node", node}, {"workers", workers}});
    rows.push_back({{"threads", threads},
                    {"nodes", std::move(nodes)},
                    {"cores", result.cores},
                    {"caches", result.caches},
                    {"flusher", *result.placement.flusher},
                    {"flusher_shares_unit", result.placement.flusher_shares_unit},
                    {"local_ring_node", result.ring_node}});
  }
  return rows;
}

Json to_json(const Topology& topology) {
  Json json = {{"packages", topology.packages()},
               {"cores", topology.cores()},
               {"processing_units", topology.machine_units()},
               {"units", units_json(topology)},
               {"nodes", nodes_json(topology)},
               {"nodes_with_memory", nodes_with_memory(topology)}};
  for (const auto& [name, policy] : kPolicies) json[name] = unit_order(topology, policy);
  for (const auto& [name, policy] : kPolicies) json["placements"][name] = placements_json(topology, policy);
  return json;
}

void print_nodes(const Topology& topology, std::FILE* out) {
  fmt::print(out, "\n{} packages, {} cores, {} processing units, of which this process may use {}\n",
             topology.packages(), topology.cores(), topology.machine_units(), topology.units().size());
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    const NumaNode& node = topology.nodes()[i];
    std::vector<unsigned> units, distances;
    for (const ProcessingUnit& unit : topology.units()) {
      if (unit.node == node.number) units.push_back(unit.number);
    }
    for (std::size_t j = 0; j < topology.nodes().size(); ++j) distances.push_back(topology.distance(i, j));
    fmt::print(out, "NUMA node {}: {:.1f} GiB, distances {}, units {}\n", node.number,
               static_cast<double>(node.memory_bytes) / (1 << 30), fmt::join(distances, " "),
               units.empty() ? "none" : in_stretches(units));
  }
  fmt::print(out, "memory may be asked to be on node {}\n", fmt::join(nodes_with_memory(topology), ", "));
}

void print_policies(const Topology& topology, std::FILE* out) {
  fmt::print(out, "\nThe order in which units are handed out, the flusher's behind the workers':\n");
  for (const auto& [name, policy] : kPolicies)
    fmt::print(out, "{:<9} {}\n", name, in_stretches(unit_order(topology, policy)));
  fmt::print(
      out,
      "\nWhat that comes to (memory.workers = local: each worker's on its node; memory.ring = local: the "
      "flusher's node):\n{:<9} {:>7}  {:>5}  {:>6}  {:<22}  {}\n",
      "policy", "threads", "cores", "caches", "flusher, local ring", "workers on nodes");
  for (const auto& [name, policy] : kPolicies) {
    for (const std::uint32_t threads : shown_counts(topology.units().size())) {
      const Outcome result = outcome(topology, policy, threads);
      std::string nodes;
      for (const auto& [node, workers] : result.workers_of_nodes)
        nodes += fmt::format("{}{}: {}", nodes.empty() ? "" : ", ", node, workers);
      const std::string flusher =
          fmt::format("unit {}{}, node {}", *result.placement.flusher,
                      result.placement.flusher_shares_unit ? " shared" : "", result.ring_node);
      fmt::print(out, "{:<9} {:>7}  {:>5}  {:>6}  {:<22}  {}\n", name, threads, result.cores, result.caches,
                 flusher, nodes);
    }
  }
}

}  // namespace

Topology machine_of(const MachineRequest& request) {
  if (!request.xml.empty()) return Topology::from_xml(request.xml);
  if (!request.synthetic.empty()) return Topology::synthetic(request.synthetic);
  return Topology::this_machine();
}

void topology_command(const TopologyRequest& request, std::FILE* out) {
  const Topology topology = machine_of(request.machine);
  if (!request.save.empty()) topology.save(request.save);
  if (request.json) {
    fmt::print(out, "{}\n", to_json(topology).dump(2));
    return;
  }
  for (const std::string& line : topology.tree()) fmt::print(out, "{}\n", line);
  print_nodes(topology, out);
  print_policies(topology, out);
}

}  // namespace muster
