#pragma once

namespace muster {

/// append/<algorithm>/bytes:<n>/real_time/threads:<t>: one iteration is one append: reserve, copy, publish. An algorithm
/// that takes a lock is there once more with each other one, as append/<algorithm>:<lock>/...
void register_append_benchmarks();

/// advance/<algorithm>/registered:<n>/... and advance/<algorithm>/outstanding:<n>/...: one iteration is one
/// advance(), and nothing else of it is inside the time.
void register_advance_benchmarks();

/// lag/<algorithm>/idle:<n>/...: one iteration is a pause and one advance(), while a worker appends; counted is what
/// had been reserved above the boundary when it returned.
void register_lag_benchmarks();

/// Where the benchmarks' threads are, in words.
constexpr const char* kBenchmarkPlacement =
    "append: worker i on the i-th unit, compact, where there are as many as workers, and the drainer on "
    "the next where there is one more; else where the scheduler puts them. "
    "advance: one thread, not pinned. lag: as append, one worker.";

}  // namespace muster
