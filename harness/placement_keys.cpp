#include "harness/placement_keys.h"

#include <charconv>
#include <limits>
#include <set>

#include "harness/config_rows.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

// The names of each enumeration, in its order: what stands in a configuration.
const Choices kPolicies{"compact", "scatter", "smt_last", "cache", "none"};
const Choices kFlusherPlaces{"next", "own_core", "share"};

const Choices kMemoryPolicies{"first_touch", "local", "interleave"};

constexpr std::string_view kNode = "node:";
constexpr std::string_view kNodes = "nodes:";

std::optional<unsigned> number_of(std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Of `node:<k>`.
std::optional<unsigned> node_of(const Json& value) {
  if (!value.is_string()) return std::nullopt;
  const std::string_view text = value.get_ref<const std::string&>();
  if (!text.starts_with(kNode)) return std::nullopt;
  return number_of(text.substr(kNode.size()));
}

/// Of `node:<k>` or `nodes:<k>,<l>`, each number once.
std::optional<NodeList> nodes_of(const Json& value) {
  if (const auto node = node_of(value)) return NodeList{{*node}};
  if (!value.is_string()) return std::nullopt;
  std::string_view text = value.get_ref<const std::string&>();
  if (!text.starts_with(kNodes)) return std::nullopt;
  text.remove_prefix(kNodes.size());
  NodeList list;
  for (bool more = true; more;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto number = number_of(text.substr(0, comma));
    if (!number) return std::nullopt;
    list.numbers.push_back(*number);
    more = comma < text.size();
    text.remove_prefix(more ? comma + 1 : comma);
  }
  const std::set<unsigned> once(list.numbers.begin(), list.numbers.end());
  if (once.size() < list.numbers.size()) return std::nullopt;
  return list;
}

std::string words_of(const NodeList& list) {
  return fmt::format("{}{}", list.numbers.size() == 1 ? kNode : kNodes, fmt::join(list.numbers, ","));
}

bool take_placement(const Json& value, Configuration& into) {
  if (auto units = whole_numbers(value, 0, std::numeric_limits<unsigned>::max())) {
    into.placement = std::move(*units);
    return true;
  }
  if (auto nodes = nodes_of(value)) {
    into.placement = std::move(*nodes);
    return true;
  }
  const std::size_t index = choice(value, kPolicies);
  if (index == kPolicies.size()) return false;
  into.placement = static_cast<PlacementPolicy>(index);
  return true;
}

Json show_placement(const Configuration& from) {
  if (const auto* policy = std::get_if<PlacementPolicy>(&from.placement)) {
    return kPolicies[static_cast<std::size_t>(*policy)];
  }
  if (const auto* nodes = std::get_if<NodeList>(&from.placement)) return words_of(*nodes);
  return std::get<std::vector<unsigned>>(from.placement);
}

bool take_flusher(const Json& value, Configuration& into) {
  using Kind = FlusherPlacement::Kind;
  if (const auto unit = whole_number(value, 0, std::numeric_limits<unsigned>::max())) {
    into.flusher = {Kind::unit, static_cast<unsigned>(*unit)};
    return true;
  }
  if (const auto node = node_of(value)) {
    into.flusher = {Kind::node, *node};
    return true;
  }
  const std::size_t index = choice(value, kFlusherPlaces);
  if (index == kFlusherPlaces.size()) return false;
  into.flusher = {static_cast<Kind>(index)};
  return true;
}

Json show_flusher(const Configuration& from) {
  using Kind = FlusherPlacement::Kind;
  if (from.flusher.kind == Kind::unit) return from.flusher.number;
  if (from.flusher.kind == Kind::node) return words_of({{from.flusher.number}});
  return kFlusherPlaces[static_cast<std::size_t>(from.flusher.kind)];
}

bool take_memory(const Json& value, MemoryPolicy& into) {
  using Kind = MemoryPolicy::Kind;
  if (const auto node = node_of(value)) {
    into = {Kind::node, *node};
    return true;
  }
  const std::size_t index = choice(value, kMemoryPolicies);
  if (index == kMemoryPolicies.size()) return false;
  into = {static_cast<Kind>(index)};
  return true;
}

}  // namespace

std::string to_words(const MemoryPolicy& policy) {
  if (policy.kind == MemoryPolicy::Kind::node) return words_of({{policy.node}});
  return std::string(kMemoryPolicies[static_cast<std::size_t>(policy.kind)]);
}

ConfigKey placement_key() {
  return {
      "placement",
      UsedBy::all,
      "one of " + one_of(kPolicies) +
          ", \"node:<k>\", \"nodes:<k>,<l>\" of NUMA nodes, or a list of processing units, the workers' "
          "first",
      "where threads are pinned: compact fills a NUMA node before the next and cores before their SMT "
      "siblings; scatter goes round the nodes, distant ones first; smt_last fills all cores of the machine "
      "before any sibling; cache fills a last-level cache before the next; nodes are filled as compact does",
      false,
      take_placement,
      show_placement};
}

ConfigKey flusher_placement_key() {
  return {
      "flusher.placement",
      UsedBy::all,
      "one of " + one_of(kFlusherPlaces) + ", \"node:<k>\" of a NUMA node, or a processing unit",
      "where the flusher is pinned, or the drainer of a workload without an engine: next has the unit after "
      "the workers', or shares the last; own_core a core without workers; share the last worker's unit; a "
      "node's unit has no worker where one is free",
      false,
      take_flusher,
      show_flusher};
}

ConfigKey memory_key(MemoryRegion region, UsedBy used_by, const std::string& what) {
  return {
      fmt::format("memory.{}", kMemoryRegionNames[static_cast<std::size_t>(region)]),
      used_by,
      "one of " + one_of(kMemoryPolicies) + ", or \"node:<k>\" of a NUMA node",
      "the NUMA node of " + what,
      false,
      [region](const Json& value, Configuration& into) { return take_memory(value, into.memory.of(region)); },
      [region](const Configuration& from) { return Json(to_words(from.memory.of(region))); }};
}

}  // namespace muster
