#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <mutex>

#include "algorithms/backoff.h"
#include "engine/txn/commit_clock.h"
#include "engine/txn/spin_latch.h"

namespace muster {

struct Mark;

/// A serializable transaction, from its begin until nobody that runs is concurrent with it. Used again.
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
  /// State, and whether there are edges: one word, so that who goes on without edges cannot overlook a new one.
  std::atomic<std::uint8_t> word{rolled_back};
  std::atomic<bool> wrote{
      false};  ///< set by its thread. Relaxed: who misses it is found out by RwConflicts::decide()
  std::atomic<bool> doomed{false};  ///< it cannot commit. Relaxed: a hint, which decide() does not need
  /// Once it is committed: its timestamp, or its snapshot if it wrote nothing. What committed later cannot have been
  /// missed by it while it mattered, so it is concurrent, as a reader, with those whose snapshot is older than this.
  Timestamp limit = 0;

  // What is known of neighbours that have committed. Guarded by RwConflicts' latch, then constant from the commit on.
  Timestamp first_out = 0;  ///< earliest commit among those whose writes it did not see
  Timestamp first_beyond =
      0;  ///< least first_out of those: what a transaction that it did not see did not see itself
  Timestamp last_in = 0;         ///< greatest limit among those that did not see what it wrote
  std::uint32_t slot = kNoSlot;  ///< its row, as long as it has edges to others that are not over

  // Its session's, see SerializationGraph.
  bool read_only = false;  ///< it has said so
  bool unmarked = false;   ///< its snapshot is safe
  bool sweeps = false;     ///< it has one mark for all that it reads
  std::size_t marks_count = 0;
  Mark* marks = nullptr;
  std::atomic<Mark*> inherited{nullptr};  ///< marks that others have made for it
  SerializableTransaction* next = nullptr;
};

/// Which rules are kept. All, but in tests that show what each is for.
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

/// Edges "did not see what the other wrote" between concurrent serializable transactions, and who may commit.
///
/// Danger      T1 -> T2 -> T3, T3 commits first of the three (T1 may be T3): every history that snapshots allow and no serial
///             order explains has this in it. If T1 writes nothing, it is harmless unless T3 committed before T1's snapshot.
/// Decision    Each transaction is asked once, when it wants to commit; a read never fails, since the writer may still
///             abort, the reader may write nothing, or T3 come last. Refused is
///             (a) the pivot T2, if T3 has decided or committed and T1 has committed after it, or has written and runs;
///             (b) T1, if T2 can no longer be refused: it came first, when T1 had written nothing;
///             (c) T3, if both others have decided: it could commit before them.
///             A refused transaction that is tried again is not concurrent with T3 any more, so it is not refused for the
///             same reason.
/// Two steps   decide() comes before the commit record, commit() takes the timestamp once the log has it. A transaction
///             between the two can neither be refused nor be placed before or after others between the two: any of them
///             may be T3. What has edges takes its timestamp under the latch, so that of two that are in a structure the
///             one that has committed here has the smaller one; and it does so before any snapshot shows it.
/// Memory      Edges are bits between the rows of transactions that are not over. One that commits leaves three numbers
///             with its neighbours: more is not needed, as only the earliest T3 and the latest T1 count. Without a free row
///             the one that has met the conflict is refused.
/// Progress    add, decide, commit, roll_back take one spin latch where there are edges; without, they are wait-free.
/// Ordering    [word]  set to committed with release, read with acquire: limit and first_out are seen.
///             [edges] relaxed: kHasEdges is set under the latch; its owner's exchange without it fails then, so that the owner
///                     takes the latch, which orders the rest.
/// Source      Fekete et al., TODS 30(2), 2005; Cahill, Röhm, Fekete, SIGMOD'08; Ports, Grittner, PVLDB 5(12), 2012.
/// Differs     from PostgreSQL: it refuses T2 as soon as T3 commits, however T1 goes on. Here T2 is asked when it wants to
///             commit, and a T1 that has written nothing by then is taken for a reader until it writes.
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

  /// Of a transaction that nobody can find.
  static void begin(Transaction& me, Timestamp snapshot);
  /// `reader` did not see what `writer` wrote. `actor` is one of them, active, and the caller's; the other one is somebody whom
  /// a mark leads to, so that it is not used again meanwhile.
  void add(Transaction& reader, Transaction& writer, Transaction& actor);
  /// Likewise, of others that have committed and of which no more is known.
  void add_out(Transaction& reader, Timestamp first_out, Timestamp first_beyond);
  void add_in(Transaction& writer, Timestamp last_in);

  /// False: roll it back. True: it will commit, or, if it wrote nothing, has committed.
  bool decide(Transaction& me);
  /// After decide(), of one that wrote. `take` returns its commit timestamp, which no snapshot shows before this returns.
  template <class Take>
  Timestamp commit(Transaction& me, Take take) {
    std::uint8_t expected = Transaction::decided;
    if (me.word.compare_exchange_strong(expected, Transaction::stamping,
                                        std::memory_order_relaxed)) {  // [edges]
      const Timestamp at = take();
      me.limit = at;
      me.word.store(Transaction::committed,
                    std::memory_order_release);  // [word] from here on it may be used again
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
    Rows in;   ///< they did not see what it wrote
    Rows out;  ///< it did not see what they wrote
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
