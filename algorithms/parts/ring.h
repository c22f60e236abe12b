#pragma once

#include <bit>
#include <span>
#include <stdexcept>
#include <string>

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster {

/// Throws std::invalid_argument with one line: option, value, what would do.
[[noreturn]] inline void reject(const char* option, std::uint64_t value, const std::string& want) {
  throw std::invalid_argument(std::string(option) + " = " + std::to_string(value) + ": want " + want);
}

/// Whether a log buffer that takes an asymmetric barrier has the platform's, and not exchanges. Throws std::invalid_argument
/// where the options ask for a membarrier and there is none.
template <class Platform>
bool takes_membarrier(const LogBufferOptions& options) {
  const bool has = Platform::has_asymmetric_barrier();
  if (!has && options.asymmetric_barrier == AsymmetricBarrierKind::membarrier)
    throw std::invalid_argument(
        "asymmetric_barrier = membarrier: want auto or exchange: the kernel has no membarrier(2)");
  return has && options.asymmetric_barrier != AsymmetricBarrierKind::exchange;
}

/// The bytes of the log between `recycled` and `recycled + capacity`, and the wait for room among them.
///
/// Invariants  a range that wait_for_room() let through ends at or below recycled + capacity
/// Ordering    [recycled] released by the drainer once it has read the bytes below, acquired by the worker
///                        that writes over them: the drainer's reads come before the worker's writes
template <class Platform>
class Ring {
 public:
  /// What one worker knows of the room; its own, so that the drainer's cache line is read once a lap or so
  /// and not once a record.
  struct KnownRoom {
    Lsn end = 0;
  };

  explicit Ring(const LogBufferOptions& options)
      : memory_(checked_capacity(options.capacity), options.pages, options.memory),
        capacity_(options.capacity),
        recycled_(checked_start(options.start)) {
    recycled_.describe("recycled");
  }

  std::size_t capacity() const { return capacity_; }

  void check_size(std::uint32_t size) const {
    if (size - std::uint64_t{1} >= capacity_) [[unlikely]]  // 0 wraps around
      reject_size(size);
  }

  bool has_room(Lsn end, KnownRoom& known) const {
    if (end <= known.end) [[likely]]
      return true;
    known.end = recycled_.load(std::memory_order_acquire) + capacity_;  // [recycled]
    return end <= known.end;
  }

  void wait_for_room(Lsn end, KnownRoom& known) const {
    if (has_room(end, known)) [[likely]]
      return;
    // By value: a reference would have `end` written to the stack also where nobody waits.
    const auto room = [end, capacity = capacity_](Lsn recycled) { return end <= recycled + capacity; };
    Platform::await(recycled_, room, std::memory_order_acquire, WaitFor::room);  // [recycled]
  }

  std::span<std::byte> bytes(Lsn begin, std::uint32_t size) { return {memory_.at(begin), size}; }
  std::span<const std::byte> bytes(Lsn begin, Lsn end) const { return {memory_.at(begin), end - begin}; }

  void recycle(Lsn upto) { recycled_.store(upto, std::memory_order_release); }  // [recycled]

 private:
  /// Out of line, or the strings would keep check_size(), and with it reserve(), from being inlined.
  [[noreturn, gnu::noinline, gnu::cold]] void reject_size(std::uint32_t size) const {
    reject("record size", size, "1 to " + std::to_string(capacity_) + ", the log buffer's capacity");
  }

  static std::size_t checked_capacity(std::size_t capacity) {
    if (!std::has_single_bit(capacity) || capacity < Platform::kMinCapacity) {
      reject("capacity", capacity, "a power of two, " + std::to_string(Platform::kMinCapacity) + " at least");
    }
    return capacity;
  }

  static Lsn checked_start(Lsn start) {
    if (start >= kStartEnd) reject("start", start, "less than 2^62");
    return start;
  }

  static constexpr Lsn kStartEnd = Lsn{1} << 62;

  typename Platform::Memory memory_;
  const std::size_t capacity_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> recycled_;  // the drainer writes
};

}  // namespace muster
