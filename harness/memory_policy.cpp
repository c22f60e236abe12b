#include "harness/memory_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

#include "engine/error.h"
#include "engine/types.h"
#include "harness/host_files.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

namespace fs = std::filesystem;
using Kind = MemoryPolicy::Kind;

constexpr std::uint64_t kLockTableBytes = std::uint64_t{4} << 20;
constexpr std::uint64_t kKibibyte = 1024;

std::string key_of(MemoryRegion region) {
  return fmt::format("memory.{}", kMemoryRegionNames[static_cast<std::size_t>(region)]);
}

bool has(const Configuration& c, MemoryRegion region) {
  return c.workload->engine || region == MemoryRegion::ring || region == MemoryRegion::workers;
}

/// Whether every unit that this process may use is near the same memory: then it does not matter where a thread is.
std::optional<unsigned> only_node(const Topology& topology) {
  std::optional<unsigned> only;
  for (const ProcessingUnit& unit : topology.units()) {
    const unsigned node = memory_node_of(topology, unit.number);
    if (only && *only != node) return std::nullopt;
    only = node;
  }
  return only;
}

WantedNodes local(const Configuration& c, const Topology& topology, const Placement& placement,
                  MemoryRegion region) {
  if (region == MemoryRegion::buffers || region == MemoryRegion::locks) return {Kind::local, {}};
  if (region == MemoryRegion::ring) {
    if (placement.flusher) return {Kind::local, {memory_node_of(topology, *placement.flusher)}};
    if (const auto node = only_node(topology)) return {Kind::local, {*node}};
    refuse(c, key_of(region), "node:<k> or first_touch, or a flusher.placement: the flusher is not pinned");
  }
  const bool pinned =
      std::ranges::all_of(placement.workers, [](const auto& unit) { return unit.has_value(); });
  if (!pinned && !only_node(topology))
    refuse(c, key_of(region), "first_touch, or a placement other than none: the workers are not pinned");
  return {Kind::local, {}};
}

/// What a region takes at least. Of `buffers` only what the frames may come to hold.
std::uint64_t bytes_of(const Configuration& c, MemoryRegion region) {
  switch (region) {
    case MemoryRegion::ring:
      return c.database.log_buffer.capacity;
    case MemoryRegion::buffers:
      return c.database.frames * kPageBytes;
    case MemoryRegion::locks:
      return kLockTableBytes;
    case MemoryRegion::workers:
      break;
  }
  return std::uint64_t{c.threads} * kPageBytes;
}

/// What the kernel could give on a node: free, or a file's that it would drop. Nothing where it does not say.
std::optional<std::uint64_t> available_on(unsigned node, const fs::path& root) {
  const fs::path file = root / fmt::format("sys/devices/system/node/node{}/meminfo", node);
  const auto of = [&](const char* what) -> std::optional<std::uint64_t> {
    const auto text = text_of(file, fmt::format("Node {} {}", node, what));
    return text ? std::optional(std::strtoull(text->c_str(), nullptr, 10)) : std::nullopt;
  };
  const auto free = of("MemFree");
  if (!free) return std::nullopt;
  return (*free + of("Active(file)").value_or(0) + of("Inactive(file)").value_or(0)) * kKibibyte;
}

/// The regions that are to be on one node have to fit there, together.
void check_room(const Configuration& c, const Topology& topology, const Placement& placement,
                const fs::path& root) {
  std::map<unsigned, std::uint64_t> asked;
  for (std::size_t i = 0; i < kMemoryRegionNames.size(); ++i) {
    const auto region = static_cast<MemoryRegion>(i);
    if (!has(c, region)) continue;
    const WantedNodes wanted = wanted_nodes(c, topology, placement, region);
    if (wanted.nodes.size() != 1) continue;
    asked[wanted.nodes[0]] += bytes_of(c, region);
    const auto available = available_on(wanted.nodes[0], root);
    if (!available || asked[wanted.nodes[0]] <= *available) continue;
    const auto gibibytes = [](std::uint64_t bytes) {
      return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
    };
    refuse(c, key_of(region),
           fmt::format("another policy, or less memory: {} are asked of node {}, where {} are available",
                       gibibytes(asked[wanted.nodes[0]]), wanted.nodes[0], gibibytes(*available)));
  }
}

void check_whole_huge_pages(const Configuration& c, std::uint64_t huge_page) {
  const std::uint64_t capacity = c.database.log_buffer.capacity;
  if (capacity % huge_page == 0) return;
  refuse(c, "log_buffer.capacity",
         fmt::format("a multiple of {}, this machine's huge page, or \"log_buffer.pages\": \"small\"",
                     huge_page));
}

/// The word in brackets, which is in force.
std::optional<std::string> chosen_in(const fs::path& file) {
  const std::string line = first_line(file).value_or("");
  const std::size_t open = line.find('[');
  const std::size_t close = line.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  return line.substr(open + 1, close - open - 1);
}

