#include "harness/topology.h"

#include <fmt/format.h>
#include <hwloc.h>
#include <numa.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <map>
#include <stdexcept>
#include <system_error>

#include "engine/error.h"

namespace muster {
namespace {

using Bitmap = std::unique_ptr<hwloc_bitmap_s, decltype(&hwloc_bitmap_free)>;

Bitmap make_bitmap() {
  return {hwloc_bitmap_alloc(), &hwloc_bitmap_free};
}

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::unique_ptr<hwloc_topology, void (*)(hwloc_topology*)> unloaded() {
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) fail("hwloc_topology_init");
  return {topology, &hwloc_topology_destroy};
}

unsigned number_of(hwloc_topology_t topology, hwloc_obj_type_t type) {
  return static_cast<unsigned>(std::max(0, hwloc_get_nbobjs_by_type(topology, type)));
}

std::uint64_t cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
  const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
  return cache == nullptr ? 0 : cache->attr->cache.size;
}

/// The node that is closest: attached to the smallest part of the machine that the unit is in.
unsigned node_of(hwloc_obj_t pu) {
  for (hwloc_obj_t part = pu; part != nullptr; part = part->parent) {
    for (hwloc_obj_t memory = part->memory_first_child; memory != nullptr; memory = memory->next_sibling) {
      hwloc_obj_t node = memory;  // perhaps behind a memory-side cache
      while (node != nullptr && node->type != HWLOC_OBJ_NUMANODE) node = node->memory_first_child;
      if (node != nullptr && hwloc_bitmap_isset(node->cpuset, pu->os_index) != 0) return node->os_index;
    }
  }
  return static_cast<unsigned>(std::max(0, hwloc_bitmap_first(pu->nodeset)));
}

/// The largest data cache above the unit.
std::optional<unsigned> last_level_cache(hwloc_obj_t pu) {
  std::optional<unsigned> last;
  for (hwloc_obj_t part = pu->parent; part != nullptr; part = part->parent) {
    if (hwloc_obj_type_is_dcache(part->type) != 0) last = part->logical_index;
  }
  return last;
}

using Distances = std::unique_ptr<hwloc_distances_s, std::function<void(hwloc_distances_s*)>>;

/// Between all nodes in their order, if the topology holds them.
Distances known_distances(hwloc_topology_t topology) {
  hwloc_distances_s* found = nullptr;
  unsigned count = 1;
  const int error = hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &count, &found,
                                                HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);
  if (error != 0 || count == 0) return nullptr;
  Distances distances(found, [topology](hwloc_distances_s* d) { hwloc_distances_release(topology, d); });
  const unsigned nodes = number_of(topology, HWLOC_OBJ_NUMANODE);
  if (distances->nbobjs != nodes) return nullptr;
  for (unsigned i = 0; i < nodes; ++i) {
    if (distances->objs[i]->logical_index != i) return nullptr;
  }
  return distances;
}

std::string described(hwloc_topology_t topology, hwloc_obj_t object) {
  std::array<char, 128> text{};
  hwloc_obj_type_snprintf(text.data(), text.size(), object, 0);
  std::string line = text.data();
  if (object->os_index != HWLOC_UNKNOWN_INDEX) line += fmt::format(" {}", object->os_index);
  if (object->type == HWLOC_OBJ_NUMANODE) {
    line += fmt::format(", {:.1f} GiB", static_cast<double>(object->attr->numanode.local_memory) / (1 << 30));
  } else if (hwloc_obj_type_is_cache(object->type) != 0) {
    line += fmt::format(", {} KiB", object->attr->cache.size >> 10);
  } else if (object->type == HWLOC_OBJ_PU &&
             hwloc_bitmap_isset(hwloc_topology_get_allowed_cpuset(topology), object->os_index) == 0) {
    line += ", not allowed";
  }
  return line;
}

