#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "algorithms/placed_array.h"
#include "engine/txn/lock_name.h"
#include "engine/txn/rw_conflicts.h"
#include "engine/txn/spin_latch.h"

namespace muster {

/// That a transaction has read or written what a name stands for. A mark of a reader makes nobody wait.
struct Mark {
  Mark* next = nullptr;       ///< in the bucket's chain
  Mark** link = nullptr;      ///< what points to this one there; under the bucket's latch, as `next`
  Mark* held_next = nullptr;  ///< among its owner's, or among the free
  LockName name = 0;
  SerializableTransaction* owner = nullptr;
  bool is_write = false;
  bool shared = false;  ///< of the graph's own, made by another transaction than its owner
};

/// One session's side of the graph. Used by one thread; the atomics are what others may look at.
class SerializationMember {
 public:
  SerializationMember() = default;
  SerializationMember(const SerializationMember&) = delete;
  SerializationMember& operator=(const SerializationMember&) = delete;

  /// Between begin and the transaction's end.
  SerializableTransaction& current() { return *current_; }
  /// Transactions that have committed and whose marks are kept.
  std::size_t kept() const { return kept_; }

 private:
  friend class SerializationGraph;

  alignas(kCacheLine) std::atomic<Timestamp> snapshot_{RwConflicts::kNever};  // of the current transaction
  std::atomic<std::uint32_t> writers_{0};  // transactions that may write and are not over
  std::atomic<Timestamp> last_commit_{0};  // of one that wrote
  SerializableTransaction* current_ = nullptr;
  SerializableTransaction* first_kept_ = nullptr;
  SerializableTransaction* last_kept_ = nullptr;
  std::size_t kept_ = 0;
  std::size_t left_ = 0;  // of those, how many the last collect() had to leave
  std::size_t kept_marks_ = 0;
  SerializableTransaction* free_ = nullptr;
  Mark* free_marks_ = nullptr;
  std::deque<SerializableTransaction> transactions_;
  std::deque<Mark> marks_;
};

/// Finds what concurrent serializable transactions have not seen of each other, and so who must not commit (RwConflicts).
///
/// Marks       A read marks the record's name, present or not; a write does, too. Marks lie in buckets, each with a latch, so
///             of a read and a write of one record the second finds the first: a *stale read* finds the write that its
///             snapshot does not show, a *write that affects a prior read* finds the read. So it does not matter in which
///             order either looks at the page and here.
/// Gaps        A scan marks, for each key that it meets, ghosts included, the record and the gap below it, and at the table's end
///             the gap there. A key that comes into a gap meets the marks there. Its own gap inherits them, since it is a part of
///             what they have read; and so does its record, since a rollback leaves a ghost, which another one revives
///             without coming into a gap. An insertion leaves nothing in a gap. So it looks while its leaf is latched, before
///             the key is there, and a scan looks behind its marks whether the leaf still is as it has read it.
/// Kept        A mark is kept as long as a transaction runs whose snapshot does not show its owner. When a session keeps more
///             than kKeptMax transactions or kKeptMarksMax marks, its oldest become numbers in the buckets where they were:
///             from then on they stand for all names of the bucket. That can refuse somebody needlessly, never too few. So
///             does one mark for everything where one transaction reads more than kMarksMax.
/// Safe        A snapshot is safe that shows all serializable writers that have begun: what it shows was left by a prefix of a
///             serial order. A transaction that says that it only reads needs no marks then.
/// Progress    Every call takes bucket latches, one or two at a time; who meets a conflict takes RwConflicts' latch behind
///             them. No allocation once a session has seen transactions of this size.
/// Ordering    [snapshot] A session stores 0, stands at a sequentially consistent fence, and then takes its snapshot. Whoever
///                        looks for the oldest reads which commits are visible, stands at a fence of its own, then reads the
///                        sessions: one that it has not seen takes a snapshot that is no older than what it has read.
///             [members]  One that joins counts, then stands at a fence, then reads leaves. An insertion latches its leaf, stands at
///                        a fence, then reads the count: either it sees the member, or that one's scans see the latch.
/// Source      Cahill, Röhm, Fekete, SIGMOD'08; Ports, Grittner, PVLDB 5(12), 2012.
/// Differs     from PostgreSQL: writes leave marks, too, where PostgreSQL finds the writer by the version that is skipped: so
///             both directions are one look-up, and a version need not lead to its transaction. Hashed buckets instead of
///             pages are what is coarse, and only once there is too much to keep.
class SerializationGraph {
 public:
  using Transaction = SerializableTransaction;

