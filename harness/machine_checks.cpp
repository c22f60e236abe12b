#include "harness/machine_checks.h"

#include "algorithms/registry.h"
#include "harness/run_directory.h"

namespace muster {

void check_machine(const Configuration& c, const Topology& topology) {
  static_cast<void>(place_threads(topology, c));
  LogBufferOptions buffer = c.database.log_buffer;
  buffer.max_workers = c.threads;
  static_cast<void>(make_log_buffer(c.database.algorithm, buffer));
  if (c.workload == WorkloadKind::append) return;
  DatabaseOptions database = c.database;
  if (database.directory.empty()) database.directory = "temporary";
  check(database);
  RunDirectory::check(c.database.directory);
}

}  // namespace muster
