#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>

#include "algorithms/parts/backoff.h"
#include "engine/spin_latch.h"
#include "engine/txn/commit_clock.h"

namespace muster {

struct Mark;

/// A serializable transaction, from its begin until no running transaction is concurrent with it. Its session uses it again.
struct alignas(kCacheLine) SerializableTransaction {
  enum State : std::uint8_t {
    active,
    decided,      ///< it will commit, whatever comes; its timestamp is not taken yet
    stamping,     ///< takes its timestamp, a few instructions long; it has no edges
    committed,    ///< `limit` counts
    rolled_back,  ///< or not in use
  };
  static constexpr std::uint8_t kStates = 7;
  static constexpr std::uint8_t kHasEdges = 8;
  static constexpr std::uint32_t kNoSlot = ~0u;

  State state(std::memory_order order) const { return static_cast<State>(word.load(order) & kStates); }

  Timestamp snapshot = 0;  ///< commits up to here are seen
  /// State, and whether there are edges: one word, so that a transaction without edges cannot overlook a new one when it
  /// moves on.
  std::atomic<std::uint8_t> word{rolled_back};
  /// Set by its thread. Relaxed: if another thread misses it, a later decide() finds the danger.
  std::atomic<bool> wrote{false};
  std::atomic<bool> doomed{false};  ///< it cannot commit. Relaxed: a hint, which decide() does not need
  /// Once it is committed: its timestamp, or its snapshot if it wrote nothing. As a reader it is concurrent with transactions
  /// whose snapshot is older than this. It cannot have missed a later commit while that mattered.
  Timestamp limit = 0;

  // What committed neighbours have left. Guarded by RwConflicts' latch, constant from the commit on.
  Timestamp first_out = 0;       ///< earliest commit among transactions whose writes it did not see
  Timestamp first_beyond = 0;    ///< smallest first_out of these transactions
  Timestamp last_in = 0;         ///< greatest limit among transactions that did not see what it wrote
  std::uint32_t slot = kNoSlot;  ///< its row, as long as it has edges to transactions that are not over

  // Its session's, see SerializationGraph.
  bool read_only = false;  ///< began by begin_read_only()
  bool unmarked = false;   ///< its snapshot is safe: it leaves no marks
  bool sweeps = false;     ///< it has one mark for all that it reads
  std::size_t marks_count = 0;
  Mark* marks = nullptr;
  std::atomic<Mark*> inherited{nullptr};  ///< marks that inserters have made for it
  SerializableTransaction* next = nullptr;
};

/// Which rules are applied. Tests switch single rules off, to show what each one prevents.
struct SerializationRules {
  bool stale_reads = true;         ///< a read that passes over a concurrent write is an edge
  bool writes_after_reads = true;  ///< a write of what a concurrent transaction has read is an edge
  bool gaps = true;                ///< scans mark gaps
  bool inheritance = true;         ///< a gap's marks cover both halves when a key comes into it
  bool pivot = true;               ///< RwConflicts' rules (a), (b), (c)
  bool first = true;
  bool last = true;
  bool read_only_anomaly = true;  ///< a transaction that wrote nothing may be T1, too
};

/// Keeps edges "did not see what the other wrote" between concurrent serializable transactions, and decides which may commit.
///
/// Danger      T1 -> T2 -> T3, where T3 commits first of the three (T1 may be T3). Every history that snapshots allow and no
///             serial order explains contains this. If T1 writes nothing, it is harmless unless T3 committed before T1's
///             snapshot.
/// Decision    Each transaction calls decide() once, when it wants to commit. A read never fails, since the writer may still
///             abort, the reader may write nothing, or T3 may come last. decide() refuses
///             (a) the pivot T2, if T3 has decided or committed, and T1 has committed after it or runs and has written;
///             (b) T1, if T2 can no longer be refused, since T2 decided when T1 had written nothing;
///             (c) T3, if both others have decided, since T3 could commit before them.
///             A refused transaction that is repeated is not concurrent with T3 any more, so it is not refused for the same
///             reason.
/// Two steps   decide() comes before the commit record; commit() takes the timestamp once the log has the record. A
///             transaction between the two steps can no longer be refused. Its place among others between the two is open, so
///             any of them may be T3. A transaction with edges takes its timestamp under the latch, before any snapshot shows
///             it. So of two in one structure, the one that has committed here has the smaller timestamp.
/// Memory      Edges are bits between the rows of transactions that are not over. A transaction that commits leaves three
///             numbers with its neighbours. They suffice, as only the earliest T3 and the latest T1 count. If no row is free,
///             the transaction that has met the conflict is refused.
/// Progress    add, decide, commit, roll_back take one spin latch where there are edges; without edges they are wait-free.
/// Ordering    [word]  set to committed with release, read with acquire: limit and first_out are seen.
///             [edges] relaxed: kHasEdges is set under the latch; its owner's exchange without it fails then, so that the owner
///                     takes the latch, which orders the rest.
/// Source      Fekete et al., TODS 30(2), 2005; Cahill, Röhm, Fekete, SIGMOD'08; Ports, Grittner, PVLDB 5(12), 2012.
/// Differs     PostgreSQL refuses T2 as soon as T3 commits, however T1 goes on. Here decide() looks when T2 wants to commit,
///             and takes a T1 that has written nothing by then for a reader until it writes.
class RwConflicts {
 public:
  using Transaction = SerializableTransaction;
  static constexpr Timestamp kNever = ~Timestamp{0};
  static constexpr Timestamp kOpen = kNever - 1;  ///< later than every commit

