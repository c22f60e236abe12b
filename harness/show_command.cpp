#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "algorithms/registry.h"
#include "harness/commands.h"
#include "harness/config.h"
#include "harness/placement.h"
#include "harness/topology.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

const Row kListHead{"name", "title", "reserve", "publish", "advance", "notes", "source"};

std::string notes(const AlgorithmInfo& info) {
  std::vector<std::string_view> notes;
  if (info.unsafe) notes.push_back("unsafe");
  if (info.stalls_on_idle) notes.push_back("stalls on idle");
  if (info.lock_use != LockUse::none) notes.push_back("takes a lock");
  return fmt::format("{}", fmt::join(notes, ", "));
}

Row row(const AlgorithmInfo& info) {
  return {std::string(info.name),
          std::string(info.title),
          std::string(to_string(info.reserve)),
          std::string(to_string(info.publish)),
          std::string(to_string(info.advance)),
          notes(info),
          std::string(info.source)};
}

void print_table(const std::vector<Row>& rows, std::FILE* out) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    fmt::print(out, "{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
  }
}

void print_markdown(const std::vector<Row>& rows, std::FILE* out) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    fmt::print(out, "| {} |\n", fmt::join(rows[i], " | "));
    if (i == 0) fmt::print(out, "|{}\n", fmt::join(std::vector<std::string>(rows[0].size(), "---|"), ""));
  }
}

Json to_json(const AlgorithmInfo& info) {
  return {{"name", info.name},
          {"title", info.title},
          {"source", info.source},
          {"progress",
           {{"reserve", to_string(info.reserve)},
            {"publish", to_string(info.publish)},
            {"advance", to_string(info.advance)}}},
          {"unsafe", info.unsafe},
          {"stalls_on_idle", info.stalls_on_idle},
          {"takes_lock", info.lock_use != LockUse::none}};
}

Json to_json(const Topology& topology) {
  Json units = Json::array();
  for (const ProcessingUnit& unit : topology.units()) {
    units.push_back({{"number", unit.number},
                     {"package", unit.package},
                     {"node", unit.node},
                     {"core", unit.core},
                     {"sibling", unit.sibling}});
  }
  Json nodes = Json::array();
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    Json distances = Json::array();
    for (std::size_t j = 0; j < topology.nodes().size(); ++j) distances.push_back(topology.distance(i, j));
    const NumaNode& node = topology.nodes()[i];
    nodes.push_back(
        {{"number", node.number}, {"memory_bytes", node.memory_bytes}, {"distances", std::move(distances)}});
  }
  return {{"packages", topology.packages()},
          {"cores", topology.cores()},
          {"processing_units", topology.machine_units()},
          {"units", std::move(units)},
          {"nodes", std::move(nodes)},
          {"compact", unit_order(topology, PlacementPolicy::compact)},
          {"scatter", unit_order(topology, PlacementPolicy::scatter)}};
}

}  // namespace

void list_command(ListFormat format, std::FILE* out) {
  if (format == ListFormat::json) {
    Json list = Json::array();
    for (const AlgorithmInfo& info : algorithms()) list.push_back(to_json(info));
    fmt::print(out, "{}\n", list.dump(2));
    return;
  }
  std::vector<Row> rows{kListHead};
  for (const AlgorithmInfo& info : algorithms()) rows.push_back(row(info));
  format == ListFormat::markdown ? print_markdown(rows, out) : print_table(rows, out);
}

void list_workloads_command(bool as_json, std::FILE* out) {
  Json list = Json::array();
  std::vector<Row> rows{{"name", "meaning"}};
  for (const WorkloadKind& kind : workload_kinds()) {
    list.push_back(
        {{"name", kind.name}, {"meaning", kind.meaning}, {"engine", kind.engine}, {"title", kind.title}});
    rows.push_back({std::string(kind.name), std::string(kind.meaning)});
  }
  as_json ? fmt::print(out, "{}\n", list.dump(2)) : print_table(rows, out);
}

void topology_command(bool as_json, std::FILE* out) {
  const Topology topology = Topology::this_machine();
  if (as_json) {
    fmt::print(out, "{}\n", to_json(topology).dump(2));
    return;
  }
  fmt::print(out, "{} packages, {} cores, {} processing units, of which this process may use {}\n",
             topology.packages(), topology.cores(), topology.machine_units(), topology.units().size());
  for (std::size_t i = 0; i < topology.nodes().size(); ++i) {
    const NumaNode& node = topology.nodes()[i];
    fmt::print(out, "NUMA node {}: {:.1f} GiB, distances", node.number,
               static_cast<double>(node.memory_bytes) / (1 << 30));
    for (std::size_t j = 0; j < topology.nodes().size(); ++j) fmt::print(out, " {}", topology.distance(i, j));
    fmt::print(out, "\n");
  }
  std::vector<Row> rows{{"unit", "package", "node", "core", "sibling"}};
  for (const ProcessingUnit& unit : topology.units()) {
    rows.push_back({std::to_string(unit.number), std::to_string(unit.package), std::to_string(unit.node),
                    std::to_string(unit.core), std::to_string(unit.sibling)});
  }
  print_table(rows, out);
  fmt::print(out, "compact  {}\nscatter  {}\n",
             fmt::join(unit_order(topology, PlacementPolicy::compact), " "),
             fmt::join(unit_order(topology, PlacementPolicy::scatter), " "));
}

}  // namespace muster
