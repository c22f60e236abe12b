#pragma once

#include <memory>

#include "algorithms/handoff_lock.h"
#include "algorithms/workers.h"

namespace muster {

/// Aether's consolidation array: threads that meet at a busy lock reserve as one.
///
/// Protocol    reserve  the lock is free: take it and reserve for oneself, as `mutex` does.
///                      It is busy: join one of the open slots by adding one's size to it. The first to join
///                      leads: it waits for the lock, opens a fresh slot in its own one's place, closes its
///                      own and reserves for everybody in it. The others wait for that; each copies at its
///                      own offset.
///             publish  subtract one's size from what the group has still to fill; whoever reaches zero
///                      publishes the group's end, gives the slot back and unlocks
///             advance  read what was last published
/// Progress    reserve blocking; publish and advance wait-free.
/// Invariants  The lock is held from a group's reservation to its last publish: at most one range, a group's
///             or a single thread's, is open at any time. There is one slot more than are open, and the spare
///             one belongs to the lock's holder. A group never holds more than the ring's capacity. Sizes are
///             at least 1, so that a slot is empty exactly when its byte count is 0.
/// Ordering    [slot]      its state is the only word that two members share. Opened with release, joined
///                         with acquire: the leader sees where its slot stands. Filled with release, awaited
///                         with acquire: members see the base. Left with acq_rel: the last one's publish
///                         comes after everybody's copy. Closed with release, looked at with acquire: who
///                         finds a slot closed finds its successor at its position.
///             [published] released by whoever unlocks, acquired by the drainer.
///             [open]      which slot stands at a position: relaxed, a hint. A stale one leads to a slot that
///                         is closed (the joiner moves on) or open again elsewhere (as good).
/// Source      Aether, PVLDB 3 (2010), section A.3 (the variant without decoupling, C).
/// Differs     byte counts where the paper packs counts and bytes; the pool of slots needs no list of its
///             own, since without decoupling only one group is closed at a time.
template <class Platform = NativePlatform>
class Consolidation;

namespace consolidation {

/// A slot's state: a phase in the two top bits, below it the bytes that have joined or are still to be
/// filled.
enum class Phase : std::uint64_t { unused = 0, open = 1, closed = 2, filling = 3 };

inline constexpr std::uint64_t pack(Phase phase, std::uint64_t bytes) {
  return (static_cast<std::uint64_t>(phase) << 62) | bytes;
}
inline constexpr Phase phase_of(std::uint64_t state) {
  return static_cast<Phase>(state >> 62);
}
inline constexpr std::uint64_t bytes_of(std::uint64_t state) {
  return state & ((std::uint64_t{1} << 62) - 1);
}

template <class Platform>
struct alignas(kCacheLine) Slot {
  typename Platform::template Atomic<std::uint64_t> state;   // [slot]
  typename Platform::template Cell<std::uint32_t> position;  // where it stands open; the leader reads
  typename Platform::template Cell<Lsn> begin, end;          // of the group's range; the leader writes
};

template <class Platform>
struct Worker {
  Slot<Platform>* group = nullptr;  // the slot of the open reservation; none: it is alone
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace consolidation

template <class Platform>
class Consolidation : public LogBufferBase<Platform, consolidation::Worker<Platform>> {
  using Worker = consolidation::Worker<Platform>;
  using Slot = consolidation::Slot<Platform>;
  using Phase = consolidation::Phase;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr std::uint32_t kMaxSlots = 64;
  static constexpr AlgorithmInfo info{.name = "consolidation",
                                      .title = "Consolidation array",
                                      .source = "Aether, PVLDB 3 (2010), section A.3",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free};

  explicit Consolidation(const LogBufferOptions& options)
      : Base(options),
        positions_(checked(options.consolidation_slots)),
        slots_(positions_ + 1),
        open_(positions_),
        tail_(options.start),
        published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
    spare_.write(&slots_[positions_]);
    for (std::uint32_t i = 0; i <= positions_; ++i) slots_[i].state.describe("slot", i);
    for (std::uint32_t i = 0; i < positions_; ++i) {
      open_[i].slot.describe("open", i);
      open_at(i, slots_[i]);
    }
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    self.group = nullptr;
    if (lock_.try_lock()) {
      const Lsn begin = take(size, self);
      return {begin, ring_.bytes(begin, size)};
    }
    const std::uint64_t offset = join(self, worker, size);
    if (offset == 0) {
      lead(*self.group, self);
    } else {
      const auto filling = [](std::uint64_t state) {
        return consolidation::phase_of(state) == Phase::filling;
      };
      Platform::await(self.group->state, filling, std::memory_order_acquire, WaitFor::predecessor);  // [slot]
    }
    const Lsn begin = self.group->begin.read() + offset;
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    Slot* const group = workers_[worker].group;
    Lsn end = reservation.end();
    if (group != nullptr) {
      const std::uint64_t size = reservation.bytes.size();
      const std::uint64_t before = group->state.fetch_sub(size, std::memory_order_acq_rel);  // [slot]
      if (consolidation::bytes_of(before) != size) return;  // others are still copying
      end = group->end.read();
      spare_.write(
          group);  // reopened by the next leader: until then its state, `filling` 0 bytes, lets nobody join
    }
    published_.store(end, std::memory_order_release);  // [published]
    lock_.unlock();
  }

