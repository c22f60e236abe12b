#include "harness/benchmark_threads.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <variant>

#include "harness/config.h"

namespace muster {
namespace {

using Units = std::vector<unsigned>;

nlohmann::ordered_json& document() {
  static nlohmann::ordered_json document = {{"workload", "append"}, {"algorithm", "null"}};
  return document;
}

/// What was asked for. Only the placements in it are looked at.
Configuration& asked() {
  static Configuration configuration;
  return configuration;
}

std::filesystem::path& directory() {
  static std::filesystem::path directory;
  return directory;
}

std::string in_words(const nlohmann::ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

const Topology& benchmark_machine() {
  static const Topology topology = Topology::this_machine();
  return topology;
}

void place_benchmarks(const std::string& assignment) {
  override_key(document(), assignment);
  asked() = read_configuration(document());
  const auto* list = std::get_if<Units>(&asked().placement);
  benchmark_placement(list == nullptr ? 1 : static_cast<std::uint32_t>(list->size()));  // are they all there?
}

std::string benchmark_placement() {
  return in_words(effective(asked()).at("placement"));
}

std::string benchmark_flusher_placement() {
  return in_words(effective(asked()).at("flusher").at("placement"));
}

void place_benchmark_files(const std::string& where) {
  directory() = where;
}

std::filesystem::path benchmark_directory() {
  return directory();
}

Placement benchmark_placement(std::uint32_t workers) {
  Configuration c = asked();
  c.threads = workers;
  c.oversubscribe = true;  // a run has to say so; the benchmarks measure more workers than units everywhere
  if (auto* list = std::get_if<Units>(&c.placement)) {
    list->resize(std::min(list->size(), workers + std::size_t{1}));
  }
  return place_threads(benchmark_machine(), c);
}

}  // namespace muster
