#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <variant>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "engine/index/table.h"
#include "engine/log/log_record.h"
#include "engine/storage/buffer_manager.h"

namespace muster {

/// Threads that redo changes of pages. The reader of the log gives them the changes; each page has one worker, which
/// gets all of the page's changes in the log's order. In a table that stores itself, each key has one worker.
///
/// Order      Redo of a change looks at the page that it names and at no other. So changes of different pages may come
///            in any order, and a structure record needs no barrier: each of its images goes to its own page's worker.
/// Memory     kBatches batches of kBatchBytes a worker, however long the log is.
/// Errors     A worker that has failed passes over what it is still given. add() and drain() throw the error of the
///            change that was given first: the one that a single thread would have met.
/// Progress   add() waits while all batches of the page's worker are full; a worker waits for nothing but pages. Both
///            sleep: on a busy machine a wait that yields comes back late, once for every few batches.
/// Ordering   [filled]   The reader releases a batch with its changes, the worker acquires it.
///            [emptied]  The worker releases the empty batch, what it has counted and how it failed; the reader
///                       acquires them.
/// For one thread, the reader's.
class RedoWorkers {
 public:
  static constexpr std::uint32_t kWorkersMax = 8;
  static_assert(kWorkersMax < BufferManager::kFramesMin, "each may hold a page while it waits for a frame");
  static constexpr std::size_t kBatches = 8;
  static constexpr std::size_t kBatchBytes = std::size_t{64} << 10;

  struct Counts {
    std::uint64_t redone = 0;      ///< the page was older
    std::uint64_t up_to_date = 0;  ///< the page had the change
  };

  /// `workers`: 1 to kWorkersMax, or 0: as many as the machine has processing units. A thread starts with
  /// its first batch. `buffers` and `self_stored` outlive this.
  RedoWorkers(BufferManager& buffers, const SelfStoredTables& self_stored, std::uint32_t workers = 0);
  /// Changes that were not drained may be left out.
  ~RedoWorkers();
  RedoWorkers(const RedoWorkers&) = delete;
  RedoWorkers& operator=(const RedoWorkers&) = delete;

  /// Copies what redo needs of the change; `record_end` is what the page is stamped with.
  void add(const RecordChange& change, Lsn record_end);
  void add(const PageImage& image, Lsn record_end);
  void add(Reclaim reclaim, Lsn record_end);
  /// Waits until all that was added is redone. Returns what this has done so far.
  Counts drain();

 private:
  struct PageChange {
    std::uint64_t number;  ///< of all that were added
    Lsn record_end;
    std::variant<RecordChange, PageImage, Reclaim> change;
  };
  class Batch;
  struct Worker;

  Worker& worker_of(TableId table, std::uint64_t page_or_key);
  Batch& room_in(Worker& worker, std::size_t bytes);
  Batch& open_batch(Worker& worker);
  void hand_over(Worker& worker);
  static void wait_until_emptied(Worker& worker, std::uint64_t batches);
  void run(Worker& worker);
  void redo(Worker& worker, const Batch& batch);
  bool redo(const auto& change, Lsn record_end);
  SelfStoredTable* self_stored(TableId table) const;

  BufferManager& buffers_;
  const SelfStoredTables& self_stored_;
  std::uint64_t added_ = 0;
  std::atomic<bool> failed_{false};  // relaxed: a hint to look at the workers
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace muster
