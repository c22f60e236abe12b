#pragma once

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "algorithms/parts/workers.h"

namespace muster {

/// WiredTiger's log slots: all threads join the one active slot, and no lock stands before it.
///
/// Protocol    reserve  join the active slot: one compare-and-swap adds the record's bytes and one writer to
///                      its state; the bytes that had joined before are the record's offset. It does not fit:
///                      close the slot by a compare-and-swap, and open the next one with this record in it.
///             publish  take one writer off the slot's state
///             advance  while the oldest slot is closed and has no writers: the boundary is its end, and the
///                      slot is free. When only the active slot is left and it is not empty: close it, open
///                      the next one, and look again; some microseconds, where the first to be looked at has writers.
/// Progress    reserve blocking: a worker that closes a slot holds up all others until it has opened the next one,
///             and waits for a free slot when all are in use. publish and advance wait-free: advance retries its one
///             close when a worker joins or leaves the slot, which at most two steps a byte of it do.
/// Waits       A slot becomes part of the boundary as a whole, so a worker that waits for room holds back what others
///             have published in its slot. That is safe: no slot is longer than the ring, so the worker gets its
///             room once the boundary has reached the slot's beginning. The other records of its own slot do not
///             matter for that.
/// Invariants  Slots are numbered in the order of opening, number n is n mod pool, and each begins where the
///             one before ended. At most one of them is open. The worker that closes it, and no other, opens the next,
///             once the closed one has been announced as active: a thread that last looked a lap ago
///             may find it open, join and close it before that. A slot stays closed until advance() has freed
///             it, and slots are freed in order, so that the next is free unless the whole pool is in use.
///             advance() closes a slot only when all before it are free, and so never waits for one.
/// Ordering    [slot]   its state. Opened with release, joined with acquire: a joiner knows where the slot begins.
///                      Left with release, looked at by the drainer with acquire: every copy in a slot without
///                      writers is visible; joining and closing continue the release sequences of workers that
///                      have left.
///                      The drainer closes relaxed: it has followed the slots, and reads nothing in them.
///             [active] released by the opener of a slot, acquired by a worker that wants to join. The worker finds the
///                      slot open, or closed since; then a later one is active or soon will be. A wait for that, or
///                      for a slot's announcement, is relaxed: the worker acquires what it needs at its next
///                      look, or has it by its slot.
///             [freed]  released by the drainer, acquired by the worker that opens the slot again: earlier users of the
///                      slot have looked at it for the last time.
///             [begin]  of a slot, for reserved(), which looks from outside: released and acquired. A thread that sees
///                      the beginning or the state of a later opening then sees another slot active.
/// Source      WiredTiger, src/log/log_slot.c, after Aether's consolidation array.
/// Differs     The state counts writers where WiredTiger adds up released bytes, so a record of any size may join;
///             WiredTiger copies large ones past the buffer. Slots are used in turn, so written ones need no sorting;
///             WiredTiger sorts a pool and searches it for free ones. Its lock around closing and opening is the
///             closed bit here. A slot closes when the next record does not fit; WiredTiger's, when a record fills
///             half of its buffer. advance() also closes a slot that has writers, and stays a little until they have
///             left; there a timer retries, and the last writer tells. In WiredTiger the last worker to leave a closed
///             slot writes the slot's own buffer; here slots share the ring.
///             WiredTiger rounds a record up to 128 bytes, and keeps the last one's offset by one compare-and-swap
///             more.
template <class Platform = NativePlatform>
class WiredTigerSlots;

namespace wiredtiger_slots {

/// A slot's state: closed, the bytes that have joined, and how many writers have not left.
inline constexpr std::uint32_t kWriterBits = 24;
inline constexpr std::uint64_t kWriter = 1;
inline constexpr std::uint64_t kByte = std::uint64_t{1} << kWriterBits;
inline constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;

inline constexpr bool is_closed(std::uint64_t state) {
  return (state & kClosed) != 0;
}
inline constexpr std::uint64_t bytes_of(std::uint64_t state) {
  return (state & ~kClosed) / kByte;
}
inline constexpr bool has_writers(std::uint64_t state) {
  return state % kByte != 0;
}

inline constexpr std::uint64_t kSlotBytes = 128 << 10;  // as WiredTiger: half of a buffer of 256 KiB

/// Where a slot holds as much, it is closed.
inline std::uint64_t slot_bytes(const LogBufferOptions& options) {
  return std::min<std::uint64_t>(kSlotBytes, options.capacity / 2);
}

/// What all slots hold, where records are small beside them.
inline std::uint64_t pooled_bytes(const LogBufferOptions& options) {
  return std::min<std::uint64_t>(options.slot_pool * slot_bytes(options), options.capacity);
}

struct Opening {
  std::uint64_t number = 0;
  Lsn begin = 0;
};

template <class Platform>
struct alignas(kCacheLine) Slot {
  typename Platform::template Atomic<std::uint64_t> state;  // [slot]
  typename Platform::template Cell<Opening> opening;  // the opener writes it, joiners and closers of it read
  typename Platform::template Atomic<Lsn> begin;      // [begin] the opening's, for reserved() alone
};

template <class Platform>
struct Worker {
  Slot<Platform>* slot = nullptr;  // of the open reservation
  typename Ring<Platform>::KnownRoom room;
};

}  // namespace wiredtiger_slots

template <class Platform>
class WiredTigerSlots : public LogBufferBase<Platform, wiredtiger_slots::Worker<Platform>> {
  using Worker = wiredtiger_slots::Worker<Platform>;
  using Slot = wiredtiger_slots::Slot<Platform>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr std::uint32_t kMinPool = 2;
  static constexpr std::uint32_t kMaxPool = 65536;
  static constexpr AlgorithmInfo info{.name = "wiredtiger_slots",
                                      .title = "WiredTiger slots",
                                      .source = "WiredTiger, src/log/log_slot.c",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .reach = &wiredtiger_slots::pooled_bytes};

