#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "algorithms/parts/placed_array.h"
#include "engine/log/log_record.h"
#include "engine/spin_latch.h"
#include "engine/txn/commit_clock.h"
#include "engine/txn/lock_name.h"
#include "engine/txn/snapshots.h"
#include "engine/txn/version_statistics.h"

namespace muster {

/// Names the transaction that has overwritten a version. While it runs: its worker and its number in the session. Afterwards: the
/// timestamp of its commit or rollback. Stamps are ordered; a running transaction is above every timestamp.
class Stamp {
 public:
  static constexpr Stamp running(WorkerId worker, std::uint32_t transaction) {
    return Stamp(kRunning | std::uint64_t{worker} << 32 | transaction);
  }
  static constexpr Stamp committed(Timestamp at) { return Stamp(at << 1); }
  static constexpr Stamp rolled_back(Timestamp at) { return Stamp(at << 1 | 1); }

  constexpr Stamp() = default;
  constexpr bool is_running() const { return (bits_ & kRunning) != 0; }
  constexpr bool was_rolled_back() const { return !is_running() && (bits_ & 1) != 0; }
  /// Whether the snapshot does not show what the transaction has written.
  constexpr bool is_above(Timestamp snapshot) const { return bits_ > (snapshot << 1 | 1); }
  constexpr bool operator==(const Stamp&) const = default;

 private:
  explicit constexpr Stamp(std::uint64_t bits) : bits_(bits) {}
  static constexpr std::uint64_t kRunning = std::uint64_t{1} << 63;
  std::uint64_t bits_ = 0;
};

/// What a record was before a transaction overwrote it. Key and before image lie behind it in memory.
struct Version {
  std::atomic<Stamp> overwritten;
  std::atomic<Version*> older{nullptr};        ///< of the same record
  std::atomic<Version*> next_record{nullptr};  ///< newest version of another record in the bucket
  Version* newer = nullptr;                    ///< of the same record; guarded by the bucket's latch
  Version* written_next = nullptr;             ///< the session's next version; only the session uses it
  Timestamp retired = 0;  ///< no reader with a snapshot above it has met this version; likewise
  const LockName name;
  const TableId table;
  const std::uint16_t key_bytes;
  const std::uint16_t before_bytes;
  const bool absent;   ///< there was no record
  bool linked = true;  ///< a reader can find it; guarded by the bucket's latch

  Version(LockName its_name, const RecordChange& change, Stamp by);
  Bytes key() const { return {reinterpret_cast<const std::byte*>(this + 1), key_bytes}; }
  Bytes before() const { return {key().data() + key_bytes, before_bytes}; }
  bool is_of(TableId of_table, Bytes of_key) const;
  static std::size_t bytes_for(const RecordChange& change);
};

/// What one transaction has overwritten, in the order in which it did.
struct WrittenVersions {
  Version* first = nullptr;
  std::size_t count = 0;
};

class VersionStore;

/// The versions that one session has written, oldest first, and their memory: chunks that the session fills one after the
/// other and uses again. Used by one thread; others may read the counts.
class VersionQueue {
 public:
  explicit VersionQueue(VersionStore& store) : store_(store) {}
  ~VersionQueue();  ///< when it is empty
  VersionQueue(const VersionQueue&) = delete;
  VersionQueue& operator=(const VersionQueue&) = delete;

  /// Makes room, so that add() cannot fail.
  void make_room(const RecordChange& change);
  Version& add(LockName name, const RecordChange& change, Stamp by);

  /// Whether collect() is due: twice as many versions are linked as the last collect() had to leave. So it costs a constant time
  /// for each version, however long some of them have to stay.
  bool is_due() const { return linked_ >= 2 * left_ + kDueMin; }
  /// Unlinks versions that no snapshot at or above `horizon` needs. Frees versions that were unlinked before and on which no
  /// reader can stand.
  void collect(Timestamp horizon);
  /// Frees all. No session reads versions any more.
  void clear();

