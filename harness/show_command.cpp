#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "algorithms/registry.h"
#include "harness/commands.h"
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
  if (info.takes_counter) notes.push_back("adds to a counter");
  if (info.asymmetric_barrier) notes.push_back("takes an asymmetric barrier");
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
          {"takes_lock", info.lock_use != LockUse::none},
          {"takes_counter", info.takes_counter}};
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

}  // namespace muster
