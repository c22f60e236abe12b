// What every policy keeps on every machine, whatever it looks like.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"
#include "harness/placement.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"

namespace {

using namespace muster;
using Units = std::vector<unsigned>;

constexpr std::array kPolicies{PlacementPolicy::compact, PlacementPolicy::scatter, PlacementPolicy::smt_last,
                               PlacementPolicy::cache};

/// Nodes 0 and 1 with four cores each, of which 5 is offline and 2 forbidden; node 4 has memory and no units.
constexpr const char* kOddMachine = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
  <object type="Machine" os_index="0" cpuset="0x000000df" complete_cpuset="0x000000ff" allowed_cpuset="0x000000db" nodeset="0x00000013" complete_nodeset="0x00000013" allowed_nodeset="0x00000013" gp_index="1">
    <object type="NUMANode" os_index="4" cpuset="0x0" complete_cpuset="0x0" nodeset="0x00000010" complete_nodeset="0x00000010" gp_index="2" local_memory="4294967296"/>
    <object type="Package" os_index="0" cpuset="0x0000000f" complete_cpuset="0x0000000f" nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="3">
      <object type="NUMANode" os_index="0" cpuset="0x0000000f" complete_cpuset="0x0000000f" nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="4" local_memory="1073741824"/>
      <object type="PU" os_index="0" cpuset="0x00000001" complete_cpuset="0x00000001" nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="5"/>
      <object type="PU" os_index="1" cpuset="0x00000002" complete_cpuset="0x00000002" nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="6"/>
      <object type="PU" os_index="2" cpuset="0x00000004" complete_cpuset="0x00000004" nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="7"/>
      <object type="PU" os_index="3" cpuset="0x00000008" complete_cpuset="0x00000008" nodeset="0x00000001" complete_nodeset="0x00000001" gp_index="8"/>
    </object>
    <object type="Package" os_index="1" cpuset="0x000000d0" complete_cpuset="0x000000f0" nodeset="0x00000002" complete_nodeset="0x00000002" gp_index="9">
      <object type="NUMANode" os_index="1" cpuset="0x000000d0" complete_cpuset="0x000000f0" nodeset="0x00000002" complete_nodeset="0x00000002" gp_index="10" local_memory="0"/>
      <object type="PU" os_index="4" cpuset="0x00000010" complete_cpuset="0x00000010" nodeset="0x00000002" complete_nodeset="0x00000002" gp_index="11"/>
      <object type="PU" os_index="6" cpuset="0x00000040" complete_cpuset="0x00000040" nodeset="0x00000002" complete_nodeset="0x00000002" gp_index="12"/>
      <object type="PU" os_index="7" cpuset="0x00000080" complete_cpuset="0x00000080" nodeset="0x00000002" complete_nodeset="0x00000002" gp_index="13"/>
    </object>
  </object>
</topology>
)";

Topology odd_machine() {
  const TemporaryDirectory folder;
  const std::string path = (folder.path() / "odd.xml").string();
  std::ofstream(path) << kOddMachine;
  return Topology::from_xml(path);
}

struct DrawnMachine {
  std::string name;
  Topology topology;
};

std::vector<DrawnMachine> machines() {
  std::vector<DrawnMachine> all;
  for (const char* description : {
           "pu:1", "core:2 pu:1", "pack:2 [numa] core:64 pu:1", "pack:8 [numa] core:16 pu:2",
           "pack:2 [numa] l3:8 core:8 pu:2",                            // chiplets
           "pack:2 die:2 [numa] l3:2 core:3 pu:2",                      // clusters in a socket
           "[numa(memory=1GB)] pack:2 [numa(memory=2GB)] core:4 pu:2",  // memory for all besides
           "pack:2 [numa] core:48 pu:1(indexes=0:2:48)",                // numbered across sockets
           "pack:2 [numa(indexes=3,7)] core:2 pu:2(indexes=1,4,0,9,70,80,90,1300)",  // gaps
           "pack:4 [numa] l3:8 core:20 pu:2",                                        // 1280 units
       }) {
    all.push_back({description, Topology::synthetic(description)});
  }
  all.push_back({"odd", odd_machine()});
  return all;
}

Units numbers(const Topology& topology) {
  Units all;
  for (const ProcessingUnit& unit : topology.units()) all.push_back(unit.number);
  return all;
}

/// Whether equal values stand together.
template <class Of>
bool grouped(const Topology& topology, const Units& order, Of of) {
  std::set<unsigned> over;
  std::optional<unsigned> last;
  for (const unsigned number : order) {
    const unsigned value = of(*topology.find(number));
    if (value == last) continue;
    if (last) over.insert(*last);
    if (over.contains(value)) return false;
    last = value;
  }
  return true;
}

