#pragma once

#include <string>
#include <vector>

#include "algorithms/parts/ring.h"

namespace muster {

/// Where threads that meet at a busy lock join into groups, so that one of them reserves for all: what the
/// consolidating algorithms share. `Range` is what a leader tells its group; it has `begin` and `end`.
///
/// Protocol    join   add the record's size to the slot that stands open at some position; the worker that finds it
///                    empty leads its group
///             close  leader, lock held: open a spare slot at the position, let nobody else into the group
///             keep   leader, lock held: the slot joins the spares, behind
///             fill   leader: tell the members their range
///             leave  take the record's size off what is still to be filled; the last member to leave is told so
/// How slots become free
///             No worker gives a slot back: the spares are a ring in the order in which groups were closed. Before it
///             closes a group the leader makes sure that the group which used the next spare has been published.
/// Invariants  A slot stands open at one position, belongs to a group, or is spare. A group never holds more
///             than the limit that join() is given. Sizes are at least 1, so that a slot is empty exactly when
///             its byte count is 0.
/// Ordering    [slot]    filled with release, awaited with acquire: members see their range. Left with acq_rel:
///                       what the last one does comes after everybody's copy. Opened, joined and closed
///                       relaxed: that hands on nothing but the state itself.
///             [open]    which slot stands at a position: released by the leader, acquired by a worker that wants
///                       to join. The worker finds the slot open; or open no longer, and then the leader has stored
///                       another opening there or is about to: the worker waits for that relaxed, and acquires it at
///                       its next look. It may also find the slot open at another position, which is as good.
///             spares    read and written under the lock. The members' last look at a slot comes before it is
///                       reused, since they published before, which its user has acquired.
template <class Platform, class Range>
class ConsolidationArray {
  /// A slot's state: a phase in the two top bits, below it the bytes that have joined or are still to be
  /// filled.
  enum class Phase : std::uint64_t { unused = 0, open = 1, closed = 2, filling = 3 };

 public:
  class alignas(kCacheLine) Slot {
    friend ConsolidationArray;
    typename Platform::template Atomic<std::uint64_t> state_;   // [slot]
    typename Platform::template Cell<std::uint32_t> position_;  // where it stands open; under the lock
    typename Platform::template Cell<Range> range_;             // the leader writes, members read
  };

  static constexpr std::uint32_t kMaxPositions = 64;

  /// `spares`: how many groups may be closed and not yet published.
  ConsolidationArray(const LogBufferOptions& options, std::uint32_t spares)
      : positions_(checked(options.consolidation_slots)),
        slots_(positions_ + spares),
        open_(positions_),
        spares_(spares) {
    for (std::uint32_t i = 0; i < positions_ + spares; ++i) slots_[i].state_.describe("slot", i);
    for (std::uint32_t i = 0; i < positions_; ++i) {
      open_[i].opening.describe("open", i);
      open_at(i, slots_[i]);
    }
    for (std::uint32_t i = 0; i < spares; ++i) spares_[i].write({&slots_[positions_ + i], options.start});
    next_spare_.write(0);
  }

  struct Membership {
    Slot* group;
    std::uint64_t offset;  ///< bytes that had joined before; 0: the leader
  };

  Membership join(WorkerId worker, std::uint32_t size, std::uint64_t limit) {
    // Every worker begins at a place of its own, so that several slots fill where several threads arrive.
    std::uint32_t position = worker % positions_;
    for (std::uint32_t full = 0;;) {
      const std::uint64_t opening = open_[position].opening.load(std::memory_order_acquire);  // [open]
      Slot& slot = slots_[slot_index(opening)];
      std::uint64_t state = slot.state_.load(std::memory_order_relaxed);
      if (phase_of(state) != Phase::open) {  // its successor stands at this position now
        const auto another = [opening](std::uint64_t now) { return now != opening; };
        Platform::await(open_[position].opening, another, std::memory_order_relaxed, WaitFor::predecessor);
        continue;
      }
      if (bytes_of(state) + size <= limit) {
        if (slot.state_.compare_exchange(state, state + size, std::memory_order_relaxed,
                                         std::memory_order_relaxed))
          return {&slot, bytes_of(state)};
        continue;
      }
      if (++full % positions_ == 0) {
        const auto changed = [state](std::uint64_t now) { return now != state; };
        Platform::await(slot.state_, changed, std::memory_order_relaxed, WaitFor::predecessor);
      }
      position = (position + 1) % positions_;
    }
  }