  explicit WiredTigerSlots(const LogBufferOptions& options)
      : Base(checked(options)),
        slot_bytes_(wiredtiger_slots::slot_bytes(options)),
        slots_(options.slot_pool) {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) {
      slots_[i].state.describe("slot", i);
      slots_[i].begin.describe("begin", i);
    }
    active_.describe("active");
    freed_.describe("freed");
    slots_[0].begin.store(options.start, std::memory_order_relaxed);  // before any thread shares it
    slots_[0].opening.write({0, options.start});
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    const Lsn begin = join(self, size);
    ring_.wait_for_room(begin + size, self.room);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation&) {
    workers_[worker].slot->state.fetch_sub(wiredtiger_slots::kWriter, std::memory_order_release);  // [slot]
  }

  Lsn advance() {
    Lsn boundary = free_written(this->last_found());
    if (close_active(boundary)) boundary = free_written(boundary);
    return this->found(boundary);
  }

  Lsn reserved() const {
    for (;;) {
      const std::uint64_t active = active_.load(std::memory_order_acquire);  // [active]
      const Slot& slot = slot_of(active);
      const Lsn begin = slot.begin.load(std::memory_order_acquire);            // [begin]
      const std::uint64_t state = slot.state.load(std::memory_order_acquire);  // [slot]
      // Both were of one opening: a later beginning brings a later active slot with it, a later state a later
      // beginning.
      if (active_.load(std::memory_order_relaxed) == active &&
          slot.begin.load(std::memory_order_relaxed) == begin) {
        return begin + wiredtiger_slots::bytes_of(state);
      }
    }
  }

 private:
  static const LogBufferOptions& checked(const LogBufferOptions& options) {
    if (options.max_workers >= wiredtiger_slots::kByte) {
      reject("max_workers", options.max_workers,
             "less than " + std::to_string(wiredtiger_slots::kByte) + ", what a slot can count");
    }
    if (!std::has_single_bit(options.slot_pool) || options.slot_pool < kMinPool ||
        options.slot_pool > kMaxPool) {
      reject("slot_pool", options.slot_pool,
             "a power of two from " + std::to_string(kMinPool) + " to " + std::to_string(kMaxPool));
    }
    return options;
  }

  Slot& slot_of(std::uint64_t number) { return slots_[number & (slots_.size() - 1)]; }
  const Slot& slot_of(std::uint64_t number) const { return slots_[number & (slots_.size() - 1)]; }

  bool fits(std::uint64_t state, std::uint32_t size) const {
    const std::uint64_t joined = wiredtiger_slots::bytes_of(state);
    return joined == 0 || joined + size <= slot_bytes_;
  }