/// Units of one parent stand in one line.
void add_tree(hwloc_topology_t topology, hwloc_obj_t object, std::size_t depth,
              std::vector<std::string>& lines) {
  const bool units_follow = object->arity > 0 && object->first_child->type == HWLOC_OBJ_PU;
  lines.push_back(std::string(2 * depth, ' ') + described(topology, object));
  for (hwloc_obj_t child = object->memory_first_child; child != nullptr; child = child->next_sibling)
    add_tree(topology, child, depth + 1, lines);
  for (hwloc_obj_t child = object->first_child; child != nullptr; child = child->next_sibling) {
    if (units_follow) {
      lines.back() += ", " + described(topology, child);
    } else {
      add_tree(topology, child, depth + 1, lines);
    }
  }
}

}  // namespace

void Topology::Delete::operator()(hwloc_topology* topology) const {
  hwloc_topology_destroy(topology);
}

Topology::Topology(std::unique_ptr<hwloc_topology, Delete> topology) : topology_(std::move(topology)) {
  machine_units_ = number_of(topology_.get(), HWLOC_OBJ_PU);
  cores_ = std::max(1u, number_of(topology_.get(), HWLOC_OBJ_CORE));
  packages_ = std::max(1u, number_of(topology_.get(), HWLOC_OBJ_PACKAGE));
  read_units();
  read_nodes();
  read_caches();
}

Topology Topology::this_machine() {
  auto topology = unloaded();
  if (hwloc_topology_load(topology.get()) != 0) fail("hwloc_topology_load");
  return Topology(std::unique_ptr<hwloc_topology, Delete>(topology.release()));
}

Topology Topology::synthetic(const std::string& description) {
  auto topology = unloaded();
  if (hwloc_topology_set_synthetic(topology.get(), description.c_str()) != 0 ||
      hwloc_topology_load(topology.get()) != 0) {
    throw ConfigError("--synthetic", description,
                      "want a description as hwloc takes it, such as \"pack:2 [numa] l3:4 core:8 pu:2\"");
  }
  return Topology(std::unique_ptr<hwloc_topology, Delete>(topology.release()));
}

Topology Topology::from_xml(const std::string& path) {
  auto topology = unloaded();
  if (hwloc_topology_set_xml(topology.get(), path.c_str()) != 0 || hwloc_topology_load(topology.get()) != 0) {
    throw ConfigError("--xml", path, "want a file that `muster topology --save` or `lstopo` wrote as XML");
  }
  return Topology(std::unique_ptr<hwloc_topology, Delete>(topology.release()));
}

bool Topology::is_here() const {
  return hwloc_topology_is_thissystem(topology_.get()) != 0;
}

void Topology::save(const std::string& path) const {
  if (hwloc_topology_export_xml(topology_.get(), path.c_str(), 0) != 0) fail("write " + path);
}

void Topology::read_units() {
  const hwloc_topology_t topology = topology_.get();
  // hwloc has left out what cgroups forbid; what taskset forbids is this thread's own affinity.
  const Bitmap allowed = make_bitmap();
  if (!is_here() || hwloc_get_cpubind(topology, allowed.get(), HWLOC_CPUBIND_THREAD) != 0) {
    hwloc_bitmap_copy(allowed.get(), hwloc_topology_get_allowed_cpuset(topology));
  }
  std::map<unsigned, unsigned> units_of_core;
  for (hwloc_obj_t pu = nullptr; (pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu)) != nullptr;) {
    const hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
    const hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, pu);
    ProcessingUnit unit;
    unit.number = pu->os_index;
    unit.core = core == nullptr ? pu->logical_index : core->logical_index;
    unit.package = package == nullptr ? 0 : package->logical_index;
    unit.node = node_of(pu);
    unit.cache = last_level_cache(pu).value_or(unit.package);
    if (hwloc_bitmap_isset(allowed.get(), unit.number) == 0) continue;
    unit.sibling = units_of_core[unit.core]++;
    units_.push_back(unit);
  }
  if (units_.empty()) throw std::runtime_error("hwloc finds no processing unit that this process may use");
  std::sort(units_.begin(), units_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  for (std::size_t i = 0; i < units_.size(); ++i) place_of_unit_[units_[i].number] = i;
}

