#include "harness/topology_json.h"

#include <utility>

namespace muster {

using Json = nlohmann::ordered_json;

Json units_json(const Topology& topology) {
  Json units = Json::array();
  for (const ProcessingUnit& unit : topology.units()) {
    units.push_back({{"number", unit.number},
                     {"package", unit.package},
                     {"node", unit.node},
                     {"core", unit.core},
                     {"cache", unit.cache},
                     {"sibling", unit.sibling}});
  }
  return units;
}

Json nodes_json(const Topology& topology) {
  Json nodes = Json::array();
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    Json distances = Json::array();
    for (std::size_t j = 0; j < topology.nodes().size(); ++j) distances.push_back(topology.distance(i, j));
    const NumaNode& node = topology.nodes()[i];
    nodes.push_back(
        {{"number", node.number}, {"memory_bytes", node.memory_bytes}, {"distances", std::move(distances)}});
  }
  return nodes;
}

}  // namespace muster
