#pragma once

#include <any>
#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "algorithms/parts/memory_placement.h"
#include "engine/database.h"
#include "workloads/arrivals.h"

namespace muster {

struct WorkloadKind;  // harness/workload_kind.h
enum class PlacementPolicy : std::uint8_t { compact, scatter, smt_last, cache, none };

/// NUMA nodes by the operating system's number: their units, node by node.
struct NodeList {
  std::vector<unsigned> numbers;
  friend bool operator==(const NodeList&, const NodeList&) = default;
};

/// A policy, nodes, or processing units by the operating system's number: the workers' and then, if there is one
/// more, the flusher's.
using PlacementRequest = std::variant<PlacementPolicy, NodeList, std::vector<unsigned>>;

/// Where the thread goes that flushes, or drains where there is no engine.
struct FlusherPlacement {
  enum class Kind : std::uint8_t {
    next,      ///< on the unit after the workers'; on the last one where none is left
    own_core,  ///< on a core without workers
    share,     ///< on the last worker's unit
    node,      ///< on a node, on a unit without a worker where there is one
    unit,
  };
  Kind kind = Kind::next;
  unsigned number = 0;  ///< of the node or the unit
};

/// Which NUMA node a region's memory is on.
struct MemoryPolicy {
  enum class Kind : std::uint8_t {
    first_touch,  ///< as the kernel likes; looked for all the same
    local,        ///< that of the thread that owns it; where none does, of the one that touches a page first
    interleave,   ///< page by page on all that have memory
    node,
  };
  Kind kind = Kind::first_touch;
  unsigned node = 0;  ///< by the operating system's number
};
std::string to_words(const MemoryPolicy& policy);

struct MemoryRequest {
  std::array<MemoryPolicy, kMemoryRegionNames.size()> regions;  ///< by MemoryRegion
  bool strict = true;                                           ///< memory that is elsewhere ends the run
  MemoryPolicy& of(MemoryRegion region) { return regions[static_cast<std::size_t>(region)]; }
  const MemoryPolicy& of(MemoryRegion region) const { return regions[static_cast<std::size_t>(region)]; }
};

/// What one run does. Every member that a user may set has its row in config_keys().
struct Configuration {
  Configuration();
  /// Of that workload, with its options' defaults.
  void use(const WorkloadKind& kind);

  const WorkloadKind* workload;
  std::any options;  ///< its own: options_of() in workload_kind.h
  std::uint32_t threads = 1;
  PlacementRequest placement = PlacementPolicy::compact;
  FlusherPlacement flusher;
  MemoryRequest memory;
  bool oversubscribe = false;
  std::uint64_t seed = 1;
  double warmup_s = 0.5;
  double window_s = 0.5;
  std::uint32_t windows = 5;
  std::uint32_t repetitions = 1;
  CommitPolicy policy = CommitPolicy::durable;
  Isolation isolation = Isolation::two_phase_locking;
  TableKind table = TableKind::btree;
  LoadOptions load;
  DatabaseOptions database;  ///< algorithm and log_buffer of it are those of every workload
};

/// Which workloads look at a key: a key that the run's workload ignores is refused.
enum class UsedBy : std::uint8_t {
  all,
  engine,  ///< those that run on the engine
  own,     ///< those that have it among their own keys
};

/// One key of the configuration. Parsing, validation, defaults and documentation all come from these rows.
struct ConfigKey {
  std::string name;  ///< dotted
  UsedBy used_by;
  std::string want;     ///< type and range, as in `want <this>`
  std::string meaning;  ///< one line
  bool required;
  /// False: not of the type or out of the range.
  std::function<bool(const nlohmann::ordered_json& value, Configuration& into)> take;
  std::function<nlohmann::ordered_json(const Configuration& from)> show;
  bool place = false;  ///< where something is, not what is measured: no part of a result's configuration
};

const std::vector<ConfigKey>& config_keys();
bool uses(const WorkloadKind& kind, const ConfigKey& key);
nlohmann::ordered_json default_of(const ConfigKey& key);
/// Throws ConfigError: `key = its value: want ...`.
[[noreturn]] void refuse(const Configuration& configuration, std::string_view key, const std::string& want);

/// Reads a file's text; `name` is what errors call it. Throws ConfigError for what is not JSON, with line and
/// column, and for a key that stands there twice.
nlohmann::ordered_json parse_json(std::string_view text, const std::string& name);

/// Applies `key=value`: the value is JSON, or else a string. Throws ConfigError.
void override_key(nlohmann::ordered_json& document, std::string_view assignment);

/// Throws ConfigError for the first thing that is wrong: an unknown or missing key, a type, a range, a
/// combination that cannot be. What depends on the machine is place_threads()' business.
Configuration read_configuration(const nlohmann::ordered_json& document);

/// The whole of it but its places, defaults filled in, as read_configuration() would take it.
nlohmann::ordered_json effective(const Configuration& configuration);

/// The command that repeats the run, whatever becomes of the files that it was read from.
std::string repeating_command(const Configuration& configuration);

/// What a user reads: every key with its range, default and meaning.
std::string describe_keys();
/// The same for a program.
nlohmann::ordered_json keys_as_json();

}  // namespace muster
