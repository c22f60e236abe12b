#include <fmt/format.h>

#include "harness/workload_kind.h"

namespace muster {

// Each in a file of its own.
WorkloadKind append_kind();
WorkloadKind ycsb_kind();
WorkloadKind commit_kind();
WorkloadKind list_append_kind();
WorkloadKind rw_register_kind();

const std::vector<WorkloadKind>& workload_kinds() {
  static const std::vector<WorkloadKind> kinds{append_kind(), ycsb_kind(), commit_kind(), list_append_kind(),
                                               rw_register_kind()};
  return kinds;
}

Configuration::Configuration() {
  use(workload_kinds().front());
}

void Configuration::use(const WorkloadKind& kind) {
  workload = &kind;
  options = kind.options;
}

EngineRun engine_run(const Configuration& c, const DatabaseOptions& database) {
  return {.database = database,
          .table = c.table,
          .policy = c.policy,
          .isolation = c.isolation,
          .threads = c.threads,
          .seed = c.seed,
          .load = c.load};
}

std::string title_of(const Configuration& configuration) {
  std::string title(configuration.workload->title);
  for (const ConfigKey& key : config_keys()) {
    const std::string place = "{" + key.name + "}";
    const std::size_t at = title.find(place);
    if (at == std::string::npos) continue;
    const nlohmann::ordered_json value = key.show(configuration);
    title.replace(at, place.size(), value.is_string() ? value.get<std::string>() : value.dump());
  }
  return title;
}

}  // namespace muster
