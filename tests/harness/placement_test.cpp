#include "harness/placement.h"

#include <sched.h>

#include <string>
#include <thread>

#include "engine/error.h"
#include "tests/catch.h"

namespace {

using namespace muster;
using Units = std::vector<unsigned>;

// Two packages of one NUMA node, two cores each, two hardware threads a core. hwloc numbers the units of a
// synthetic machine in the tree's order: node 0 has cores {0,1} {2,3}, node 1 has {4,5} {6,7}.
constexpr const char* kTwoNodes = "pack:2 [numa] core:2 pu:2";

Placement place(const Topology& topology, std::uint32_t threads, PlacementRequest request,
                bool oversubscribe = false) {
  Configuration c;
  c.threads = threads;
  c.placement = std::move(request);
  c.oversubscribe = oversubscribe;
  return place_threads(topology, c);
}

Units units_of_workers(const Placement& placement) {
  Units units;
  for (const auto& unit : placement.workers) units.push_back(unit.value());
  return units;
}

std::string error(const Topology& topology, std::uint32_t threads, PlacementRequest request) {
  try {
    place(topology, threads, std::move(request));
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "none";
}

TEST_CASE("Topology: a synthetic machine is read with its nodes, cores and siblings") {
  const Topology topology = Topology::synthetic(kTwoNodes);
  CHECK(topology.packages() == 2);
  CHECK(topology.cores() == 4);
  CHECK(topology.machine_units() == 8);
  REQUIRE(topology.nodes().size() == 2);
  CHECK(topology.distance(0, 0) < topology.distance(0, 1));
  const ProcessingUnit* unit = topology.find(5);
  REQUIRE(unit != nullptr);
  CHECK(unit->node == 1);
  CHECK(unit->core == 2);
  CHECK(unit->sibling == 1);
}

TEST_CASE("compact: fills a node before the next, and its cores before their siblings") {
  CHECK(unit_order(Topology::synthetic(kTwoNodes), PlacementPolicy::compact) ==
        Units{0, 2, 1, 3, 4, 6, 5, 7});
}

TEST_CASE("scatter: goes round the nodes, cores before siblings") {
  CHECK(unit_order(Topology::synthetic(kTwoNodes), PlacementPolicy::scatter) ==
        Units{0, 4, 2, 6, 1, 5, 3, 7});
}

TEST_CASE("scatter: the next node is the most distant one") {
  // Nodes 0, 1 on package 0, nodes 2, 3 on package 1; one unit a node.
  const Topology topology = Topology::synthetic("pack:2 die:2 [numa] core:1 pu:1");
  REQUIRE(topology.nodes().size() == 4);
  CHECK(unit_order(topology, PlacementPolicy::scatter) == Units{0, 2, 1, 3});
}

TEST_CASE("placement: the flusher has the next unit after the workers'") {
  const Placement placement = place(Topology::synthetic(kTwoNodes), 3, PlacementPolicy::compact);
  CHECK(units_of_workers(placement) == Units{0, 2, 1});
  CHECK(placement.flusher == 3u);
  CHECK_FALSE(placement.flusher_shares_unit);
  CHECK_FALSE(placement.oversubscribed);
}

TEST_CASE("placement: with no unit left the flusher shares the last, and that is said") {
  const Placement placement = place(Topology::synthetic(kTwoNodes), 8, PlacementPolicy::compact);
  CHECK(placement.flusher == 7u);
  CHECK(placement.flusher_shares_unit);
  CHECK_FALSE(placement.oversubscribed);
}

TEST_CASE("placement: none pins nothing, and still counts units") {
  const Topology topology = Topology::synthetic("core:2 pu:1");
  const Placement placement = place(topology, 2, PlacementPolicy::none);
  CHECK(placement.workers == std::vector<std::optional<unsigned>>(2));
  CHECK_FALSE(placement.flusher);
  CHECK(error(topology, 3, PlacementPolicy::none) != "none");
}

TEST_CASE("placement: more workers than units go round them only when asked to") {
  const Topology topology = Topology::synthetic("core:2 pu:1");
  CHECK(
      error(topology, 3, PlacementPolicy::compact) ==
      "threads = 3: want 1 to 2, the processing units that this process may use, or \"oversubscribe\": true");
  const Placement placement = place(topology, 5, PlacementPolicy::compact, true);
  CHECK(units_of_workers(placement) == Units{0, 1, 0, 1, 0});
  CHECK(placement.oversubscribed);
  CHECK(placement.flusher_shares_unit);
}

TEST_CASE("placement: a list names the workers' units and then the flusher's") {
  const Topology topology = Topology::synthetic(kTwoNodes);
  CHECK(units_of_workers(place(topology, 2, Units{6, 1, 4})) == Units{6, 1});
  CHECK(place(topology, 2, Units{6, 1, 4}).flusher == 4u);
  CHECK(place(topology, 2, Units{6, 1}).flusher == 1u);
  CHECK(place(topology, 2, Units{6, 1}).flusher_shares_unit);
  CHECK(error(topology, 2, Units{6, 9}) ==
        "placement = [6,9]: want units that this process may use: 0, 2, 1, 3, 4, 6, 5, 7");
  CHECK(error(topology, 2, Units{6}) ==
        "placement = [6]: want a unit for each of 2 workers, or \"oversubscribe\": true");
  CHECK(error(topology, 2, Units{6, 6}) ==
        "placement = [6,6]: want each worker's unit once, or \"oversubscribe\": true");
  CHECK(error(topology, 1, Units{1, 2, 3}).starts_with("placement = [1,2,3]: want 1 units"));
}

TEST_CASE("Topology: a thread that is pinned is found where it was pinned") {
  const Topology topology = Topology::this_machine();
  REQUIRE_FALSE(topology.units().empty());
  for (const ProcessingUnit& unit : topology.units()) {
    unsigned found = ~0u;
    int running_on = -1;
    std::thread([&] {
      found = topology.pin_this_thread(unit.number);
      running_on = ::sched_getcpu();
    }).join();
    CHECK(found == unit.number);
    CHECK(running_on == static_cast<int>(unit.number));
  }
}

TEST_CASE("Topology: a thread that is freed, and what it starts, may run on every unit again") {
  const Topology topology = Topology::this_machine();
  int allowed = 0;
  std::thread([&] {
    topology.pin_this_thread(topology.units().front().number);
    topology.unpin_this_thread();
    std::thread([&] {
      ::cpu_set_t set;
      CPU_ZERO(&set);
      if (::sched_getaffinity(0, sizeof set, &set) == 0) allowed = CPU_COUNT(&set);
    }).join();
  }).join();
  CHECK(allowed == static_cast<int>(topology.units().size()));
}

TEST_CASE("Topology: a pin to a unit that is not there is an error") {
  const Topology topology = Topology::this_machine();
  std::string what;
  std::thread([&] {
    try {
      topology.pin_this_thread(100'000);
    } catch (const std::exception& e) {
      what = e.what();
    }
  }).join();
  CHECK(what.find("100000") != std::string::npos);
}

TEST_CASE("Topology: what taskset leaves out is not handed out") {
  std::vector<unsigned> numbers;
  std::thread([&] {
    cpu_set_t before;
    ::sched_getaffinity(0, sizeof before, &before);
    int last = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &before)) last = cpu;
    }
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(static_cast<std::size_t>(last), &only);
    ::sched_setaffinity(0, sizeof only, &only);
    numbers = unit_order(Topology::this_machine(), PlacementPolicy::compact);
    numbers.push_back(static_cast<unsigned>(last));
  }).join();
  REQUIRE(numbers.size() == 2);
  CHECK(numbers[0] == numbers[1]);
}

}  // namespace