  Lsn advance() { return this->found(published_.load(std::memory_order_acquire)); }  // [published]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

  /// What waits to be reserved for, at this moment: in how many slots, and how much. For tests and diagnosis.
  struct Joined {
    std::uint32_t slots = 0;
    std::uint64_t bytes = 0;
  };
  Joined joined() const {
    Joined joined;
    for (const Slot& slot : slots_) {
      const std::uint64_t state = slot.state.load(std::memory_order_relaxed);
      if (consolidation::phase_of(state) != Phase::open || consolidation::bytes_of(state) == 0) continue;
      ++joined.slots;
      joined.bytes += consolidation::bytes_of(state);
    }
    return joined;
  }

 private:
  struct alignas(kCacheLine) Open {
    typename Platform::template Atomic<std::uint32_t> slot;  // [open] index into slots_; a leader writes
  };

  static std::uint32_t checked(std::uint32_t slots) {
    if (slots == 0 || slots > kMaxSlots) {
      reject("consolidation_slots", slots, "1 to " + std::to_string(kMaxSlots));
    }
    return slots;
  }

  /// Lock held: the next `size` bytes.
  Lsn take(std::uint64_t size, Worker& self) {
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, self.room);
    tail_.store(begin + size, std::memory_order_relaxed);
    return begin;
  }

  /// Adds `size` to an open slot, which becomes the worker's group; returns the bytes that had joined before.
  std::uint64_t join(Worker& self, WorkerId worker, std::uint32_t size) {
    // Every worker begins at a place of its own, so that several slots fill where several threads arrive.
    std::uint32_t position = worker % positions_;
    for (std::uint32_t full = 0;;) {
      Slot& slot = slots_[open_[position].slot.load(std::memory_order_relaxed)];  // [open]
      std::uint64_t state = slot.state.load(std::memory_order_acquire);           // [slot]
      if (consolidation::phase_of(state) != Phase::open)
        continue;  // its successor stands at this position now
      if (consolidation::bytes_of(state) + size <= ring_.capacity()) {
        if (slot.state.compare_exchange(state, state + size, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {  // [slot]
          self.group = &slot;
          return consolidation::bytes_of(state);
        }
        continue;
      }
      if (++full % positions_ == 0) {
        const auto changed = [state](std::uint64_t now) { return now != state; };
        Platform::await(slot.state, changed, std::memory_order_relaxed, WaitFor::predecessor);
      }
      position = (position + 1) % positions_;
    }
  }

  /// The first of a group: reserves for all who have joined by the time the lock is free.
  void lead(Slot& group, Worker& self) {
    lock_.lock();
    open_at(group.position.read(), *spare_.read());
    const std::uint64_t joined = consolidation::bytes_of(
        group.state.exchange(consolidation::pack(Phase::closed, 0), std::memory_order_release));  // [slot]
    const Lsn begin = take(joined, self);
    group.begin.write(begin);
    group.end.write(begin + joined);
    group.state.store(consolidation::pack(Phase::filling, joined), std::memory_order_release);  // [slot]
  }

  /// Lock held, or nobody else there yet.
  void open_at(std::uint32_t position, Slot& slot) {
    slot.position.write(position);
    slot.state.store(consolidation::pack(Phase::open, 0), std::memory_order_release);  // [slot]
    open_[position].slot.store(static_cast<std::uint32_t>(&slot - slots_.data()),
                               std::memory_order_relaxed);  // [open]
  }

  const std::uint32_t positions_;
  std::vector<Slot> slots_;
  std::vector<Open> open_;
  alignas(kCacheLine) HandoffLock<Platform> lock_;
  typename Platform::template Cell<Slot*> spare_;  // the lock's holder uses
  typename Platform::template Atomic<Lsn> tail_;   // the lock's holder writes
  alignas(kCacheLine)
      typename Platform::template Atomic<Lsn> published_;  // the holder writes, the drainer reads
};
static_assert(LogBufferAlgorithm<Consolidation<>>);

}  // namespace muster
