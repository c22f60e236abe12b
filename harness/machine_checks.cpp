#include "harness/machine_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "algorithms/registry.h"
#include "harness/memory.h"
#include "harness/memory_policy.h"
#include "harness/run_directory.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

constexpr std::uint64_t kWorkerBytes = 128
                                       << 10;  // its stack as far as it is used, its latencies, its counters
constexpr std::uint64_t kFrameBytes = 16;      // what the engine keeps of a frame beside its page

std::vector<MemoryNeed> memory_needs(const Configuration& c) {
  std::vector<MemoryNeed> needs;
  if (c.workload->memory) needs = c.workload->memory(c);
  needs.push_back({"log_buffer.capacity", c.database.log_buffer.capacity});
  needs.push_back({"threads", c.threads * kWorkerBytes});
  if (c.workload->engine) needs.push_back({"engine.frames", c.database.frames * kFrameBytes});
  return needs;
}

std::string gibibytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30));
}

void check_options(const Configuration& c) {
  LogBufferOptions buffer = c.database.log_buffer;
  buffer.max_workers = c.threads;
  static_cast<void>(make_log_buffer(c.database.algorithm, buffer));
  if (!c.workload->engine) return;
  DatabaseOptions database = c.database;
  database.log_buffer.max_workers = c.threads + 1;  // as the workloads make it
  if (database.directory.empty()) database.directory = "temporary";
  check(database);
  RunDirectory::check(c.database.directory);
}

}  // namespace

void check_memory(const Configuration& c, std::uint64_t available) {
  const std::vector<MemoryNeed> needs = memory_needs(c);
  std::uint64_t all = 0;
  for (const MemoryNeed& need : needs) all += need.bytes;
  if (all <= available) return;
  const auto most = std::max_element(needs.begin(), needs.end(),
                                     [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  refuse(c, most->key,
         fmt::format("less: it takes {} of memory, the run {} at least, and {} are available",
                     gibibytes(most->bytes), gibibytes(all), gibibytes(available)));
}

void check_machine(const Configuration& c, const Topology& topology) {
  check_memory_policies(c, topology, place_threads(topology, c));
  if (!topology.is_here()) return;
  if (const auto available = available_memory()) check_memory(c, *available);  // before anything is allocated
  check_options(c);
}

}  // namespace muster