  struct Limits {
    std::size_t kept_max = 64;  ///< of a session
    std::size_t kept_marks_max = 8192;
    std::size_t marks_max = 65536;  ///< of a transaction
  };

  /// `memory` is told of the buckets'; null: nobody is. Outlives this.
  explicit SerializationGraph(std::uint32_t sessions_max, const MemoryPlacement* memory = nullptr)
      : SerializationGraph(sessions_max, memory, {}, {}) {}
  SerializationGraph(std::uint32_t sessions_max, const MemoryPlacement* memory, Limits limits,
                     SerializationRules rules);

  SerializationMember& join();
  /// No transaction of the member runs, and all of them are over. What others still have to meet becomes numbers.
  void leave(SerializationMember& member, Timestamp visible);
  /// Whether there are members: then every insertion calls insert(), at whatever level. Under its leaf's latch.
  bool is_in_use() const {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // [members] the latch was taken before
    return members_count_.load(std::memory_order_acquire) != 0;
  }

  /// Begins a transaction in the snapshot that `take` returns: all commits are visible there up to the result.
  template <class Take>
  Timestamp begin(SerializationMember& member, Take take, bool read_only = false) {
    Transaction& me = new_transaction(member);
    if (!read_only)
      member.writers_.fetch_add(1, std::memory_order_relaxed);  // the fence orders it: [snapshot]
    member.snapshot_.store(0, std::memory_order_relaxed);       // likewise
    std::atomic_thread_fence(std::memory_order_seq_cst);        // [snapshot]
    const Timestamp snapshot = take();
    member.snapshot_.store(snapshot, std::memory_order_release);
    RwConflicts::begin(me, snapshot);
    me.read_only = read_only;
    me.unmarked = read_only && all_is_shown(snapshot);
    if (me.unmarked)
      member.snapshot_.store(RwConflicts::kNever, std::memory_order_release);  // it looks at nothing here
    return snapshot;
  }
  /// Whether the current transaction, which only reads, needs no marks. Then its calls below do nothing.
  static bool is_safe(const Transaction& me) { return me.unmarked; }

  // Of the current transaction.
  void read(SerializationMember& member, LockName record);
  void write(SerializationMember& member, LockName record);
  /// As read, but only what is inserted there later counts.
  void read_gap(SerializationMember& member, LockName gap);
  /// A key that comes into the gap `above`, and is called thus itself.
  struct Insertion {
    LockName above = 0;
    LockName gap = 0;  ///< its own
    LockName record = 0;
  };
  /// While no other key can come in there, and before this one can be read. `member`: null where its transaction is not
  /// serializable.
  void insert(SerializationMember* member, const Insertion& insertion);
  static bool is_doomed(const Transaction& me) { return me.doomed.load(std::memory_order_relaxed); }

  /// Whether the current transaction may commit. Yes: it has none any more, and one that wrote commits by commit(). No: what it
  /// wrote is taken back, then roll_back() comes.
  bool decide(SerializationMember& member);
  /// From any thread, before any snapshot shows what `take` returns: the transaction's timestamp.
  template <class Take>
  Timestamp commit(SerializationMember& member, Transaction& me, Take take) {
    const Timestamp at = conflicts_.commit(me, take);
    member.last_commit_.store(at, std::memory_order_relaxed);  // the next one orders it
    writer_is_over(member);
    return at;
  }
  void roll_back(SerializationMember& member);

