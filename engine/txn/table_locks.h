#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "algorithms/log_buffer.h"
#include "algorithms/parts/asymmetric_barrier.h"
#include "algorithms/parts/backoff.h"
#include "engine/storage/buffer_manager.h"
#include "engine/types.h"

namespace muster {

/// Knows which tables running transactions read and write, so that a transaction can lock a table as a whole. These are
/// intention locks. Each worker keeps its own in a slot, and writes no shared line.
///
/// Protocol   A worker notes its intention in its slot, and then looks at the table's guards: the count of transactions that
///            have locked the table. If there is none, the intention stands. A transaction that locks the table counts itself
///            in, and then looks at the slots. The caller decides which of the two gives way, and how it waits
///            (TransactionSession::lock_table).
/// Ordering   [intent] Between the worker's store to its slot and its load of the guards lies the light half of an asymmetric
///                     barrier, between the locker's count and its loads of the slots the heavy half: at least one of
///                     the two sees the other.
///            [left]   The worker releases its slot when its transaction is over; a locker acquires it, and so sees what
///                     that transaction has written. A locker releases the count when it leaves; a worker that then finds no
///                     guard acquires it.
/// Progress   All calls are wait-free.
/// Source     PostgreSQL, storage/lmgr/README, fast path locking.
class TableLocks {
 public:
  enum class Intent : std::uint8_t { read, write };

  explicit TableLocks(std::uint32_t workers) : slots_(std::make_unique<Slot[]>(workers)), workers_(workers) {}

  bool intends(WorkerId worker, TableId table, Intent intent) const {
    // relaxed: the worker's own
    return (word(worker, table, intent).load(std::memory_order_relaxed) & bit(table)) != 0;
  }
  /// False: the table has guards against this intention, and the slot does not hold it.
  bool intend(WorkerId worker, TableId table, Intent intent) {
    std::atomic<std::uint64_t>& its = word(worker, table, intent);
    const std::uint64_t before = its.load(std::memory_order_relaxed);  // relaxed: its own
    its.store(before | bit(table), std::memory_order_relaxed);         // [intent]: light() orders it
    slots_[worker].is_empty = false;
    AsymmetricBarrier::light();                                                   // [intent]
    if (guards(table, intent).load(std::memory_order_acquire) == 0) return true;  // [left]
    its.store(before, std::memory_order_release);                                 // [left]
    return false;
  }
  /// The worker's transaction is over.
  void end(WorkerId worker) {
    Slot& slot = slots_[worker];
    if (slot.is_empty) return;
    slot.is_empty = true;
    for (auto& words : slot.words) {
      for (auto& tables : words) tables.store(0, std::memory_order_release);  // [left]
    }
  }

  void guard(TableId table, Intent against) {
    guards(table, against).fetch_add(1, std::memory_order_relaxed);  // [intent]: heavy() orders it
    AsymmetricBarrier::heavy();                                      // [intent]
  }
  void unguard(TableId table, Intent against) {
    guards(table, against).fetch_sub(1, std::memory_order_release);  // [left]
  }
  /// Whether another worker has such an intention. After guard(), no new one can stand.
  bool others_intend(WorkerId self, TableId table, Intent intent) const {
    for (WorkerId worker = 0; worker < workers_; ++worker) {
      const std::uint64_t tables =
          word(worker, table, intent).load(std::memory_order_acquire);  // [left]; guard() has passed heavy()
      if (worker != self && (tables & bit(table)) != 0) return true;
    }
    return false;
  }

 private:
  static constexpr std::size_t kWords = BufferManager::kMaxTables / 64;
  struct alignas(kCacheLine) Slot {
    std::array<std::array<std::atomic<std::uint64_t>, kWords>, 2> words{};  ///< by intent, a bit a table
    bool is_empty = true;                                                   ///< its worker's own
  };
  struct Guards {
    std::array<std::atomic<std::uint32_t>, 2> against{};  ///< by intent
  };

  static constexpr std::uint64_t bit(TableId table) { return std::uint64_t{1} << (table % 64); }
  std::atomic<std::uint64_t>& word(WorkerId worker, TableId table, Intent intent) const {
    return slots_[worker].words[static_cast<std::size_t>(intent)][table / 64];
  }
  std::atomic<std::uint32_t>& guards(TableId table, Intent intent) {
    return guards_[table].against[static_cast<std::size_t>(intent)];
  }

  const std::unique_ptr<Slot[]> slots_;
  const std::uint32_t workers_;
  std::array<Guards, BufferManager::kMaxTables>
      guards_{};  // all workers read them; a transaction that locks a table writes
};

}  // namespace muster