void check_transparent(const Configuration& c, const fs::path& root) {
  const fs::path folder = root / "sys/kernel/mm/transparent_hugepage";
  const auto huge_page = number_in(folder / "hpage_pmd_size");
  auto chosen = chosen_in(folder / "shmem_enabled");
  if (!huge_page || !chosen) {
    refuse(c, "log_buffer.pages",
           fmt::format("small or huge: this kernel has no transparent huge pages for a ring, {} is not there",
                       (folder / "shmem_enabled").string()));
  }
  // Newer kernels: a file of that size, which most often refers to the one of all sizes.
  fs::path file = folder / "shmem_enabled";
  const fs::path of_size = folder / fmt::format("hugepages-{}kB/shmem_enabled", *huge_page / kKibibyte);
  if (const auto own = chosen_in(of_size); own && *own != "inherit") {
    file = of_size;
    chosen = own;
  }
  if (*chosen == "never" || *chosen == "deny") {
    refuse(c, "log_buffer.pages",
           fmt::format("small, or as root `echo advise > {}`, which says {}", file.string(), *chosen));
  }
  check_whole_huge_pages(c, *huge_page);
}

void check_huge(const Configuration& c, const fs::path& root) {
  const auto kibibytes = number_of(root / "proc/meminfo", "Hugepagesize");
  if (!kibibytes) refuse(c, "log_buffer.pages", "small: this kernel has no huge pages");
  check_whole_huge_pages(c, *kibibytes * kKibibyte);
  const fs::path folder = root / fmt::format("sys/kernel/mm/hugepages/hugepages-{}kB", *kibibytes);
  const std::uint64_t free = number_in(folder / "free_hugepages").value_or(0);
  const std::uint64_t promised = number_in(folder / "resv_hugepages").value_or(0);
  const std::uint64_t wanted = c.database.log_buffer.capacity / (*kibibytes * kKibibyte);
  const std::uint64_t usable = free - std::min(free, promised);
  if (wanted <= usable) return;
  const std::uint64_t all = number_in(folder / "nr_hugepages").value_or(0) + wanted - usable;
  refuse(c, "log_buffer.pages",
         fmt::format("small, or {} huge pages of {} kB, of which {} are free: as root `echo {} > {}`", wanted,
                     *kibibytes, usable, all, (folder / "nr_hugepages").string()));
}

}  // namespace

std::string in_words(const Configuration& c, MemoryRegion region) {
  const MemoryPolicy& policy = c.memory.of(region);
  return fmt::format("{} = {}", key_of(region), to_words(policy));
}

std::vector<unsigned> nodes_with_memory(const Topology& topology) {
  std::vector<unsigned> with, all;
  for (const NumaNode& node : topology.nodes()) {
    all.push_back(node.number);
    if (node.memory_bytes > 0) with.push_back(node.number);
  }
  return with.empty() ? all : with;
}

unsigned memory_node_of(const Topology& topology, unsigned unit) {
  const ProcessingUnit* const known = topology.find(unit);
  const unsigned node = known == nullptr ? 0 : known->node;
  const std::vector<unsigned> with = nodes_with_memory(topology);
  const auto from = topology.find_node(node);
  if (!from || std::ranges::find(with, node) != with.end()) return node;
  return *std::ranges::min_element(
      with, {}, [&](unsigned other) { return topology.distance(*from, *topology.find_node(other)); });
}

WantedNodes wanted_nodes(const Configuration& c, const Topology& topology, const Placement& placement,
                         MemoryRegion region) {
  const MemoryPolicy& policy = c.memory.of(region);
  const std::vector<unsigned> with = nodes_with_memory(topology);
  switch (policy.kind) {
    case Kind::local:
      return local(c, topology, placement, region);
    case Kind::node:
      if (std::ranges::find(with, policy.node) != with.end()) return {Kind::node, {policy.node}};
      refuse(c, key_of(region),
             fmt::format("a NUMA node with memory that this process may use: {}", fmt::join(with, ", ")));
    case Kind::interleave:
      return {Kind::interleave, with};
    case Kind::first_touch:
      break;
  }
  return {};
}

void check_memory_policies(const Configuration& c, const Topology& topology, const Placement& placement,
                           const fs::path& root) {
  for (std::size_t i = 0; i < kMemoryRegionNames.size(); ++i) {
    if (has(c, static_cast<MemoryRegion>(i)))
      static_cast<void>(wanted_nodes(c, topology, placement, static_cast<MemoryRegion>(i)));
  }
  if (!topology.is_here()) return;  // what another machine has free, nobody here knows
  check_room(c, topology, placement, root);
  if (c.database.log_buffer.pages == RingPages::transparent) check_transparent(c, root);
  if (c.database.log_buffer.pages == RingPages::huge) check_huge(c, root);
}

}  // namespace muster
