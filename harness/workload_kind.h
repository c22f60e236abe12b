#pragma once

#include <any>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/config.h"
#include "workloads/engine_run.h"
#include "workloads/workload.h"

namespace muster {

/// Memory that a run cannot do without, and the key that decides how much it is.
struct MemoryNeed {
  std::string key;
  std::uint64_t bytes = 0;
};

/// A workload as a user sees it. A new one is a class that implements Workload, a file beside append_kind.cpp that
/// fills this, and its line in workload_kinds.cpp; keys, help, checks and titles follow.
struct WorkloadKind {
  std::string_view name;     ///< also the section of its own keys
  std::string_view meaning;  ///< one line
  std::string_view title;    ///< of a picture or a table: {key} stands for the key's value
  bool engine = false;       ///< it runs on the engine: the keys of `engine` and `log` apply
  std::any options;          ///< its own, with their defaults
  std::vector<ConfigKey> keys;
  /// Throws ConfigError for what no single key can say; may be empty.
  std::function<void(const Configuration&)> check{};
  /// Beside the log buffer and the engine's frames; may be empty.
  std::function<std::vector<MemoryNeed>(const Configuration&)> memory{};
  /// `database`: the configuration's, in the run's own directory.
  std::function<std::unique_ptr<Workload>(const Configuration&, const DatabaseOptions& database)> make;
};

/// Every kind, the first one being a configuration's default.
const std::vector<WorkloadKind>& workload_kinds();

/// For a workload over the engine. `database`: the configuration's, in the run's own directory.
EngineRun engine_run(const Configuration& configuration, const DatabaseOptions& database);

/// The kind's title with the configuration's values.
std::string title_of(const Configuration& configuration);

/// Of the configuration's workload. Options is what its kind has in `options`.
template <class Options>
Options& options_of(Configuration& configuration) {
  return std::any_cast<Options&>(configuration.options);
}
template <class Options>
const Options& options_of(const Configuration& configuration) {
  return std::any_cast<const Options&>(configuration.options);
}

}  // namespace muster
