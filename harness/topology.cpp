#include "harness/topology.h"

#include <fmt/format.h>
#include <hwloc.h>
#include <numa.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <stdexcept>
#include <system_error>

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
  if (hwloc_topology_set_synthetic(topology.get(), description.c_str()) != 0)
    fail("synthetic topology " + description);
  if (hwloc_topology_load(topology.get()) != 0) fail("hwloc_topology_load");
  return Topology(std::unique_ptr<hwloc_topology, Delete>(topology.release()));
}

void Topology::read_units() {
  const hwloc_topology_t topology = topology_.get();
  // hwloc has left out what cgroups forbid; what taskset forbids is this thread's own affinity.
  const Bitmap allowed = make_bitmap();
  const bool real = hwloc_topology_is_thissystem(topology) != 0;
  if (!real || hwloc_get_cpubind(topology, allowed.get(), HWLOC_CPUBIND_THREAD) != 0) {
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
    unit.node = static_cast<unsigned>(std::max(0, hwloc_bitmap_first(pu->nodeset)));
    unit.sibling = units_of_core[unit.core]++;
    if (hwloc_bitmap_isset(allowed.get(), unit.number) != 0) units_.push_back(unit);
  }
  if (units_.empty()) throw std::runtime_error("hwloc finds no processing unit that this process may use");
  std::sort(units_.begin(), units_.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
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
  const bool firmware_says = hwloc_topology_is_thissystem(topology) != 0 && numa_available() >= 0;
  distances_.assign(nodes_.size(), std::vector<unsigned>(nodes_.size()));
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    for (std::size_t j = 0; j < nodes_.size(); ++j) {
      int distance = firmware_says ? numa_distance(static_cast<int>(nodes_[i].number),
                                                   static_cast<int>(nodes_[j].number))
                                   : 0;
      if (distance == 0) distance = i == j ? 10 : package_of[i] == package_of[j] ? 12 : 20;
      distances_[i][j] = static_cast<unsigned>(distance);
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
  const auto found =
      std::find_if(units_.begin(), units_.end(), [&](const auto& unit) { return unit.number == number; });
  return found == units_.end() ? nullptr : &*found;
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