  bool empty() const { return oldest_ == nullptr; }
  std::uint64_t versions() const { return versions_.load(std::memory_order_relaxed); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kDueMin = 64;  // spreads the look at all snapshots over many versions
  static constexpr std::size_t kSparesMax = 4;
  struct Chunk {
    static constexpr std::size_t kBytes = std::size_t{32} << 10;
    Chunk* next = nullptr;
    std::size_t used = 0;
    std::size_t live = 0;  // versions that are not freed
    alignas(Version) std::byte bytes[kBytes];
  };

  void unlink_first();
  void free_first();
  void next_chunk();
  void put_aside(Chunk* chunk);
  static void count(std::atomic<std::uint64_t>& number, std::uint64_t by) {
    number.store(number.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  VersionStore& store_;
  Version* oldest_ = nullptr;
  Version* first_linked_ = nullptr;  // earlier ones are unlinked, and wait until no reader can stand on them
  Version* newest_ = nullptr;
  std::size_t linked_ = 0;  // from first_linked_ on
  std::size_t left_ = 0;    // how many of the linked ones the last collect() had to leave
  Chunk* first_chunk_ = nullptr;
  Chunk* last_chunk_ = nullptr;
  Chunk* spare_ = nullptr;
  std::size_t spares_ = 0;
  std::atomic<std::uint64_t> versions_{0}, bytes_{0};  // relaxed: counts of one writer, which publish nothing
};

/// Keeps versions of records that transactions have overwritten, for readers that may not see the newest ones.
///
/// Place       Pages hold the newest value, perhaps uncommitted and then protected by its record's lock. The values before it
///             are here, in memory only: restart needs none, since no snapshot outlives the process.
/// Find        Buckets by lock name. A bucket links the newest version of each record, and a version links the older ones of
///             its record. An empty bucket costs a reader one line. A record's first version goes behind other records'.
/// Visibility  A reader reads the page first, then the chain from the newest version on. Of the versions that were overwritten
///             by transactions which its snapshot does not show, it sees the oldest one's before image. If there is none, or
///             its own transaction has overwritten the newest version, it sees what the page said.
/// Write       A writer links a version under the leaf's exclusive latch, before the page changes. So a reader that has read
///             the change finds the version. A transaction links one version for each record, however often it changes it.
/// End         A commit stamps its versions with its timestamp. A rollback stamps them, too, once it has restored the pages. A
///             reader that read a page before that finds the version, and sees its before image, which the page holds again.
/// Dependence  Readers may see a commit before it is durable. Each bucket keeps the largest end of such a commit, and a reader
///             that reads a record there depends on it. A bucket has many records, so this errs on the safe side, as
///             LockManager does.
/// Go          A session unlinks a version that was overwritten at or below the horizon, with all older ones of its record. It
///             uses the memory again when all snapshots in use are younger than the unlinking.
/// Invariants  A chain's stamps fall from the newest to the oldest, since the writer holds the record's lock until it has
///             stamped its version. Links of an unlinked version stay as they are, so that a reader that stands on one finds
///             all that was linked when it came.
/// Ordering    [link]  A writer releases each link that it stores, a reader acquires each link that it follows: the version
///                     there is whole.
///             [latch] The bucket's. A thread that changes links holds it; readers do not.
///             [stamp] relaxed: CommitClock publishes stamps that a snapshot shows, and all others are above it. A bucket's
///                     end likewise.
/// Progress    look and is_overwritten_above are wait-free, in the length of a chain: a new snapshot looks at one version, an
///             old one at all newer ones. keep and has take a spin latch; commit waits as CommitClock::finish does.
/// Source      InnoDB, PostgreSQL's zheap: newest in place; in memory only, newest first: Larson et al., PVLDB 5(4), 2011;
///             Neumann, Mühlbauer, Kemper, SIGMOD'15.
class VersionStore {
 public:
  /// `workers`: of the log. `memory` is told where the buckets lie; null: it is not reported. `memory` outlives this.
  VersionStore(std::uint32_t workers, const MemoryPlacement* memory)
      : memory_placement_(memory), clock_(workers + 1), snapshots_(clock_, workers) {}
  ~VersionStore();

  CommitClock& clock() { return clock_; }
  Snapshots& snapshots() { return snapshots_; }

  // A session calls these. Any thread.
  std::unique_ptr<VersionQueue> join();
  /// Versions that other sessions may still need go later; all go when the last session leaves.
  void leave(std::unique_ptr<VersionQueue> queue);
  /// Collects the session's queue, and the queues of sessions that have left.
  void collect(VersionQueue& queue);

  /// Keeps what the record is before the change. Call under its exclusive lock, after queue.make_room(). Null: this transaction
  /// has kept the record before.
  Version* keep(VersionQueue& queue, const RecordChange& change, Stamp by);
  /// From now on new snapshots show what was written. `end`: where the commit record ends; a reader that sees the commit depends
  /// on it. 0 where the commit is durable.
  void commit(const WrittenVersions& written, Lsn end) noexcept {
    commit(written, end, [this] { return clock_.take(); });
  }
  /// Likewise, with the timestamp that `take` returns.
  template <class Take>
  void commit(const WrittenVersions& written, Lsn end, Take take) noexcept {
    if (written.count == 0) return;
    const Timestamp now = take();
    stamp(written, Stamp::committed(now), end);
    clock_.finish(now);
  }
  /// Call once the pages are as they were before the transaction.
  void roll_back(const WrittenVersions& written) noexcept;

  struct View {
    enum class Shows : std::uint8_t {
      page,    ///< what the reader has read in the page
      own,     ///< likewise, and the reader's transaction has written it
      before,  ///< `value`, good until the snapshot is left
      absent,  ///< no record
    };
    Shows shows = Shows::page;
    Bytes value{};
    Lsn depends_on = 0;       ///< what the reader sees is durable once the log is durable up to here
    std::uint32_t steps = 0;  ///< versions that look() has passed
  };
  /// Call after reading the page, with a snapshot that is in use.
  View look(TableId table, Bytes key, Timestamp snapshot, Stamp by) const;
  /// Whether another transaction has written the record and committed since the snapshot. Call with a snapshot that is in use,
  /// under the record's exclusive lock.
  bool is_overwritten_above(TableId table, Bytes key, Timestamp snapshot, Stamp by) const;
  /// Whether some version of the record is kept: then a ghost has to stay, for scans of old snapshots.
  bool has(TableId table, Bytes key) const;

  VersionStatistics statistics() const;

 private:
  friend class VersionQueue;

  struct alignas(32) Bucket {  // two in a line: so many that few are in use at a time
    SpinLatch latch;
    std::atomic<Version*> first{nullptr};
    std::atomic<Lsn> end{0};  // largest end of a commit that readers could see here before it was durable
  };
  static constexpr unsigned kBucketBits = 17;
  using Buckets = PlacedArray<Bucket>;

  static Bucket& bucket_of(Buckets& buckets, LockName name) { return buckets[name >> (64 - kBucketBits)]; }
  static std::atomic<Version*>* link_to(Bucket& bucket, LockName name, TableId table, Bytes key);
  static const Version* newest(const Bucket& bucket, LockName name, TableId table, Bytes key,
                               std::uint32_t& steps);
  void stamp(const WrittenVersions& written, Stamp stamp, Lsn end);
  void unlink(Version& version);
  void count_memory(std::int64_t bytes);

  const MemoryPlacement* memory_placement_;
  CommitClock clock_;
  Snapshots snapshots_;
  std::atomic<Buckets*> buckets_{nullptr};  // released by the first session that joins; null before
  std::atomic<bool> has_left_{false};       // whether left_ is worth a look; relaxed: a hint
  mutable std::mutex sessions_;             // guards what follows
  std::unique_ptr<Buckets> owned_;
  std::vector<VersionQueue*> queues_;                                          // of sessions
  std::vector<std::unique_ptr<VersionQueue>> left_;                            // by sessions that are gone
  alignas(kCacheLine) std::atomic<std::uint64_t> memory_{0}, memory_peak_{0};  // relaxed: counts
};

}  // namespace muster