  /// Whether collect() is due, so that it costs a transaction a constant time however many have to stay.
  bool is_due(const SerializationMember& member) const {
    return member.kept_ >= std::min(2 * member.left_ + kDueMin, limits_.kept_max + 1) ||
           member.kept_marks_ > limits_.kept_marks_max;
  }
  /// Frees what nobody needs that sees all commits up to `visible`.
  void collect(SerializationMember& member, Timestamp visible);

  /// Whether no scan that counts has read the gap: then its key may go, and the gap become part of the next.
  bool is_free(LockName gap);

  struct Statistics {
    std::size_t marks = 0;       ///< that can be found
    std::size_t summarized = 0;  ///< transactions that have become numbers
  };
  Statistics statistics();

 private:
  struct alignas(64) Bucket {  // a line, as in the lock manager
    SpinLatch latch;
    Mark* reads = nullptr;
    Mark* writes = nullptr;
    // Of transactions of which no more is kept, for all names of the bucket.
    Timestamp reads_limit = 0;                     ///< greatest limit of readers
    Timestamp writes_limit = 0;                    ///< likewise of writers
    Timestamp first_beyond = RwConflicts::kNever;  ///< least first_out of writers
  };
  static constexpr unsigned kBucketBits = 16;
  static constexpr std::size_t kDueMin = 8;
  static constexpr LockName kEverything = 0;  // no lock's name

  Bucket& bucket_of(LockName name) { return (*buckets_)[name >> (64 - kBucketBits)]; }
  Transaction& new_transaction(SerializationMember& member);
  static void make_room(SerializationMember& member);
  static void add_mark(SerializationMember& member, Mark*& chain, LockName name, bool is_write);
  static void link(Mark*& chain, Mark& mark);
  static void unlink(Mark& mark);
  static bool has_committed(const Transaction& transaction);
  static bool is_concurrent(const Transaction& other, const Transaction& me);
  void mark_read(SerializationMember& member, LockName name, bool meets_writers);
  void read_everything(SerializationMember& member);
  void meet_readers(Transaction& me, const Bucket& bucket, LockName name);
  void meet_writers(Transaction& me, const Bucket& bucket, LockName name);
  void meet_sweepers(Transaction& me);
  static void writer_is_over(SerializationMember& member);
  static void end_current(SerializationMember& member);
  void forget_marks(SerializationMember& member, Transaction& transaction, bool reads_only, bool summarize);
  void take_out(Mark& mark, bool summarize);
  void summarize(const Mark& mark, Bucket& bucket) const;
  void free_first_kept(SerializationMember& member, bool summarize);
  void give_back(SerializationMember& member, Mark& mark);
  Timestamp horizon(Timestamp visible);
  bool all_is_shown(Timestamp snapshot) const;

  void inherit(Transaction& owner, Bucket& bucket, LockName name);
  Mark& new_shared_mark();

  const std::uint32_t members_max_;
  const MemoryPlacement* const memory_;
  const Limits limits_;
  const SerializationRules rules_;
  RwConflicts conflicts_;
  const std::unique_ptr<SerializationMember[]> members_;
  std::atomic<Timestamp> horizon_{0};  // relaxed: as of the last collect(); an older one is on the safe side
  std::atomic<std::uint32_t> sweeps_{0};    // transactions whose mark is in everything_, kept or summarized
  std::atomic<std::size_t> summarized_{0};  // relaxed: a count
  Bucket everything_;

  std::mutex joining_;  // guards what follows
  std::unique_ptr<PlacedArray<Bucket>>
      buckets_;  // made by the first that joins; read by those that have joined
  std::vector<SerializationMember*> free_members_;
  std::atomic<std::uint32_t> members_count_{0};  // released by one that joins: buckets_ is seen

  alignas(kCacheLine) SpinLatch sharing_;  // guards what follows; taken behind buckets' latches
  Mark* free_shared_ = nullptr;
  std::deque<Mark> shared_;
};

}  // namespace muster
