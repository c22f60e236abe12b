#pragma once

#include <algorithm>

#include "algorithms/parts/ermia_worker.h"

namespace muster {

/// ERMIA's log manager with the scan that was released: the smallest dirty LSN, else the largest clean one.
///
/// Protocol    reserve, publish  as in ermia_worker.h
///             advance  the tail, read before the scan, and the minimum of it and of the dirty LSNs, if any
///                      is dirty; else the maximum of the clean LSNs
/// Progress    reserve (while the ring has room), publish and advance wait-free, one read a worker.
/// Unsafe      A worker that was clean when the scan passed it may reserve meanwhile, and one behind it may
///             publish above that reservation before the scan gets there. All were clean when they were
///             looked at, and the largest clean LSN lies above a hole.
/// Source      ERMIA, SIGMOD'16 (doi 10.1145/2882903.2882905), as in its repository: dbcore/sm-log-alloc.cpp,
///             smallest_tls_lsn_offset.
/// Differs     The boundary never falls. A worker that waits for room says where it begins: with its last end
///             there, the wait might never be over. Orders as in ermia_worker.h, where the repository has
///             volatile accesses: what is unsafe here is the protocol.
template <class Platform = NativePlatform>
class ErmiaReleased : public ErmiaWorkers<Platform, HardwareCounter> {
  using Base = ErmiaWorkers<Platform, HardwareCounter>;
  using Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "ermia_released",
                                      .title = "ERMIA, as released",
                                      .source = "SIGMOD 2016, doi 10.1145/2882903.2882905, sm-log-alloc.cpp",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .unsafe = true};

  explicit ErmiaReleased(const LogBufferOptions& options) : Base(options) {}

  Lsn advance() {
    bool any_dirty = false;
    Lsn smallest_dirty = this->tail_before_scan();
    Lsn largest_clean = 0;
    const std::uint32_t covered = workers_.ever_used();
    for (WorkerId w = 0; w < covered; ++w) {
      const std::uint64_t lsn = workers_[w].lsn.load(std::memory_order_acquire);  // [lsn]
      if (this->is_dirty(lsn)) {
        any_dirty = true;
        smallest_dirty = std::min(smallest_dirty, this->value(lsn));
      } else {
        largest_clean = std::max(largest_clean, this->value(lsn));
      }
    }
    return this->found(std::max(any_dirty ? smallest_dirty : largest_clean, this->last_found()));
  }
};
static_assert(LogBufferAlgorithm<ErmiaReleased<>>);

}  // namespace muster
