#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "algorithms/parts/asymmetric_barrier.h"
#include "harness/commands.h"
#include "harness/fitness.h"
#include "harness/output.h"
#include "harness/perf_counters.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

/// Always good: algorithms with an asymmetric barrier run with either.
Point barrier_point() {
  return good("asymmetric barrier", AsymmetricBarrier::has_membarrier()
                                        ? "membarrier"
                                        : "exchange: the kernel refuses membarrier(2)");
}

std::vector<Point> examine(const std::filesystem::path& directory) {
  const Topology topology = Topology::this_machine();
  std::vector<Point> points;
  const auto add = [&](std::vector<Point> more) {
    points.insert(points.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  add(settings(topology));
  add(surroundings(topology));
  add(shares(topology));
  add(company());
  add({barrier_point(), counters_point(PerfCounters(hardware_events()).not_measured()),
       directory_point(directory, probe_sync(directory))});
  return points;
}

void print_lines(const std::vector<Point>& points, std::FILE* out) {
  std::size_t width = 0;
  for (const Point& point : points) width = std::max(width, point.name.size());
  for (const Point& point : points) {
    fmt::print(out, "{:<{}}  {:<7}  {}{}{}\n", point.name, width, name_of(point.verdict), point.found,
               point.remedy.empty() ? "" : "  ->  ", point.remedy);
  }
}

void print_json(const std::vector<Point>& points, bool fit, std::FILE* out) {
  Json list = Json::array();
  for (const Point& point : points) {
    list.push_back({{"name", point.name},
                    {"found", point.found},
                    {"verdict", name_of(point.verdict)},
                    {"remedy", point.remedy.empty() ? Json(nullptr) : Json(point.remedy)}});
  }
  fmt::print(out, "{}\n", Json{{"fit", fit}, {"points", std::move(list)}}.dump(2));
}

}  // namespace

void doctor_command(const std::filesystem::path& directory, bool as_json, std::FILE* out) {
  const std::vector<Point> points =
      examine(directory.empty() ? std::filesystem::temp_directory_path() : directory);
  std::vector<std::string> bad;
  for (const Point& point : points) {
    if (point.verdict == Verdict::bad) bad.push_back(point.name);
  }
  as_json ? print_json(points, bad.empty(), out) : print_lines(points, out);
  if (bad.empty()) return;
  flush_standard_output();
  throw std::runtime_error(fmt::format("not fit for measuring: {} of {} points are bad: {}", bad.size(),
                                       points.size(), fmt::join(bad, ", ")));
}

}  // namespace muster
