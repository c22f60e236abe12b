#pragma once

#include <algorithm>
#include <memory>
#include <string_view>
#include <vector>

#include "workloads/append_record.h"
#include "workloads/workload.h"

namespace muster {

struct AppendOptions {
  /// Sizes of the records, headers included, drawn uniformly.
  std::vector<std::uint32_t> bytes{120};
};

/// The log buffer alone: every worker appends as fast as it can; the drainer verifies what comes out and
/// gives the space back.
///
/// Every record of a safe algorithm is verified while the run is measured. Header and edges of each record
/// are looked at always; the bytes between only as long as the drainer keeps up (less than half of the ring
/// waits for it), since otherwise the figure would show the drainer's memcmp. Of an unsafe algorithm nothing
/// can be verified, and the checks say so.
///
/// The boundary's lag is what is reserved beyond the boundary each time that the boundary has moved.
std::unique_ptr<Workload> make_append(std::string_view algorithm, const LogBufferOptions& log_buffer,
                                      const AppendOptions& options, std::uint32_t threads,
                                      std::uint64_t seed);

}  // namespace muster
