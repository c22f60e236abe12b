#include "harness/benchmark_threads.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <variant>

#include "harness/config.h"

namespace muster {
namespace {

using Units = std::vector<unsigned>;

/// What was asked for. Only the placement in it is looked at.
Configuration& asked() {
  static Configuration configuration;
  return configuration;
}

}  // namespace

const Topology& benchmark_machine() {
  static const Topology topology = Topology::this_machine();
  return topology;
}

void place_benchmarks(const std::string& placement) {
  nlohmann::ordered_json document = {{"workload", "append"}, {"algorithm", "null"}};
  override_key(document, "placement=" + placement);
  asked() = read_configuration(document);
  const auto* list = std::get_if<Units>(&asked().placement);
  benchmark_placement(list == nullptr ? 1 : static_cast<std::uint32_t>(list->size()));  // are they all there?
}

std::string benchmark_placement() {
  const nlohmann::ordered_json placement = effective(asked()).at("placement");
  return placement.is_string() ? placement.get<std::string>() : placement.dump();
}

Placement benchmark_placement(std::uint32_t workers) {
  Configuration c = asked();
  c.threads = workers;
  c.oversubscribe = true;  // a run has to say so; the benchmarks measure more workers than units everywhere
  if (auto* list = std::get_if<Units>(&c.placement)) {
    list->resize(std::min(list->size(), workers + std::size_t{1}));
  }
  return place_threads(benchmark_machine(), c);
}

}  // namespace muster