  /// Lock held: what must have been published before close() is called.
  Lsn spare_from() const { return spares_[next_spare_.read()].read().published; }

  /// Leader, lock held: the bytes that have joined.
  std::uint64_t close(Slot& group) {
    open_at(group.position_.read(), *spares_[next_spare_.read()].read().slot);
    return bytes_of(group.state_.exchange(pack(Phase::closed, 0), std::memory_order_relaxed));
  }

  /// Leader, lock held: the group's range ends at `end`.
  void keep(Slot& group, Lsn end) {
    const std::uint32_t spare = next_spare_.read();
    spares_[spare].write({&group, end});
    next_spare_.write(spare + 1 == spares_.size() ? 0 : spare + 1);
  }

  /// Leader. The slot stays the group's: it is not used again before the range is published.
  void fill(Slot& group, const Range& range) {
    group.range_.write(range);
    group.state_.store(pack(Phase::filling, range.end - range.begin), std::memory_order_release);  // [slot]
  }

  /// A member: waits for its leader.
  void await_range(const Slot& group) const {
    const auto filling = [](std::uint64_t state) { return phase_of(state) == Phase::filling; };
    Platform::await(group.state_, filling, std::memory_order_acquire, WaitFor::predecessor);  // [slot]
  }

  static const Range& range(const Slot& group) { return group.range_.read(); }

  /// Leader or member, its bytes filled. True for the last, who has to publish the group.
  bool leave(Slot& group, std::uint64_t size) {
    const std::uint64_t before = group.state_.fetch_sub(size, std::memory_order_acq_rel);  // [slot]
    return bytes_of(before) == size;
  }

  /// What waits to be reserved for, at this moment: in how many slots, and how much. For tests and diagnosis.
  struct Joined {
    std::uint32_t slots = 0;
    std::uint64_t bytes = 0;
  };
  Joined joined() const {
    Joined joined;
    for (const Slot& slot : slots_) {
      const std::uint64_t state = slot.state_.load(std::memory_order_relaxed);
      if (phase_of(state) != Phase::open || bytes_of(state) == 0) continue;
      ++joined.slots;
      joined.bytes += bytes_of(state);
    }
    return joined;
  }

 private:
  struct alignas(kCacheLine) Open {
    typename Platform::template Atomic<std::uint64_t> opening;  // [open] a leader writes
  };
  struct Spare {
    Slot* slot;
    Lsn published;  // the slot is free once the boundary has come here
  };

  /// An opening: how many there have been at the position, so that no two are alike, and the slot's index.
  static constexpr std::uint32_t kIndexBits = 32;
  static constexpr std::uint32_t slot_index(std::uint64_t opening) {
    return static_cast<std::uint32_t>(opening);
  }

  static constexpr std::uint64_t pack(Phase phase, std::uint64_t bytes) {
    return (static_cast<std::uint64_t>(phase) << 62) | bytes;
  }
  static constexpr Phase phase_of(std::uint64_t state) { return static_cast<Phase>(state >> 62); }
  static constexpr std::uint64_t bytes_of(std::uint64_t state) {
    return state & ((std::uint64_t{1} << 62) - 1);
  }

  static std::uint32_t checked(std::uint32_t slots) {
    if (slots == 0 || slots > kMaxPositions) {
      reject("consolidation_slots", slots, "1 to " + std::to_string(kMaxPositions));
    }
    return slots;
  }

  /// Lock held, or nobody else there yet.
  void open_at(std::uint32_t position, Slot& slot) {
    slot.position_.write(position);
    slot.state_.store(pack(Phase::open, 0), std::memory_order_relaxed);  // carried by [open]
    const std::uint64_t last = open_[position].opening.load(std::memory_order_relaxed);
    const std::uint64_t count = (last >> kIndexBits) + 1;
    const auto index = static_cast<std::uint64_t>(&slot - slots_.data());
    open_[position].opening.store(count << kIndexBits | index, std::memory_order_release);  // [open]
  }

  const std::uint32_t positions_;
  std::vector<Slot> slots_;
  std::vector<Open> open_;
  std::vector<typename Platform::template Cell<Spare>> spares_;  // under the lock
  alignas(kCacheLine)
      typename Platform::template Cell<std::uint32_t> next_spare_;  // under the lock, at every group
};

}  // namespace muster
