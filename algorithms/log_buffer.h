#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "algorithms/parts/memory_placement.h"

namespace muster {

/// Log sequence number: a byte position in the log stream. The byte at `capacity * k + i` of the stream
/// lives at offset `i` of a ring of `capacity` bytes.
using Lsn = std::uint64_t;

/// A worker's slot in one log buffer, dense from 0. Valid from attach() to detach().
using WorkerId = std::uint32_t;

/// A range of the log stream that one worker may fill. The bytes are contiguous, also where the ring wraps.
struct Reservation {
  Lsn begin = 0;
  std::span<std::byte> bytes;
  Lsn end() const { return begin + bytes.size(); }
};

/// Which lock an algorithm takes that takes one.
enum class LockKind : std::uint8_t {
  ttas,       ///< test and test-and-set
  ticket,     ///< in the order of coming, one word for all that wait
  mcs,        ///< in the order of coming, a word for each; Aether's authors have it
  std_mutex,  ///< the system's; only the thread that has taken it may release it
};
/// By the enumerator's value, as in configurations and results.
inline constexpr std::array<std::string_view, 4> kLockNames = {"ttas", "ticket", "mcs", "std_mutex"};

constexpr std::string_view to_string(LockKind kind) {
  return kLockNames[static_cast<std::size_t>(kind)];
}

/// How a record adds to the counter of an algorithm in which every record does.
enum class CounterKind : std::uint8_t {
  hardware,     ///< the processor's fetch-add
  aggregating,  ///< workers meet in funnels, and one adds for all
  adaptive,     ///< the processor's until others come between, then funnels
};
/// By the enumerator's value, as in configurations and results.
inline constexpr std::array<std::string_view, 3> kCounterNames = {"hardware", "aggregating", "adaptive"};

constexpr std::string_view to_string(CounterKind kind) {
  return kCounterNames[static_cast<std::size_t>(kind)];
}

/// How an algorithm keeps a worker's load from coming before its store, where the drainer's store and load are the rare
/// counterpart (`algorithms/parts/asymmetric_barrier.h`).
enum class AsymmetricBarrierKind : std::uint8_t {
  automatic,   ///< membarrier where the kernel has it, else exchange
  membarrier,  ///< the worker's side costs nothing, the drainer's a system call
  exchange,    ///< of what the worker would store: a locked instruction of each append
};
/// By the enumerator's value, as in configurations and results.
inline constexpr std::array<std::string_view, 3> kAsymmetricBarrierNames = {"auto", "membarrier", "exchange"};

constexpr std::string_view to_string(AsymmetricBarrierKind kind) {
  return kAsymmetricBarrierNames[static_cast<std::size_t>(kind)];
}

/// Pages that the ring's memory is made of.
enum class RingPages : std::uint8_t {
  small,
  transparent,  ///< huge ones where the kernel has them at hand; the capacity is a multiple of one
  huge,         ///< of those that the system's administrator has reserved; likewise
};
/// By the enumerator's value, as in configurations and results.
inline constexpr std::array<std::string_view, 3> kRingPagesNames = {"small", "transparent", "huge"};

struct LogBufferOptions {
  /// Bytes in the ring: a power of two, a page (4096) at least.
  std::size_t capacity = std::size_t{16} << 20;
  /// How many workers may be attached at the same time, at least 1.
  std::uint32_t max_workers = 64;
  /// LSN of the first byte that will be reserved, less than 2^62: algorithms keep their marks in the bits above.
  Lsn start = 0;
  /// Slots that arriving threads may join, 1 to 64 (`consolidation` and its relatives; Aether, section A.4,
  /// found 3 to 4 best).
  std::uint32_t consolidation_slots = 4;
  /// Every so many ranges one is not left to its predecessor's release: a power of two from 1, which leaves
  /// none, to 1024 (`consolidation_delegated`; Aether cuts chains at 32).
  std::uint32_t delegation_chain = 32;
  /// Slots in the pool, a power of two from 2 to 65536 (`wiredtiger_slots`; WiredTiger has 128).
  std::uint32_t slot_pool = 128;
  /// Locks of which a worker holds one while it appends, 1 to 256 (`postgres_insert_locks`; PostgreSQL has 8,
  /// fixed when it is compiled).
  std::uint32_t insert_locks = 8;
  /// Likewise (`postgres_lock_free`; as many as the proposal has).
  std::uint32_t lock_free_insert_locks = 128;
  /// Links, and so how many bytes above the first hole a published record may begin: a power of two, 2^30 at
  /// most, of which no more are made than the ring has bytes (`mysql_link_buf`; MySQL's
  /// innodb_log_recent_written_size).
  std::uint32_t link_window = std::uint32_t{1} << 20;
  /// log2 of the range of bytes that one hop skips, 1 to log2(capacity) and no less than makes 2^20 ranges (`eleda`;
  /// the paper gives no value: 0 takes 14, or a sixty-fourth of a ring of less than 1 MiB, or what those allow).
  std::uint32_t hop_bits = 0;
  /// The lock of an algorithm that takes one; the others ignore it. std_mutex only where AlgorithmInfo::lock_use is
  /// not `handed_on`.
  LockKind lock = LockKind::ttas;
  /// The counter of an algorithm in which every record adds to one (AlgorithmInfo::takes_counter); the others have `hardware`
  /// alone.
  CounterKind counter = CounterKind::hardware;
  /// Funnels, in which workers meet by their number, 1 to 64 (`aggregating` and `adaptive`; the paper has as many as the
  /// square root of the threads).
  std::uint32_t funnel_slots = 6;
  /// What stands between a worker's store and its load, where AlgorithmInfo::asymmetric_barrier; the others ignore it.
  /// membarrier only where the kernel has membarrier(2).
  AsymmetricBarrierKind asymmetric_barrier = AsymmetricBarrierKind::automatic;
  RingPages pages = RingPages::small;
  /// Its functions place the log buffer's memory; null: memory is where a thread first touches it. Outlives the log buffer.
  const MemoryPlacement* memory = nullptr;
};

/// How an operation may be held up by other threads, the strongest that holds.
enum class Progress : std::uint8_t { blocking, lock_free, wait_free };

std::string_view to_string(Progress progress);

/// Whether an algorithm takes a lock, and which thread releases it.
enum class LockUse : std::uint8_t {
  none,
  by_taker,   ///< the thread that has taken it
  handed_on,  ///< any thread: whichever is the last to use what the lock guards
};

/// What an algorithm says about itself. Every word of it is tested.
struct AlgorithmInfo {
  std::string_view name;    ///< as in configurations and results, lower case
  std::string_view title;   ///< as in figures
  std::string_view source;  ///< paper and section
  Progress reserve;         ///< while the ring has room; with the counter that the type has
  Progress publish;         ///< with the lock that the type has; the registry's is `ttas`
  Progress advance;
  LockUse lock_use = LockUse::none;
  bool takes_counter = false;       ///< every record adds to one counter
  bool asymmetric_barrier = false;  ///< it takes LogBufferOptions::asymmetric_barrier
  bool unsafe = false;              ///< advance() may return a boundary over a hole; no engine accepts it
  bool stalls_on_idle = false;      ///< an attached worker that does nothing holds the boundary back
  /// How many bytes above the boundary workers come before they wait for the next advance(); null: the capacity.
  std::uint64_t (*reach)(const LogBufferOptions& options) = nullptr;
};

/// Whether an algorithm may have such a lock.
constexpr bool may_have(const AlgorithmInfo& info, LockKind lock) {
  return info.lock_use != LockUse::handed_on || lock != LockKind::std_mutex;
}

/// Whether an algorithm may have such a counter.
constexpr bool may_have(const AlgorithmInfo& info, CounterKind counter) {
  return info.takes_counter || counter == CounterKind::hardware;
}

/// A log buffer behind a virtual interface: what an engine holds. Measured loops use the templates directly.
///
/// Rules  A thread has at most one open reservation, publishes it itself, and between reserve and publish
///        takes no latch, lock or frame. One thread at a time drains: advance, bytes, recycle. The drainer
///        holds nothing that a worker may wait for.
/// Death  A thread that ends between reserve and publish leaves a hole. The boundary never passes it: no other thread
///        knows how far its bytes are filled, and none may publish for it. No record above becomes durable. Workers
///        stop once the ring is full, or at once where the dead thread holds a lock or a turn, and advance() still
///        returns. The log buffer cannot be used again: end the process, and let recovery end the log at the hole.
///        For this reason nothing between reserve and publish may throw; the engine encodes its record before it
///        reserves, and copies it in between.
/// Keeps  no hole    advance() = B: every reservation below B is published, its bytes visible to the caller
///        whole      a boundary is never inside a reservation
///        tiling     reservations are disjoint and dense in [start, reserved())
///        monotone   the boundary never falls; a reserve that returned before another began is the smaller
///        quiescence with nothing in flight advance() returns reserved(), however idle any worker is
///        no overwrite  a reservation that was returned lies below recycled + capacity
///        progress   as AlgorithmInfo declares; advance() always returns
class LogBuffer {
 public:
  LogBuffer() = default;
  LogBuffer(const LogBuffer&) = delete;
  LogBuffer& operator=(const LogBuffer&) = delete;
  virtual ~LogBuffer() = default;

