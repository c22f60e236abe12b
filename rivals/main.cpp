#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "rivals/phases.h"

namespace {

using namespace muster::rivals;

const std::map<std::string, std::function<std::unique_ptr<Store>(const StoreOptions&)>>& systems() {
  static const std::map<std::string, std::function<std::unique_ptr<Store>(const StoreOptions&)>> all{
      {"muster", open_muster},
#ifdef MUSTER_ROCKSDB
      {"rocksdb", open_rocksdb},
#endif
#ifdef MUSTER_LEVELDB
      {"leveldb", open_leveldb},
#endif
  };
  return all;
}

std::uint64_t greatest_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) << 10;
}

nlohmann::json measure(const std::string& system, const std::vector<std::string>& phases,
                       const StoreOptions& store_options, const PhaseOptions& options) {
  const std::unique_ptr<Store> store = systems().at(system)(store_options);
  nlohmann::json result{{"system", system},
                        {"threads", store_options.threads},
                        {"sync", store_options.sync},
                        {"settings", store->settings()},
                        {"phases", nlohmann::json::array()}};
  Phases all(*store, store_options, options);
  for (const std::string& phase : phases) {
    nlohmann::json did = all.run(phase);
    did["said_written"] = store->written();
    did["memory_peak_bytes"] = greatest_memory();
    result["phases"].push_back(std::move(did));
  }
  store->close();
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  StoreOptions store;
  PhaseOptions options;
  std::string system;
  std::vector<std::string> phases;
  bool lists = false;
  CLI::App app(
      "Does the same to Muster's LSM tree, RocksDB or LevelDB, and prints one JSON of what it took.");
  app.add_flag("--list", lists, "print the systems that were built in");
  app.add_option("system", system, "of --list")->check(CLI::IsMember(systems()));
  app.add_option("phase", phases, "load, write, overwrite, settle, warm, read, scan; one after the other")
      ->check([](const std::string& name) { return Phases::knows(name) ? "" : "no such phase: " + name; });
  app.add_option("--directory", store.directory, "of the data; empty, or not there yet");
  app.add_option("--threads", store.threads, "clients")->check(CLI::Range(1, 256));
  app.add_option("--records", options.records, "that load and write put in")->check(CLI::PositiveNumber);
  app.add_option("--seconds", options.seconds, "of each other phase")->check(CLI::PositiveNumber);
  app.add_option("--memtable-bytes", store.memtable_bytes, "of each memtable");
  app.add_option("--cache-bytes", store.cache_bytes, "of the block cache");
  app.add_flag("--sync", store.sync, "each put is durable when it returns");
  app.add_option("--isolation", store.isolation, "of Muster's transactions");
  try {
    app.parse(argc, argv);
    if (lists) {
      for (const auto& [name, open] : systems()) std::puts(name.c_str());
      return 0;
    }
    if (system.empty() || phases.empty() || store.directory.empty())
      throw CLI::ValidationError("want a system, phases and --directory");
    if (std::filesystem::exists(store.directory) && !std::filesystem::is_empty(store.directory))
      throw CLI::ValidationError("--directory = " + store.directory.string() +
                                 ": want one that is empty or not there");
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    fmt::print(stderr, "muster_rivals: {}\n", error.what());
    return 2;
  }
  try {
    std::puts(measure(system, phases, store, options).dump().c_str());
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "muster_rivals: {}: {}\n", system, error.what());
    return 1;
  }
}