/// Whether a core's second unit comes after every first one of the same group.
template <class Of>
bool cores_first(const Topology& topology, const Units& order, Of group_of) {
  std::map<unsigned, unsigned> last;
  for (const unsigned number : order) {
    const ProcessingUnit& unit = *topology.find(number);
    unsigned& seen = last[group_of(unit)];
    if (unit.sibling < seen) return false;
    seen = unit.sibling;
  }
  return true;
}

std::vector<std::uint32_t> thread_counts(std::size_t units) {
  std::set<std::uint32_t> counts;
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, units / 2, units - 1, units}) {
    if (count >= 1 && count <= units) counts.insert(static_cast<std::uint32_t>(count));
  }
  return {counts.begin(), counts.end()};
}

Configuration asking(std::uint32_t threads, PlacementRequest request, FlusherPlacement flusher = {}) {
  Configuration c;
  c.threads = threads;
  c.placement = std::move(request);
  c.flusher = flusher;
  return c;
}

Units workers(const Placement& placement) {
  Units units;
  for (const auto& unit : placement.workers) units.push_back(unit.value());
  return units;
}

std::string error(const Topology& topology, const Configuration& c) {
  try {
    place_threads(topology, c);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "none";
}

const auto node_of = [](const ProcessingUnit& unit) { return unit.node; };
const auto cache_of = [](const ProcessingUnit& unit) { return unit.cache; };
const auto whole = [](const ProcessingUnit&) { return 0u; };

TEST_CASE("placement: every policy hands out each usable unit once, and no other") {
  for (const auto& [name, topology] : machines()) {
    for (const PlacementPolicy policy : kPolicies) {
      INFO(name << ", policy " << static_cast<int>(policy));
      Units order = unit_order(topology, policy);
      std::ranges::sort(order);
      CHECK(order == numbers(topology));
    }
  }
}

TEST_CASE("placement: compact keeps nodes together, cache caches, and cores come before siblings") {
  for (const auto& [name, topology] : machines()) {
    INFO(name);
    const Units compact = unit_order(topology, PlacementPolicy::compact);
    CHECK(grouped(topology, compact, node_of));
    CHECK(cores_first(topology, compact, node_of));
    const Units cache = unit_order(topology, PlacementPolicy::cache);
    CHECK(grouped(topology, cache, cache_of));
    CHECK(cores_first(topology, cache, cache_of));
    CHECK(cores_first(topology, unit_order(topology, PlacementPolicy::smt_last), whole));
  }
}

TEST_CASE("placement: under scatter no node is two units ahead of one that has more") {
  for (const auto& [name, topology] : machines()) {
    INFO(name);
    std::map<unsigned, unsigned> left, taken;
    for (const ProcessingUnit& unit : topology.units()) ++left[unit.node];
    bool even = true;
    for (const unsigned number : unit_order(topology, PlacementPolicy::scatter)) {
      const unsigned node = topology.find(number)->node;
      --left[node];
      ++taken[node];
      for (const auto& [other, more] : left) even = even && (more == 0 || taken[node] <= taken[other] + 1);
    }
    CHECK(even);
  }
}

TEST_CASE("placement: workers have units of their own, and so has the flusher while one is left") {
  for (const auto& [name, topology] : machines()) {
    for (const PlacementPolicy policy : kPolicies) {
      for (const std::uint32_t threads : thread_counts(topology.units().size())) {
        INFO(name << ", policy " << static_cast<int>(policy) << ", threads " << threads);
        const Placement placement = place_threads(topology, asking(threads, policy));
        const Units units = workers(placement);
        CHECK(std::set<unsigned>(units.begin(), units.end()).size() == threads);
        CHECK(placement.flusher_shares_unit == (threads == topology.units().size()));
        CHECK(topology.find(placement.flusher.value()) != nullptr);
      }
    }
  }
}

TEST_CASE("placement: nodes have their own units only, in the order of the list") {
  for (const auto& [name, topology] : machines()) {
    INFO(name);
    std::map<unsigned, std::uint32_t> of_node;
    for (const ProcessingUnit& unit : topology.units()) ++of_node[unit.node];
    NodeList backwards;
    for (const auto& [node, count] : of_node) {
      const Units units = workers(place_threads(topology, asking(count, NodeList{{node}})));
      CHECK(std::ranges::all_of(units, [&](unsigned unit) { return topology.find(unit)->node == node; }));
      const std::string refused = error(topology, asking(count + 1, NodeList{{node}}));
      CHECK(refused.starts_with(fmt::format("threads = {}: want 1 to {}, the processing units of node:{} ",
                                            count + 1, count, node)));
      backwards.numbers.insert(backwards.numbers.begin(), node);
    }
    const Units all = unit_order(topology, backwards);
    CHECK(all.size() == topology.units().size());
    CHECK(topology.find(all.front())->node == backwards.numbers.front());
    CHECK(grouped(topology, all, node_of));
  }
}

TEST_CASE("flusher.placement: on each machine where it was asked to be") {
  using Kind = FlusherPlacement::Kind;
  for (const auto& [name, topology] : machines()) {
    for (const std::uint32_t threads : thread_counts(topology.units().size())) {
      INFO(name << ", threads " << threads);
      const auto placed = [&](FlusherPlacement flusher) {
        return place_threads(topology, asking(threads, PlacementPolicy::smt_last, flusher));
      };
      CHECK(placed({Kind::share}).flusher == placed({Kind::share}).workers.back());
      const unsigned last = topology.units().back().number;
      CHECK(placed({Kind::unit, last}).flusher == last);
      const unsigned node = topology.units().back().node;
      CHECK(topology.find(placed({Kind::node, node}).flusher.value())->node == node);

      std::set<unsigned> cores, busy;
      for (const ProcessingUnit& unit : topology.units()) cores.insert(unit.core);
      for (const unsigned unit : workers(placed({}))) busy.insert(topology.find(unit)->core);
      const Configuration own = asking(threads, PlacementPolicy::smt_last, {Kind::own_core});
      if (busy.size() < cores.size()) {
        CHECK_FALSE(busy.contains(topology.find(place_threads(topology, own).flusher.value())->core));
      } else {
        CHECK(error(topology, own)
                  .starts_with("flusher.placement = \"own_core\": want next or share, or fewer"));
      }
    }
  }
}

TEST_CASE(
    "placement: a unit that is offline or forbidden, and a node without units, are refused with those that "
    "do") {
  const Topology topology = odd_machine();
  CHECK(numbers(topology) == Units{0, 1, 3, 4, 6, 7});
  REQUIRE(topology.nodes().size() == 3);
  for (const unsigned missing : {2u, 5u, 8u}) {
    CHECK(error(topology, asking(1, Units{missing})) ==
          fmt::format("placement = [{}]: want units that this process may use: 0, 1, 3, 4, 6, 7", missing));
    CHECK(error(topology, asking(1, PlacementPolicy::compact, {FlusherPlacement::Kind::unit, missing})) ==
          fmt::format("flusher.placement = {}: want units that this process may use: 0, 1, 3, 4, 6, 7",
                      missing));
  }
  CHECK(error(topology, asking(1, NodeList{{0, 4}})) ==
        "placement = nodes:0,4: want NUMA nodes with processing units that this process may use: 0, 1");
  CHECK(error(topology, asking(1, PlacementPolicy::compact, {FlusherPlacement::Kind::node, 4})) ==
        "flusher.placement = node:4: want NUMA nodes with processing units that this process may use: 0, 1");
}

TEST_CASE("flusher.placement: without units of workers, or beside a unit in the list, it is refused") {
  using Kind = FlusherPlacement::Kind;
  const Topology topology = Topology::synthetic("core:4 pu:1");
  CHECK(error(topology, asking(1, PlacementPolicy::none, {Kind::share})).starts_with("flusher.placement = "));
  CHECK(error(topology, asking(1, PlacementPolicy::none, {Kind::own_core}))
            .starts_with("flusher.placement = "));
  CHECK(place_threads(topology, asking(1, PlacementPolicy::none, {Kind::unit, 2})).flusher == 2u);
  CHECK(error(topology, asking(1, Units{0, 1}, {Kind::unit, 2}))
            .starts_with("flusher.placement = 2: want next"));
  CHECK(place_threads(topology, asking(1, Units{0}, {Kind::unit, 2})).flusher == 2u);
}

TEST_CASE("Topology: what is saved is read back alike, and a file that is none is refused") {
  const TemporaryDirectory folder;
  const std::string path = (folder.path() / "machine.xml").string();
  const Topology before = Topology::synthetic("pack:2 [numa] l3:2 core:3 pu:2");
  before.save(path);
  const Topology after = Topology::from_xml(path);
  CHECK_FALSE(after.is_here());
  CHECK(numbers(after) == numbers(before));
  CHECK(unit_order(after, PlacementPolicy::cache) == unit_order(before, PlacementPolicy::cache));
  CHECK(after.tree() == before.tree());
  std::ofstream(path) << "<html>not a topology</html>";
  CHECK_THROWS_AS(Topology::from_xml(path), ConfigError);
  CHECK_THROWS_AS(Topology::from_xml((folder.path() / "nothing.xml").string()), ConfigError);
  CHECK_THROWS_AS(Topology::synthetic("a laptop"), ConfigError);
}

}  // namespace