void Topology::read_nodes() {
  const hwloc_topology_t topology = topology_.get();
  std::vector<unsigned> package_of;
  for (hwloc_obj_t node = nullptr;
       (node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)) != nullptr;) {
    nodes_.push_back({node->os_index, node->attr->numanode.local_memory});
    const hwloc_obj_t package = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_PACKAGE, node);
    package_of.push_back(package == nullptr ? 0 : package->logical_index);
  }
  read_distances(package_of);
}

/// From the firmware, from the file that the topology came from, or guessed by package.
void Topology::read_distances(const std::vector<unsigned>& package_of) {
  const bool firmware_says = is_here() && numa_available() >= 0;
  const Distances file = is_here() ? Distances(nullptr) : known_distances(topology_.get());
  const auto known = [&](std::size_t i, std::size_t j) -> unsigned {
    if (file) return static_cast<unsigned>(file->values[i * nodes_.size() + j]);
    if (!firmware_says) return 0;
    return static_cast<unsigned>(
        numa_distance(static_cast<int>(nodes_[i].number), static_cast<int>(nodes_[j].number)));
  };
  distances_.assign(nodes_.size(), std::vector<unsigned>(nodes_.size()));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (std::size_t j = 0; j < nodes_.size(); ++j) {
      distances_[i][j] = known(i, j);
      if (distances_[i][j] == 0) distances_[i][j] = i == j ? 10 : package_of[i] == package_of[j] ? 12 : 20;
    }
  }
}

void Topology::read_caches() {
  const hwloc_topology_t topology = topology_.get();
  caches_.l1d_bytes = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
  caches_.l2_bytes = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
  caches_.l3_bytes = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
  const hwloc_obj_t l1 = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L1CACHE, 0);
  if (l1 != nullptr) caches_.line_bytes = l1->attr->cache.linesize;
  if (caches_.line_bytes == 0) {
    caches_.line_bytes = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_LEVEL1_DCACHE_LINESIZE)));
  }
}

const ProcessingUnit* Topology::find(unsigned number) const {
  const auto found = place_of_unit_.find(number);
  return found == place_of_unit_.end() ? nullptr : &units_[found->second];
}

std::optional<std::size_t> Topology::find_node(unsigned number) const {
  const auto found = std::ranges::find(nodes_, number, &NumaNode::number);
  if (found == nodes_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - nodes_.begin());
}

std::vector<std::string> Topology::tree() const {
  std::vector<std::string> lines;
  add_tree(topology_.get(), hwloc_get_root_obj(topology_.get()), 0, lines);
  return lines;
}

unsigned Topology::pin_this_thread(unsigned number) const {
  const Bitmap asked = make_bitmap();
  hwloc_bitmap_only(asked.get(), number);
  if (hwloc_set_cpubind(topology_.get(), asked.get(), HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT) != 0) {
    fail(fmt::format("pin a thread to processing unit {}", number));
  }
  const Bitmap bound = make_bitmap();
  if (hwloc_get_cpubind(topology_.get(), bound.get(), HWLOC_CPUBIND_THREAD) != 0)
    fail("read a thread's binding");
  const unsigned found = where_this_thread_runs();
  if (hwloc_bitmap_isequal(asked.get(), bound.get()) == 0 || found != number) {
    throw std::runtime_error(
        fmt::format("a thread was pinned to processing unit {} and runs on {}", number, found));
  }
  return found;
}

void Topology::unpin_this_thread() const {
  const Bitmap all = make_bitmap();
  for (const ProcessingUnit& unit : units_) hwloc_bitmap_set(all.get(), unit.number);
  if (hwloc_set_cpubind(topology_.get(), all.get(), HWLOC_CPUBIND_THREAD | HWLOC_CPUBIND_STRICT) != 0) {
    fail("unpin a thread");
  }
}

unsigned Topology::where_this_thread_runs() const {
  const Bitmap at = make_bitmap();
  if (hwloc_get_last_cpu_location(topology_.get(), at.get(), HWLOC_CPUBIND_THREAD) != 0)
    fail("find where a thread runs");
  return static_cast<unsigned>(std::max(0, hwloc_bitmap_first(at.get())));
}

}  // namespace muster
