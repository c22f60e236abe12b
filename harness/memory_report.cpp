#include "harness/memory_report.h"

#include "harness/host_files.h"
#include "harness/topology_json.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RegionFound& found, const Configuration& c) {
  Json nodes = Json::array();
  for (const auto& [node, pages] : found.pages.of_nodes) nodes.push_back({{"node", node}, {"pages", pages}});
  return {{"region", kMemoryRegionNames[static_cast<std::size_t>(found.region)]},
          {"asked", to_words(c.memory.of(found.region))},
          {"pages", found.pages.resident},
          {"looked_at", found.pages.looked_at},
          {"found", std::move(nodes)},
          {"misplaced", found.misplaced},
          {"huge_bytes", found.huge_bytes}};
}

Json to_json(const MemoryLook& look, const Configuration& c) {
  Json regions = Json::array();
  for (const RegionFound& found : look.regions) regions.push_back(to_json(found, c));
  return {{"after", look.after}, {"regions", std::move(regions)}};
}

}  // namespace

Json describe_memory(const Configuration& c, const Topology& topology, const std::vector<MemoryLook>& looks) {
  const auto balancing = number_in("/proc/sys/kernel/numa_balancing");
  Json found = Json::array();
  for (const MemoryLook& look : looks) found.push_back(to_json(look, c));
  return {{"nodes", nodes_json(topology)},
          {"automatic_balancing", balancing ? Json(*balancing != 0) : Json(nullptr)},
          {"looks", std::move(found)}};
}

}  // namespace muster