  /// Becomes a writer of the active slot; returns where the record begins.
  Lsn join(Worker& self, std::uint32_t size) {
    const std::uint64_t record = size * wiredtiger_slots::kByte + wiredtiger_slots::kWriter;
    for (;;) {
      const std::uint64_t active = active_.load(std::memory_order_acquire);  // [active]
      Slot& slot = slot_of(active);
      std::uint64_t state = slot.state.load(std::memory_order_relaxed);
      if (wiredtiger_slots::is_closed(state)) {
        const auto another = [active](std::uint64_t now) { return now != active; };
        Platform::await(active_, another, std::memory_order_relaxed, WaitFor::predecessor);
      } else if (fits(state, size)) {
        if (slot.state.compare_exchange(state, state + record, std::memory_order_acquire,
                                        std::memory_order_relaxed)) {  // [slot]
          self.slot = &slot;
          const auto [number, slot_begin] = slot.opening.read();
          await_announced(number, active);
          return slot_begin + wiredtiger_slots::bytes_of(state);
        }
      } else if (slot.state.compare_exchange(state, state | wiredtiger_slots::kClosed,
                                             std::memory_order_acquire,
                                             std::memory_order_relaxed)) {  // [slot]
        const auto [number, slot_begin] = slot.opening.read();
        const Lsn begin = slot_begin + wiredtiger_slots::bytes_of(state);
        await_announced(number, active);
        const std::uint64_t next = number + 1;
        const auto is_free = [&](std::uint64_t freed) { return next < freed + slots_.size(); };
        Platform::await(freed_, is_free, std::memory_order_acquire, WaitFor::room);  // [freed]
        self.slot = &slot_of(next);
        open(next, begin, record);
        return begin;
      }
    }
  }

  /// A thread that found the slot by an active number of the lap before may arrive before the opener has announced it.
  /// Were it to open the next one, the active number would fall, and reserved() lie behind what its caller has.
  void await_announced(std::uint64_t number, std::uint64_t active) {
    if (number == active) return;
    const auto is_announced = [number](std::uint64_t now) { return now >= number; };
    Platform::await(active_, is_announced, std::memory_order_relaxed, WaitFor::predecessor);
  }

  /// Only the thread that has closed the slot before calls this.
  void open(std::uint64_t number, Lsn begin, std::uint64_t state) {
    Slot& slot = slot_of(number);
    slot.opening.write({number, begin});
    slot.begin.store(begin, std::memory_order_release);  // [begin]
    slot.state.store(state, std::memory_order_release);  // [slot]
    active_.store(number, std::memory_order_release);    // [active]
  }

  /// Drainer: frees the oldest slots while they are written; `boundary` is where they begin. Returns where the
  /// others do.
  Lsn free_written(Lsn boundary) {
    const std::uint64_t active =
        active_.load(std::memory_order_acquire);  // [active] all before it are closed
    const std::uint64_t oldest = oldest_;
    for (; oldest_ != active; ++oldest_) {
      // Not once some have been freed: a worker that waits for these must not wait for later ones, too.
      const auto is_settled = [&](std::uint64_t now) {
        return !wiredtiger_slots::has_writers(now) || oldest_ != oldest;
      };
      const std::uint64_t state =
          Platform::linger(slot_of(oldest_).state, is_settled, std::memory_order_acquire);  // [slot]
      if (wiredtiger_slots::has_writers(state)) break;
      boundary += wiredtiger_slots::bytes_of(state);
    }
    if (oldest_ != oldest) freed_.store(oldest_, std::memory_order_release);  // [freed]
    return boundary;
  }

  /// Drainer: closes the oldest slot and opens the next one, if it is the active one and not empty.
  bool close_active(Lsn begin) {
    if (active_.load(std::memory_order_relaxed) != oldest_) return false;
    Slot& slot = slot_of(oldest_);
    std::uint64_t state = slot.state.load(std::memory_order_relaxed);
    while (!wiredtiger_slots::is_closed(state) && wiredtiger_slots::bytes_of(state) != 0) {
      if (slot.state.compare_exchange(state, state | wiredtiger_slots::kClosed, std::memory_order_relaxed,
                                      std::memory_order_relaxed)) {
        open(oldest_ + 1, begin + wiredtiger_slots::bytes_of(state), 0);
        return true;
      }
    }
    return false;
  }

  const std::uint64_t slot_bytes_;  // a slot takes more only where that is one record
  std::vector<Slot> slots_;
  alignas(kCacheLine) std::uint64_t oldest_ = 0;  // the drainer's: all before it are free
  alignas(kCacheLine) typename Platform::template Atomic<std::uint64_t> active_;  // [active] a slot's number
  alignas(kCacheLine) typename Platform::template Atomic<
      std::uint64_t> freed_;  // [freed] slots below are; the drainer writes
};
static_assert(LogBufferAlgorithm<WiredTigerSlots<>>);

}  // namespace muster
