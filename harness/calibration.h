#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "harness/statistics.h"
#include "harness/topology.h"

namespace muster {

// What this machine costs, below any log buffer: what `bound` is read against. Every measurement pins its threads,
// takes `seconds` about, and returns once its threads have ended. Throws std::system_error where a thread cannot be
// pinned. Called by one thread at a time.

/// Runs body(i) on a thread of its own on units[i], all from about the same moment on. Nothing runs where one of them
/// could not be pinned. What a body throws is thrown here when all have ended.
void on_units(const Topology& topology, const std::vector<unsigned>& units,
              const std::function<void(std::size_t)>& body);

/// In ns: half a round trip of a line that two threads write in turn, as published matrices have it.
Spread handoff_ns(const Topology& topology, unsigned one, unsigned other, double seconds);

enum class LineState {
  modified,  ///< the owner has written it
  shared,    ///< the owner has only read it, and memory has the same
};
/// Whether lines can be brought into the state here: for shared ones there has to be an instruction that evicts a line.
bool can_prepare(LineState state);
/// In ns: a load by `reader` of a line that `owner` has in its cache in that state.
Spread load_ns(const Topology& topology, unsigned owner, unsigned reader, LineState state, double seconds);

struct FetchAdds {
  Spread per_s;            ///< of all threads together
  double least_share = 0;  ///< of one thread in all operations of the last sample
  double most_share = 0;
};
/// Threads that add to one line, without a pause between.
FetchAdds fetch_adds(const Topology& topology, const std::vector<unsigned>& units, double seconds);

/// Bytes copied a second (each is read and written once), by threads on `units` together, from and to memory of
/// `node` (an index of topology.nodes()). Throws std::runtime_error where the memory is not on that node,
/// std::bad_alloc where there is not enough.
Spread copied_bytes_per_s(const Topology& topology, const std::vector<unsigned>& units, std::size_t node,
                          double seconds);
/// That one of so many threads copies from, and as much that it copies to.
std::size_t copied_bytes(const Topology& topology, std::size_t node, std::size_t threads);

/// In ns: a membarrier, the heavy half of an asymmetric barrier, by a thread on the first of `units` while threads on the
/// others run: each of them is interrupted. Of a machine whose kernel has it (AsymmetricBarrier::has_membarrier).
Spread membarrier_ns(const Topology& topology, const std::vector<unsigned>& units, double seconds);

/// In ns, of one thread that nobody disturbs.
struct Costs {
  Spread fetch_add;
  Spread compare_exchange;
  Spread pause;  ///< Backoff::relax()
  Spread clock;  ///< std::chrono::steady_clock::now()
};
Costs costs_ns(const Topology& topology, unsigned unit, double seconds);

/// In ns: from the notification of a thread that sleeps on a condition variable until it runs; half a round trip.
Spread wake_up_ns(const Topology& topology, unsigned one, unsigned other, double seconds);

}  // namespace muster
