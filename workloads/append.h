#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "workloads/append_record.h"
#include "workloads/workload.h"

namespace muster {

struct AppendOptions {
  /// Sizes of the records, headers included, drawn uniformly.
  std::vector<std::uint32_t> bytes{120};
  /// Workers beside those that append: attached, with one record each, and idle until the others have stopped.
  std::uint32_t idle_workers = 0;
  /// How long worker 0 sleeps between writing and publishing each of its records; 0: it does not.
  std::chrono::microseconds straggler{0};
};

/// The log buffer alone: every worker appends as fast as it can; a drainer gives the space back (append_drainer.h).
///
/// In the warm-up the drainer compares every record byte by byte. In the windows it reads none, or the figure would
/// show its comparing; what is compared there are the LSNs that were handed out, which have to tile the log. When the
/// workers have left, it compares what the ring still holds, in the order of each worker, up to the last record.
/// So the bytes of records that were overwritten in the windows are never looked at. Of an unsafe algorithm nothing
/// is verified, and the checks say so.
///
/// The boundary's lag is what is reserved beyond the boundary when a look of the drainer ends. Looks that found
/// nothing to do are left out: nothing reserved, and the boundary where it was.
std::unique_ptr<Workload> make_append(std::string_view algorithm, const LogBufferOptions& log_buffer,
                                      const AppendOptions& options, std::uint32_t threads,
                                      std::uint64_t seed);

}  // namespace muster
