#pragma once

#include <bit>
#include <cstring>
#include <memory>
#include <type_traits>

#include "algorithms/platform.h"
#include "tests/model/execution.h"

namespace muster::model {

/// The platform on which an algorithm's own source is explored: each access of an atomic is a step of the current
/// Execution, plain data is checked for races, waiting blocks until the awaited location changes.
///
/// `Variant` tells apart the instances of sources that have been changed on purpose: their types must not be
/// those of the unchanged one.
template <class Variant = void>
struct CheckingPlatform {
  static constexpr std::size_t kMinCapacity = 4;
  static constexpr std::uint32_t kListChunk = 2;
  static constexpr std::uint32_t kRememberedEnds = 2;
  static constexpr Crowd kCrowd{.others = 1, .times = 1, .stays = 1};
  static constexpr std::uint32_t kAdvancesARound = 1;

  template <class T>
  class Atomic {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
    using Where = std::source_location;

   public:
    explicit Atomic(T value = T{}) : id_(Execution::current().create(word(value))) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;
    ~Atomic() { Execution::current().destroy(id_); }

    void describe(const char* name, std::uint32_t index = 0) {
      Execution::current().describe(id_, name, index);
    }

    T load(std::memory_order order, Where where = Where::current()) const {
      return value(perform({.action = Action::load, .order = order, .where = where}).value);
    }
    void store(T desired, std::memory_order order, Where where = Where::current()) {
      perform({.action = Action::store, .order = order, .operand = word(desired), .where = where});
    }
    T exchange(T desired, std::memory_order order, Where where = Where::current()) {
      return value(
          perform({.action = Action::exchange, .order = order, .operand = word(desired), .where = where})
              .value);
    }
    T fetch_add(T operand, std::memory_order order, Where where = Where::current()) {
      return value(perform({.action = Action::fetch_add,
                            .order = order,
                            .operand = word(operand),
                            .mask = kMask,
                            .where = where})
                       .value);
    }
    T fetch_sub(T operand, std::memory_order order, Where where = Where::current()) {
      return value(perform({.action = Action::fetch_sub,
                            .order = order,
                            .operand = word(operand),
                            .mask = kMask,
                            .where = where})
                       .value);
    }
    bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure,
                          Where where = Where::current()) {
      const Reply reply = perform({.action = Action::compare_exchange,
                                   .order = success,
                                   .failure = failure,
                                   .operand = word(desired),
                                   .expected = word(expected),
                                   .where = where});
      if (!reply.exchanged) expected = value(reply.value);
      return reply.exchanged;
    }

   private:
    friend struct CheckingPlatform;
    static constexpr std::uint64_t kMask = ~std::uint64_t{0} >> (64 - 8 * sizeof(T));

    static std::uint64_t word(T value) {
      std::uint64_t word = 0;
      std::memcpy(&word, &value, sizeof(T));
      return word;
    }
    static T value(std::uint64_t word) {
      T value;
      std::memcpy(&value, &word, sizeof(T));
      return value;
    }
    Reply perform(Request request) const {
      request.location = id_;
      if (request.order == std::memory_order_seq_cst || request.failure == std::memory_order_seq_cst) {
        throw LimitReached("seq_cst is not modelled: want acquire, release, acq_rel or relaxed");
      }
      return Execution::current().perform(request);
    }

    const LocationId id_;
  };

  template <class T>
  class Cell {
   public:
    Cell() : written_(Execution::current().access()) {}

    const T& read() const {
      Execution& execution = Execution::current();
      if (!execution.happened_before(written_))
        execution.fail("data race: a cell is read while it may be written");
      if (const Execution::Access access = execution.access(); access.thread != kNone) {
        reads_.steps[access.thread] = static_cast<std::uint16_t>(access.step);
      }
      return value_;
    }
    void write(const T& value) {
      Execution& execution = Execution::current();
      if (!execution.happened_before(written_)) execution.fail("data race: two threads write a cell");
      for (ThreadId t = 0; t < kMaxThreads; ++t) {
        if (reads_.steps[t] != 0 && !execution.happened_before({t, reads_.steps[t]})) {
          execution.fail("data race: a cell is written while it may be read");
        }
      }
      value_ = value;
      written_ = execution.access();
      reads_ = {};
    }

   private:
    T value_{};
    Execution::Access written_;
    mutable Clock reads_;
  };

  class Mutex {
   public:
    Mutex() : id_(Execution::current().create(0)) { Execution::current().describe(id_, "mutex", 0); }
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;
    ~Mutex() { Execution::current().destroy(id_); }

    void lock() {
      Execution::current().perform(
          {.action = Action::lock, .location = id_, .order = std::memory_order_acquire, .where = {}});
    }
    void unlock() {
      Execution::current().perform(
          {.action = Action::unlock, .location = id_, .order = std::memory_order_release, .where = {}});
    }

   private:
    const LocationId id_;
  };

  /// Addresses alone: what is in the records is the program's to watch.
  class Memory {
   public:
    Memory(std::size_t capacity, RingPages, const MemoryPlacement*)
        : bytes_(2 * capacity), capacity_(capacity) {}
    std::byte* at(std::uint64_t lsn) { return bytes_.data() + lsn % capacity_; }
    const std::byte* at(std::uint64_t lsn) const { return bytes_.data() + lsn % capacity_; }

   private:
    std::vector<std::byte> bytes_;
    std::size_t capacity_;
  };

  static bool has_asymmetric_barrier() { return true; }
  static void light_barrier(std::source_location where = std::source_location::current()) {
    Execution::current().barrier(Action::light_barrier, where);
  }
  static void heavy_barrier(std::source_location where = std::source_location::current()) {
    Execution::current().barrier(Action::heavy_barrier, where);
  }

  template <class T, class Predicate>
  static void await(const Atomic<T>& atomic, Predicate predicate, std::memory_order order, WaitFor /*what*/,
                    std::source_location where = std::source_location::current()) {
    const auto satisfied = [](const void* context, std::uint64_t word) {
      return static_cast<bool>((*static_cast<const Predicate*>(context))(Atomic<T>::value(word)));
    };
    atomic.perform({.action = Action::await,
                    .order = order,
                    .satisfied = satisfied,
                    .predicate = &predicate,
                    .where = where});
  }

  /// Once: looks before the last one do no more than order more, and when the last one comes is for the search to say.
  template <class T, class Predicate>
  static T linger(const Atomic<T>& atomic, Predicate, std::memory_order order,
                  std::source_location where = std::source_location::current()) {
    return atomic.load(order, where);
  }
};

}  // namespace muster::model
