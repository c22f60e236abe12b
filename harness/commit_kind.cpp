#include "workloads/commit.h"

#include "harness/config_rows.h"
#include "harness/workload_kind.h"

namespace muster {

WorkloadKind commit_kind() {
  return {
      .name = "commit",
      .meaning = "the engine where nothing but the log is shared: each worker updates a record of its own",
      .title = "commits of one update of {commit.value_bytes} bytes, {engine.policy}, log on {log.device}",
      .engine = true,
      .options = CommitOptions{},
      .keys = {integer(
          "commit.value_bytes", UsedBy::own,
          [](auto& c) -> auto& { return options_of<CommitOptions>(c).value_bytes; }, CommitOptions::kMinBytes,
          CommitOptions::kMaxBytes, "bytes of the value that a transaction updates")},
      .make = [](const Configuration& c, const DatabaseOptions& database) {
        return make_commit(options_of<CommitOptions>(c), engine_run(c, database));
      }};
}

}  // namespace muster
