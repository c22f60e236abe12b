#pragma once

#include <algorithm>

#include "algorithms/parts/ermia_worker.h"

namespace muster {

/// ERMIA's log manager, mended: nothing above a cutoff that was read before the scan is ever returned.
///
/// Protocol    reserve, publish  as in ermia_worker.h
///             advance  cutoff = tail, read before the scan
///                      boundary = minimum of the cutoff and of the dirty LSNs
/// Progress    reserve (while the ring has room, with the processor's fetch-add as counter), publish and advance wait-free,
///             one read a worker.
/// Why it is right
///             A reservation below the cutoff was made by a fetch-add that the cutoff's load has seen, so the
///             scan finds the dirty LSN that was stored before it, or a later one of that worker. Dirty: the
///             boundary stays at or below it. Clean: the worker has published it. A slot that the scan does
///             not cover has nothing below the cutoff.
/// Ordering    as in ermia_worker.h.
/// Source      ERMIA, SIGMOD'16 (doi 10.1145/2882903.2882905), and ours: see Differs.
/// Differs     As released (ermia_released.h), the scan returns the largest clean LSN where it has found none
///             dirty, which may lie above a hole. Here it returns the cutoff then: the minimum that the
///             released scan starts from and throws away. What was published during the scan is for the next
///             one; Border-Collie's white flags are there to have it at once.
template <class Platform = NativePlatform, template <class> class Counter = HardwareCounter>
class Ermia : public ErmiaWorkers<Platform, Counter> {
  using Base = ErmiaWorkers<Platform, Counter>;
  using Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "ermia",
                                      .title = "ERMIA, mended",
                                      .source = "SIGMOD 2016, doi 10.1145/2882903.2882905",
                                      .reserve = Counter<Platform>::kFetchAdd,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .takes_counter = true};

  explicit Ermia(const LogBufferOptions& options) : Base(options) {}

  Lsn advance() {
    Lsn boundary = this->tail_before_scan();
    const std::uint32_t covered = workers_.ever_used();
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t lsn = workers_[w].lsn.load(std::memory_order_acquire);  // [lsn]
      boundary = std::min(boundary, this->value_if_dirty(lsn));
    }
    return this->found(std::max(boundary, this->last_found()));
  }
};
static_assert(LogBufferAlgorithm<Ermia<>>);

}  // namespace muster
