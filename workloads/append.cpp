#include "workloads/append.h"

#include "algorithms/all.h"
#include "workloads/append_workload.h"

namespace muster {

std::unique_ptr<Workload> make_append(std::string_view algorithm, const LogBufferOptions& log_buffer,
                                      const AppendOptions& options, std::uint32_t threads,
                                      std::uint64_t seed) {
  std::unique_ptr<Workload> workload;
  with_algorithm(algorithm, log_buffer, [&](auto type) {
    using Algorithm = typename decltype(type)::type;
    workload = std::make_unique<AppendWorkload<Algorithm>>(log_buffer, options, threads, seed);
  });
  return workload;
}

}  // namespace muster
