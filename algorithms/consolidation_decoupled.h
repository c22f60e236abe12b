#pragma once

#include <algorithm>

#include "algorithms/parts/consolidating.h"

namespace muster {

/// Consolidation array and decoupled fill together: threads that meet at a busy lock reserve as one, and the
/// lock covers the reservation alone.
///
/// Protocol    reserve  with the lock: move the tail, alone or as a group's leader (consolidating.h); let it go
///             publish  alone, or the last of a group: wait until everything below the range is published,
///                      then publish up to its end
///             advance  read what was last published
/// Progress    reserve blocking; publish blocking, in LSN order; advance wait-free.
/// Why no worker waits for ever
///             The lock's holder may wait for room and for a spare slot. Workers need no lock to publish ranges
///             that are taken, so that the boundary reaches the holder's begin whatever the holder waits for. A
///             group never holds more than the ring, so that the holder then has room.
/// Invariants  Several groups fill at once. A group that is closed and not published has a member that has not
///             come back from publish(), so that a spare slot for each worker is enough: the leader that needs
///             the next spare finds that the group which used it is published.
/// Ordering    [published] released by the range's owner, acquired by its successor, by the drainer, and by
///                         the leader that reuses a slot: its members have seen the last of it.
/// Source      Aether, PVLDB 3 (2010), section 5.3, consolidation with decoupled fill (CD).
/// Differs     the published boundary says which slots are free, where the authors' code marks each; room is
///             awaited under the lock, so that the threads that come meanwhile meet in groups.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class ConsolidationDecoupled;

namespace consolidation_decoupled {

template <class Platform>
struct Locked {
  typename Platform::template Cell<Lsn> known_published;  // what a holder has acquired
};

template <class Platform, template <class> class Lock>
using Base = Consolidating<ConsolidationDecoupled<Platform, Lock>, Platform, Lock, ConsolidatedRange,
                           Locked<Platform>>;

}  // namespace consolidation_decoupled

template <class Platform, template <class> class Lock>
class ConsolidationDecoupled : public consolidation_decoupled::Base<Platform, Lock> {
  using Base = consolidation_decoupled::Base<Platform, Lock>;
  using Base::array_, Base::lock_, Base::locked_, Base::published_;
  friend Base;

 public:
  static constexpr AlgorithmInfo info{.name = "consolidation_decoupled",
                                      .title = "Consolidation, decoupled",
                                      .source = "Aether, PVLDB 3 (2010), section 5.3",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::handed_on};

  explicit ConsolidationDecoupled(const LogBufferOptions& options) : Base(options, options.max_workers) {
    locked_.known_published.write(options.start);
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    const ConsolidatedRange* const range = this->filled(worker, reservation);
    if (range == nullptr) return;
    const Lsn begin = range->begin, end = range->end;
    const auto my_turn = [begin](Lsn published) { return published == begin; };
    Platform::await(published_, my_turn, std::memory_order_acquire, WaitFor::predecessor);  // [published]
    published_.store(end, std::memory_order_release);                                       // [published]
  }

 private:
  /// The line that every publisher writes is read once in as many groups as there are spares.
  void before_closing() {
    const Lsn upto = array_.spare_from();
    if (upto <= locked_.known_published.read()) return;
    const Lsn published = published_.load(std::memory_order_acquire);  // [published]
    locked_.known_published.write(std::max(published, upto));
    if (upto <= published) return;
    const auto is_reached = [upto](Lsn now) { return now >= upto; };
    Platform::await(published_, is_reached, std::memory_order_acquire, WaitFor::predecessor);  // [published]
  }

  void taken() { lock_.unlock(); }
};
static_assert(LogBufferAlgorithm<ConsolidationDecoupled<>>);

}  // namespace muster