  /// A thread joins. Throws std::runtime_error when max_workers are attached already.
  virtual WorkerId attach() = 0;
  /// It leaves, with no reservation open. A detached slot never holds the boundary back.
  virtual void detach(WorkerId worker) = 0;
  /// Takes the next `size` bytes, waiting for room in the ring as long as it takes.
  /// Throws std::invalid_argument for size 0 or size > capacity, in every build.
  virtual Reservation reserve(WorkerId worker, std::uint32_t size) = 0;
  /// Says that the reservation's bytes are filled.
  virtual void publish(WorkerId worker, const Reservation& reservation) = 0;
  /// Drainer only: finds the boundary below which there is no hole.
  virtual Lsn advance() = 0;
  /// What advance() last returned. Any thread; a number, which orders nothing.
  virtual Lsn boundary() const = 0;
  /// End of the space that has been handed out. Any thread.
  virtual Lsn reserved() const = 0;
  /// Drainer only: the space below `upto` may be handed out again. upto <= boundary().
  virtual void recycle(Lsn upto) = 0;
  /// Drainer only: the filled bytes, where recycled <= begin <= end <= boundary().
  virtual std::span<const std::byte> bytes(Lsn begin, Lsn end) const = 0;
};

/// The same shape without the virtual calls, which every algorithm's template satisfies.
template <class A>
concept LogBufferAlgorithm = requires(A a, const A c, WorkerId w, const Reservation& r, std::uint32_t n,
                                      Lsn l) {
  { A::info } -> std::convertible_to<AlgorithmInfo>;
  A(LogBufferOptions{});
  { a.attach() } -> std::same_as<WorkerId>;
  { a.detach(w) } -> std::same_as<void>;
  { a.reserve(w, n) } -> std::same_as<Reservation>;
  { a.publish(w, r) } -> std::same_as<void>;
  { a.advance() } -> std::same_as<Lsn>;
  { c.boundary() } -> std::same_as<Lsn>;
  { c.reserved() } -> std::same_as<Lsn>;
  { a.recycle(l) } -> std::same_as<void>;
  { c.bytes(l, l) } -> std::same_as<std::span<const std::byte>>;
};

}  // namespace muster