  explicit RwConflicts(SerializationRules rules)
      : rules_(rules),
        rows_(std::make_unique<Row[]>(kRows)),
        free_(std::make_unique<std::uint32_t[]>(kRows)) {
    for (; free_count_ < kRows; ++free_count_) free_[free_count_] = kRows - 1 - free_count_;
  }

  /// Before any mark leads to the transaction.
  static void begin(Transaction& me, Timestamp snapshot);
  /// `reader` did not see what `writer` wrote. `actor` is one of the two: the caller's own, which is active. A mark leads to the
  /// other one, and the caller holds that mark's latch, so that the other session does not use it again meanwhile.
  void add(Transaction& reader, Transaction& writer, Transaction& actor);
  /// Likewise, where the other transactions have committed and only these numbers are left of them.
  void add_out(Transaction& reader, Timestamp first_out, Timestamp first_beyond);
  void add_in(Transaction& writer, Timestamp last_in);

  /// False: the caller rolls it back. True: it will commit or, if it wrote nothing, it has committed.
  bool decide(Transaction& me);
  /// After decide(), for a transaction that wrote. `take` returns its commit timestamp, which no snapshot shows before this returns.
  template <class Take>
  Timestamp commit(Transaction& me, Take take) {
    std::uint8_t expected = Transaction::decided;
    // [edges] relaxed: the exchange fails where there are edges, and then the latch orders.
    if (me.word.compare_exchange_strong(expected, Transaction::stamping, std::memory_order_relaxed)) {
      const Timestamp at = take();
      me.limit = at;
      // [word] release: a reader of the state sees the limit. From here on the session may use `me` again.
      me.word.store(Transaction::committed, std::memory_order_release);
      return at;
    }
    const std::lock_guard guard(latch_);
    const Timestamp at = take();
    me.limit = at;
    settle(me);
    return at;
  }
  void roll_back(Transaction& me);

 private:
  static constexpr std::uint32_t kRows = 512;

  /// A set of rows.
  class Rows {
   public:
    void add(std::uint32_t row) { words_[row / 64] |= bit(row); }
    void remove(std::uint32_t row) { words_[row / 64] &= ~bit(row); }
    void clear() { words_.fill(0); }
    /// Calls `is_it` with each until it says yes.
    template <class IsIt>
    bool any(IsIt is_it) const {
      for (std::uint32_t word = 0; word < words_.size(); ++word) {
        for (std::uint64_t left = words_[word]; left != 0; left &= left - 1) {
          if (is_it(word * 64 + static_cast<std::uint32_t>(std::countr_zero(left)))) return true;
        }
      }
      return false;
    }

   private:
    static std::uint64_t bit(std::uint32_t row) { return std::uint64_t{1} << row % 64; }
    std::array<std::uint64_t, kRows / 64> words_{};
  };
  struct Row {
    Transaction* transaction = nullptr;
    Rows in;   ///< of transactions that did not see what this one wrote
    Rows out;  ///< of transactions whose writes this one did not see
  };

  static Transaction::State meet(Transaction& other);
  bool take_row(Transaction& transaction);
  void give_row_back(Transaction& me);
  void learn_out(Transaction& reader, Timestamp first_out, Timestamp first_beyond) const;
  void learn_in(Transaction& writer, Timestamp last_in) const;
  void doom_if_certain(Transaction& transaction) const;
  bool has_decided(std::uint32_t row) const;
  bool is_dangerous(const Transaction& me) const;
  bool is_pivot(const Transaction& me) const;
  bool is_first(const Transaction& me) const;
  bool is_last(const Transaction& me) const;
  Timestamp limit_as_first(const Transaction& t) const;
  Timestamp limit_of_committed(const Transaction& t) const;
  void settle(Transaction& me);

  const SerializationRules rules_;
  alignas(kCacheLine) SpinLatch latch_;  // guards all below; taken behind a bucket's latch, never before one
  const std::unique_ptr<Row[]> rows_;
  const std::unique_ptr<std::uint32_t[]> free_;
  std::uint32_t free_count_ = 0;
};

}  // namespace muster
