#include "engine/error.h"
#include "workloads/ycsb.h"

namespace muster {

std::unique_ptr<Workload> make_ycsb(const YcsbOptions&, const DatabaseOptions&, CommitPolicy, std::uint32_t, std::uint64_t) {
  throw ConfigError("workload", "ycsb", "want append: this build has no engine");
}

}  // namespace muster
