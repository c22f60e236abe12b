#include "harness/benchmark_threads.h"

#include "harness/placement.h"

namespace muster {

const Topology& benchmark_machine() {
  static const Topology topology = Topology::this_machine();
  return topology;
}

std::optional<unsigned> benchmark_unit(std::size_t thread, std::size_t workers) {
  static const std::vector<unsigned> order = unit_order(benchmark_machine(), PlacementPolicy::compact);
  if (workers > order.size() || thread >= order.size()) return std::nullopt;
  return order[thread];
}

}  // namespace muster
