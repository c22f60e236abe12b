#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "algorithms/backoff.h"
#include "algorithms/log_buffer.h"
#include "engine/storage/buffer_manager.h"
#include "engine/types.h"

namespace muster {

/// Which tables running transactions read and write, so that a table can be locked as a whole: intention locks, in a slot a
/// worker, which share no line with anybody as long as no table is locked.
///
/// Protocol   A worker says what it intends in its slot, and then looks at the table's guards, who are those that have locked
///            it: no guard, and the intention stands. A guard counts itself in and then looks at the slots. Which of the two
///            gives way, and how it waits, is the caller's business (TransactionSession::lock_table).
/// Ordering   [intent] The slot's store and the load of the guards, and the guard's count and the load of the slots, are
///                     sequentially consistent: of the two at least one sees the other.
///            [left]   Released by the slot's worker when its transaction is over, acquired by a guard, which so sees what
///                     that has written. A guard that leaves releases, and who finds none any more acquires.
/// Progress   all wait-free.
/// Source     PostgreSQL, storage/lmgr/README, fast path locking.
class TableLocks {
 public:
  enum class Intent : std::uint8_t { read, write };

  explicit TableLocks(std::uint32_t workers) : slots_(std::make_unique<Slot[]>(workers)), workers_(workers) {}

  bool intends(WorkerId worker, TableId table, Intent intent) const {
    return (word(worker, table, intent).load(std::memory_order_relaxed) & bit(table)) !=
           0;  // relaxed: its own
  }
  /// False: the table has guards against it, and nothing is intended.
  bool intend(WorkerId worker, TableId table, Intent intent) {
    std::atomic<std::uint64_t>& its = word(worker, table, intent);
    const std::uint64_t before = its.load(std::memory_order_relaxed);  // relaxed: its own
    its.store(before | bit(table), std::memory_order_seq_cst);         // [intent]
    slots_[worker].is_empty = false;
    if (guards(table, intent).load(std::memory_order_seq_cst) == 0) return true;  // [intent], [left]
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
    guards(table, against).fetch_add(1, std::memory_order_seq_cst);  // [intent]
  }
  void unguard(TableId table, Intent against) {
    guards(table, against).fetch_sub(1, std::memory_order_release);  // [left]
  }
  /// Whether another worker has such an intention. Behind guard(), none can come.
  bool others_intend(WorkerId self, TableId table, Intent intent) const {
    for (WorkerId worker = 0; worker < workers_; ++worker) {
      const std::uint64_t tables =
          word(worker, table, intent).load(std::memory_order_seq_cst);  // [intent], [left]
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
  std::array<Guards, BufferManager::kMaxTables> guards_{};  // read by all, written by whoever locks a table
};

}  // namespace muster
