#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct hwloc_topology;

namespace muster {

/// A hardware thread, by the operating system's number, and where it is.
struct ProcessingUnit {
  unsigned number = 0;
  unsigned package = 0;
  unsigned node = 0;     ///< NUMA node, by the operating system's number
  unsigned core = 0;     ///< over the whole machine
  unsigned cache = 0;    ///< last-level, over the whole machine; the package's number where no cache is known
  unsigned sibling = 0;  ///< among those of its core's units that this process may use, from 0
};

struct NumaNode {
  unsigned number = 0;
  std::uint64_t memory_bytes = 0;  ///< 0: it has none, or nobody says how much
};

struct CacheSizes {
  std::uint64_t line_bytes = 0;
  std::uint64_t l1d_bytes = 0;  ///< of one cache, 0 where unknown
  std::uint64_t l2_bytes = 0;
  std::uint64_t l3_bytes = 0;
};

/// The machine as hwloc sees it, restricted to what this process may use.
class Topology {
 public:
  static Topology this_machine();
  /// Another machine, where nothing can be pinned: hwloc's synthetic description, such as "pack:2 [numa] core:4 pu:2".
  /// Throws ConfigError.
  static Topology synthetic(const std::string& description);
  /// Another machine, from what save() or lstopo wrote there. Throws ConfigError.
  static Topology from_xml(const std::string& path);

  /// Whether it is the machine that this process runs on.
  bool is_here() const;
  /// Writes hwloc's XML. Throws std::system_error.
  void save(const std::string& path) const;

  /// Those that this process may run on, in the order of their numbers.
  const std::vector<ProcessingUnit>& units() const { return units_; }
  const std::vector<NumaNode>& nodes() const { return nodes_; }
  const CacheSizes& caches() const { return caches_; }
  /// Of the machine, whether or not this process may use them all.
  unsigned machine_units() const { return machine_units_; }
  unsigned cores() const { return cores_; }
  unsigned packages() const { return packages_; }

  /// How far memory is, 10 for a node's own, by nodes() index: what the firmware says, or else a guess by
  /// package.
  unsigned distance(std::size_t from_node, std::size_t to_node) const {
    return distances_[from_node][to_node];
  }

  const ProcessingUnit* find(unsigned number) const;
  /// By nodes(); nothing where there is no such node.
  std::optional<std::size_t> find_node(unsigned number) const;
  /// The machine as lines of text, each object indented below the one that it is part of.
  std::vector<std::string> tree() const;

  /// Binds the calling thread to one unit and reads back where it runs. Throws std::system_error, or
  /// std::runtime_error where it was found elsewhere.
  unsigned pin_this_thread(unsigned number) const;
  /// Lets the calling thread run on all units() again. Throws std::system_error.
  void unpin_this_thread() const;
  /// The unit that the calling thread ran on last.
  unsigned where_this_thread_runs() const;

 private:
  struct Delete {
    void operator()(hwloc_topology* topology) const;
  };
  explicit Topology(std::unique_ptr<hwloc_topology, Delete> topology);
  void read_units();
  void read_nodes();
  void read_distances(const std::vector<unsigned>& package_of);
  void read_caches();

  std::unique_ptr<hwloc_topology, Delete> topology_;
  std::map<unsigned, std::size_t> place_of_unit_;  // in units_, by number
  std::vector<ProcessingUnit> units_;
  std::vector<NumaNode> nodes_;
  std::vector<std::vector<unsigned>> distances_;
  CacheSizes caches_;
  unsigned machine_units_ = 0;
  unsigned cores_ = 0;
  unsigned packages_ = 0;
};

}  // namespace muster
