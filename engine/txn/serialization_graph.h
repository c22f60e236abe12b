#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "algorithms/parts/placed_array.h"
#include "engine/spin_latch.h"
#include "engine/txn/lock_name.h"
#include "engine/txn/rw_conflicts.h"

namespace muster {

/// Says that a transaction has read or written what a name stands for. No transaction waits for a mark.
struct Mark {
  Mark* next = nullptr;   ///< in the bucket's chain
  Mark** link = nullptr;  ///< the pointer to this mark in the chain; guarded by the bucket's latch, as `next`
  Mark* held_next = nullptr;  ///< among its owner's marks, or among the free ones
  LockName name = 0;
  SerializableTransaction* owner = nullptr;
  bool is_write = false;
  bool shared = false;  ///< allocated by the graph: an inserter made it for the owner
};

/// One session's side of the graph. Used by one thread; other threads read the atomics only.
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
  std::atomic<Timestamp> last_commit_{0};  // of a transaction that wrote
  SerializableTransaction* current_ = nullptr;
  SerializableTransaction* first_kept_ = nullptr;
  SerializableTransaction* last_kept_ = nullptr;
  std::size_t kept_ = 0;
  std::size_t left_ = 0;  // how many of the kept ones the last collect() had to leave
  std::size_t kept_marks_ = 0;
  SerializableTransaction* free_ = nullptr;
  Mark* free_marks_ = nullptr;
  std::deque<SerializableTransaction> transactions_;
  std::deque<Mark> marks_;
};

/// Finds what concurrent serializable transactions have not seen of each other. RwConflicts decides from that which of them
/// must not commit.
///
/// Marks       A read marks the record's name, whether the record is there or not; a write marks it, too. Marks lie in buckets,
///             each with a latch. So when two transactions read and write one record, the second one finds the first one's
///             mark: a *stale read* finds the write that its snapshot does not show, a *write that affects a prior read* finds
///             the read. It does not matter in which order either transaction looks at the page and at the marks.
/// Gaps        A scan marks each key that it meets, ghosts included: the record and the gap below it. At the table's end it marks
///             the gap there. An inserter meets the marks of the gap that its key goes into. The new key's own gap inherits
///             these marks, since the scans have read it as a part of the old gap. The new record inherits them, too, since a
///             rollback leaves a ghost, and a transaction that revives the ghost enters no gap. An insertion leaves no mark in
///             a gap. So the inserter looks while its leaf is latched, before the key is there, and a scan checks after it has
///             marked that the leaf has not changed since it read it.
/// Kept        A mark stays as long as a transaction runs whose snapshot does not show the mark's owner. When a session keeps
///             more than Limits::kept_max transactions or kept_marks_max marks, its oldest transactions become numbers in
///             their marks' buckets. The numbers then stand for all names of the bucket. A transaction that reads more than
///             marks_max names keeps one mark that stands for everything. Either can refuse a transaction needlessly, but never
///             refuses too few.
/// Safe        A snapshot is safe if it shows all serializable writers that have begun: it then shows the result of a prefix
///             of a serial order. A transaction in it that has said that it only reads needs no marks.
/// Progress    Every call takes bucket latches, one or two at a time. A transaction that meets a conflict takes RwConflicts'
///             latch while it holds them. No allocation once a session has seen transactions of this size.
/// Ordering    [snapshot] A session stores 0, passes a sequentially consistent fence, and then takes its snapshot. horizon()
///                        and all_is_shown() work from a timestamp that was visible before, pass a fence of their own, and then
///                        read the sessions. A session whose store they miss takes a snapshot no older than that timestamp.
///             [members]  A session that joins counts itself, passes a fence, and then reads leaves. An inserter latches its
///                        leaf, passes a fence, and then reads the count. Either it sees the member, or the member's scans
///                        see the latch.
/// Source      Cahill, Röhm, Fekete, SIGMOD'08; Ports, Grittner, PVLDB 5(12), 2012.
/// Differs     PostgreSQL finds the writer by the version that a reader skips. Here writes leave marks, too: both directions
///             are one look-up, and a version need not lead to its transaction. PostgreSQL marks pages where marks are many;
///             here hashed buckets become coarse, and only once there is too much to keep.
class SerializationGraph {
 public:
  using Transaction = SerializableTransaction;

  struct Limits {
    std::size_t kept_max = 64;  ///< of a session
    std::size_t kept_marks_max = 8192;
    std::size_t marks_max = 65536;  ///< of a transaction
  };

