#pragma once

#include <cassert>
#include <cstdint>
#include <vector>

#include "algorithms/log_buffer.h"
#include "algorithms/parts/placed_array.h"
#include "algorithms/platform.h"

namespace muster::lsm {

/// Lets a thread wait for all sections that other threads are in, and for none that begins later.
///
/// Protocol    Section  a producer enters: +1 to its slot's `entered`. It leaves: `left` becomes what `entered` was then
///             issue    at every slot, read `entered` by a read-modify-write that changes nothing
///             await    at every slot, wait until `left` has come to what issue() read
/// Keeps       Of a section and a barrier one of two is true, whatever both do meanwhile:
///             before   the section's end happens before await() returns: the barrier's thread sees all that was done in it
///             after    what came before issue() happens before the section begins: the producer sees all of it
/// Use         Publish what producers shall use from now on; issue and await a barrier; now no section uses what was
///             there before, and all that sections did with it is visible. A producer may wait for a barrier's thread
///             inside a section only if the section began after issue().
/// Progress    Section wait-free, one read-modify-write and one store, both to a line of its own; issue wait-free, one
///             read-modify-write a slot; await blocking, one load a slot where no section is open.
/// Threads     A slot is one thread's at a time, and has one section at a time. Which thread hands it to which is the
///             caller's to order. Any number of threads issue barriers, each with a Barrier of its own.
/// Ordering    [entered] released by issue's read-modify-write, acquired by every later Section of the slot: that is
///                       "after". Both only ever modify what they read, so no write breaks the release sequence, and of
///                       the two one comes first: no other fence stands between a section and a barrier. A load in
///                       issue() would need sequential consistency, and so would a producer's plain store.
///             [left]    released by the producer that leaves, acquired by await: that is "before". `left` only rises, so
///                       the newest value brings all earlier sections of the slot, too.
/// Source      Cassandra, src/java/org/apache/cassandra/utils/concurrent/OpOrder.java: the idea of ordered operations
///             and barriers between them.
/// Differs     Cassandra counts the operations of a group in one word for all threads. Here every producer has a padded
///             slot, so that threads on many sockets share no line, and a barrier looks at every slot.
template <class Platform = NativePlatform>
class OrderBarrier {
  template <class T>
  using Atomic = typename Platform::template Atomic<T>;

 public:
  /// Slots for so many producers. `placement` may be null, and must outlive this.
  explicit OrderBarrier(std::uint32_t producers, const MemoryPlacement* placement = nullptr)
      : slots_(placement, MemoryRegion::workers, producers, Spacing::by_worker) {
    for (std::uint32_t i = 0; i < producers; ++i) {
      slots_[i].entered.describe("entered", i);
      slots_[i].left.describe("left", i);
    }
  }

  std::uint32_t producers() const { return static_cast<std::uint32_t>(slots_.size()); }
  /// The calling thread has the slot from now on, and its memory is placed near it.
  void owned(WorkerId producer) { slots_.owned(producer); }

  /// From its construction to its destruction the producer is inside.
  class Section {
   public:
    Section(OrderBarrier& order, WorkerId producer)
        : slot_(order.slots_[producer]),
          number_(slot_.entered.fetch_add(1, std::memory_order_acquire) + 1) {  // [entered]
      assert(slot_.left.load(std::memory_order_relaxed) + 1 == number_);        // one at a time
    }
    Section(const Section&) = delete;
    Section& operator=(const Section&) = delete;
    ~Section() { slot_.left.store(number_, std::memory_order_release); }  // [left]

   private:
    typename OrderBarrier::Slot& slot_;
    const std::uint64_t number_;
  };

  /// What one thread issues and awaits, as often as it wants to. Its memory is allocated when it is made.
  class Barrier {
   public:
    explicit Barrier(OrderBarrier& order) : order_(order), entered_(order.slots_.size()) {}

    /// From here on it is settled which sections await() waits for: those that have begun.
    void issue() {
      for (std::size_t i = 0; i < entered_.size(); ++i)
        entered_[i] = order_.slots_[i].entered.fetch_add(0, std::memory_order_release);  // [entered]
    }

    /// Returns once all of them have ended.
    void await() const {
      for (std::size_t i = 0; i < entered_.size(); ++i) {
        const auto has_left = [number = entered_[i]](std::uint64_t left) { return left >= number; };
        Platform::await(order_.slots_[i].left, has_left, std::memory_order_acquire,
                        WaitFor::predecessor);  // [left]
      }
    }

    void wait() {
      issue();
      await();
    }

   private:
    OrderBarrier& order_;
    std::vector<std::uint64_t> entered_;  // by slot, when issue() looked
  };

 private:
  /// The producer writes both; a barrier's thread writes `entered` and leaves it as it is.
  struct alignas(kCacheLine) Slot {
    Atomic<std::uint64_t> entered{0};  // sections that have begun
    Atomic<std::uint64_t> left{0};     // the number of the last that has ended
  };

  PlacedArray<Slot> slots_;
};

}  // namespace muster::lsm
