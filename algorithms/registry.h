#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "algorithms/log_buffer.h"

namespace muster {

/// Every algorithm, in the order of algorithms/all.h.
std::span<const AlgorithmInfo> algorithms();

/// The locks that an algorithm may have which hands its lock on, and why: as in `want <this>`.
std::string locks_of(const AlgorithmInfo& info);

/// The counter that an algorithm has where no record adds to one, and why: as in `want <this>`.
std::string counters_of(const AlgorithmInfo& info);

/// Of a log buffer that takes an asymmetric barrier, with these options on this kernel: membarrier or exchange. Throws
/// std::invalid_argument where membarrier is asked for and there is none.
AsymmetricBarrierKind barrier_used(const LogBufferOptions& options);

/// Throws std::invalid_argument: an unknown name (the message lists the known ones), or an option out of
/// range (it names the option, the value and what would do).
std::unique_ptr<LogBuffer> make_log_buffer(std::string_view name, const LogBufferOptions& options);

}  // namespace muster
