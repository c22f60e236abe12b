#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/database.h"

namespace muster {

/// Running transactions by number, for callers that may pass any number from any thread. Each has a session from a pool.
///
/// Protocol   A call takes its transaction (state: number -> -number), uses the session and gives it back. A call
///            that finds it taken is refused: two threads use one transaction, or the database is being closed.
/// Ordering   [state] Taken by a compare-and-swap that acquires, given back by a store that releases: the session is used
///                    by one thread at a time, and each sees what the one before did.
/// Progress   use() is wait-free; begin() and the end of a transaction take a mutex for a moment.
class NumberedTransactions {
  struct Slot;

 public:
  static constexpr std::size_t kMax = 1024;

  /// A transaction that one call has for itself. Destroyed, it gives the transaction back, which goes on.
  class Use {
   public:
    Use(Use&& other) noexcept : all_(other.all_), slot_(std::exchange(other.slot_, nullptr)) {}
    Use& operator=(Use&&) = delete;
    ~Use();

    int number() const;
    /// Calls `operation(session)`, which returns a Status. After a deadlock the transaction has ended.
    template <class Operation>
    Status attempt(Operation operation) {
      const Status status = operation(session());
      if (was_rolled_back(status)) end();
      return status;
    }
    /// A buffer to read into, used again by every transaction in this place.
    std::vector<std::byte>& value();
    // Each ends it, also where it throws.
    void commit();
    void abort();  ///< and forces the log
    /// Ends it, if it has not ended, whatever state its session is in: what is open is rolled back.
    void drop() noexcept;

   private:
    friend NumberedTransactions;
    Use(NumberedTransactions& all, Slot& slot) : all_(all), slot_(&slot) {}
    Session& session() const;
    void end() noexcept;

    NumberedTransactions& all_;
    Slot* slot_;  // null once the transaction has ended
  };

  /// From now on transactions run on `database`, which outlives close().
  void open(Database& database);
  /// Rolls back what runs. Throws std::logic_error, and does nothing, while a call has a transaction.
  void close();

  /// Throws std::logic_error where no database is open or kMax transactions run; what Session::begin throws.
  Use begin();
  Use begin_without_waiting();
  /// Throws std::logic_error where no such transaction runs, or another call has it.
  Use use(int number);

 private:
  struct alignas(kCacheLine) Slot {
    std::atomic<int> state{0};  // [state] 0: no transaction; n: number n runs; -n: a call has it
    std::unique_ptr<Session> session;
    std::vector<std::byte> value;
  };

  template <class Begin>
  Use begin_with(Begin begin);
  Slot& take_slot();
  void free(Slot& slot, std::unique_ptr<Session> session) noexcept;
  Slot& slot_of(int number) { return slots_[static_cast<std::size_t>(number) % kMax]; }

  std::mutex mutex_;  // guards what follows, and which slots are free
  Database* database_ = nullptr;
  int last_ = 0;  // number that was given out
  std::size_t running_ = 0;
  std::vector<std::unique_ptr<Session>>
      idle_;  // the last used first: the fewer are used, the less the log looks through
  std::array<Slot, kMax> slots_;
};

}  // namespace muster