  /// `memory` is told where the buckets lie; null: it is not reported. `memory` outlives this.
  explicit SerializationGraph(std::uint32_t sessions_max, const MemoryPlacement* memory = nullptr)
      : SerializationGraph(sessions_max, memory, {}, {}) {}
  SerializationGraph(std::uint32_t sessions_max, const MemoryPlacement* memory, Limits limits,
                     SerializationRules rules);

  SerializationMember& join();
  /// All transactions of the member are over. Marks that other transactions still have to meet become numbers.
  void leave(SerializationMember& member, Timestamp visible);
  /// Whether there are members. Then every inserter, at whatever level, calls insert() under its leaf's latch.
  bool is_in_use() const {
    std::atomic_thread_fence(std::memory_order_seq_cst);         // [members] the latch was taken before
    return members_count_.load(std::memory_order_acquire) != 0;  // pairs with join()
  }

  /// Begins a transaction in the snapshot that `take` returns: all commits are visible there up to the result.
  template <class Take>
  Timestamp begin(SerializationMember& member, Take take, bool read_only = false) {
    Transaction& me = new_transaction(member);
    // relaxed, both: the fence orders them.
    if (!read_only) member.writers_.fetch_add(1, std::memory_order_relaxed);
    member.snapshot_.store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // [snapshot]
    const Timestamp snapshot = take();
    member.snapshot_.store(snapshot, std::memory_order_release);  // pairs with horizon()
    RwConflicts::begin(me, snapshot);
    me.read_only = read_only;
    me.unmarked = read_only && all_is_shown(snapshot);
    // It looks at no marks. release: pairs with horizon().
    if (me.unmarked) member.snapshot_.store(RwConflicts::kNever, std::memory_order_release);
    return snapshot;
  }
  /// Whether the current transaction, which only reads, needs no marks. Then its calls below do nothing.
  static bool is_safe(const Transaction& me) { return me.unmarked; }

  // The current transaction's reads and writes.
  void read(SerializationMember& member, LockName record);
  void write(SerializationMember& member, LockName record);
  /// As read, but only later insertions into the gap conflict with it.
  void read_gap(SerializationMember& member, LockName gap);
  struct Insertion {
    LockName above = 0;   ///< the gap that the new key goes into
    LockName gap = 0;     ///< the gap below the new key
    LockName record = 0;  ///< the new record
  };
  /// Call while no other key can come into the gap, and before any transaction can read the new one. `member`: null where the
  /// inserter is not serializable.
  void insert(SerializationMember* member, const Insertion& insertion);
  static bool is_doomed(const Transaction& me) { return me.doomed.load(std::memory_order_relaxed); }

  /// Whether the current transaction may commit. True: the member has no current transaction any more, and one that wrote
  /// commits by commit(). False: the caller takes back what it wrote, and then calls roll_back().
  bool decide(SerializationMember& member);
  /// `take` returns the transaction's timestamp, which no snapshot shows before this returns. From any thread.
  template <class Take>
  Timestamp commit(SerializationMember& member, Transaction& me, Take take) {
    const Timestamp at = conflicts_.commit(me, take);
    member.last_commit_.store(at, std::memory_order_relaxed);  // relaxed: writer_is_over() releases it
    writer_is_over(member);
    return at;
  }
  void roll_back(SerializationMember& member);
  /// Rolls back a transaction that wrote and that decide() has let commit. collect() frees it later.
  void take_back(SerializationMember& member, Transaction& me);

  /// Whether collect() is due, so that it costs a transaction a constant time however many have to stay.
  bool is_due(const SerializationMember& member) const {
    return member.kept_ >= std::min(2 * member.left_ + kDueMin, limits_.kept_max + 1) ||
           member.kept_marks_ > limits_.kept_marks_max;
  }
  /// Frees transactions and marks that no transaction needs which sees all commits up to `visible`.
  void collect(SerializationMember& member, Timestamp visible);

  /// Whether no scan that still counts has read the gap. Then its key may go, and the gap becomes a part of the next one.
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
    // What is left of transactions whose marks are gone; stands for all names of the bucket.
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
  static bool is_over(const Transaction& transaction);
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
  // The first session that joins makes them. Sessions read them once they have joined, others once is_in_use() says so.
  std::unique_ptr<PlacedArray<Bucket>> buckets_;
  std::vector<SerializationMember*> free_members_;
  std::atomic<std::uint32_t> members_count_{0};  // released by a session that joins: readers see buckets_

  alignas(kCacheLine) SpinLatch sharing_;  // guards what follows; taken behind buckets' latches
  Mark* free_shared_ = nullptr;
  std::deque<Mark> shared_;
};

}  // namespace muster
