#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "engine/storage/cleaner.h"
#include "engine/storage/double_write.h"
#include "engine/storage/free_frames.h"
#include "engine/storage/lru_list.h"
#include "engine/storage/page_state.h"
#include "engine/storage/table_space.h"
#include "engine/types.h"

namespace muster {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr std::uint64_t kTableBytesMax = std::uint64_t{1} << 32;  // shadow memory needs addresses, too
#else
inline constexpr std::uint64_t kTableBytesMax = std::uint64_t{1} << 38;  // of 2^47 that a process has
#endif

/// Which page goes when a frame is wanted.
enum class Replacement : std::uint8_t {
  clock,  ///< one that was not used while the hand went round: a use writes nothing once the mark is gone
  lru,  ///< the least recently used, by a list under one latch that every use takes: for measuring what that costs
};

struct BufferOptions {
  /// Pages that may be resident at a time, over all tables: at least BufferManager::kFramesMin.
  std::size_t frames = 65536;
  /// Addresses reserved for each table: the size that it can grow to. A multiple of the page size.
  std::uint64_t table_bytes_max = kTableBytesMax;
  Replacement replacement = Replacement::clock;
  /// Its functions place the tables' memory; null: memory is where a thread first touches it. Outlives the BufferManager.
  const MemoryPlacement* memory = nullptr;
};

struct BufferStatistics {
  std::uint64_t misses = 0;              ///< pages read from a file
  std::uint64_t evictions = 0;           ///< pages whose memory was given back
  std::uint64_t writes = 0;              ///< pages written to a file
  std::uint64_t double_write_bytes = 0;  ///< written to the double-write area
  std::uint64_t file_bytes = 0;          ///< of the tables' files, now
};

/// Keeps pages of tables in memory, a fixed number at a time, without a hash table (vmcache, SIGMOD'23): a
/// page's address follows from its number, its state word says whether it is there. A hit is one load of that
/// word. Pages are reached through the guards of guards.h.
///
/// Replacement  A clock walks the frames; a page is marked when it is loaded and when the hand passes, and evicted
///              when the hand comes and finds it marked: unless somebody used it in between. Dirty victims
///              are written back, a batch for one flush of the log. With Replacement::lru the batch is what was
///              used least recently, and every page rests marked (page_state.h).
/// Cleaning     Where copies are kept, a thread writes dirty pages back that the clock will find marked within half of a
///              lap. So threads that miss find clean victims, and wait for a device only where there is none.
/// Write-back   Pages are copied, their log is flushed, the copies made durable in the double-write area if there
///              is one, and then each is written that has not changed since.
/// WAL rule     A page is written only after flush_log(page LSN) has returned. It is called with no latch held
///              but that of a missing page, which its loader has, or a shared one in flush_all.
/// Errors       A page that cannot be written (the disk is full) stays, dirty, and a clean one is evicted in its place.
///              Where few are clean, where the log has failed and where a read fails, the thread that missed is
///              told. No latch or frame is lost.
/// Differs      from the paper: sharers are counted in 16 bits; dirtiness is a bit of the state word; frames
///              are an array instead of a hash table of resident pages.
class BufferManager {
 public:
  static constexpr std::size_t kFramesMin = 16;
  static constexpr std::size_t kMaxTables = 256;

  /// `flush_log` returns when the log is durable up to its argument, or throws. Any thread may be the caller.
  BufferManager(const BufferOptions& options, std::function<void(Lsn)> flush_log);
  BufferManager(const BufferManager&) = delete;
  BufferManager& operator=(const BufferManager&) = delete;
  ~BufferManager();  ///< throws away what was not flushed

  /// From now on no power loss leaves a torn page that `file`, an empty one, has no copy of, and a thread cleans.
  /// Before the first page is changed.
  void write_twice(File file);
  /// Makes the pages of `file` (also an empty or an unnamed one) reachable as table `id`, below kMaxTables
  /// and not open yet: ConfigError otherwise. Errors call it by its name, or by its id if it has none.
  void open_table(TableId id, File file, std::string name = {});
  bool is_open(TableId id) const;
  /// The table must be open. Valid as long as the BufferManager is.
  TableSpace& space(TableId id) const;

  /// Writes everything that was dirty and syncs the files. After a failed sync every later call fails as well:
  /// nobody knows what the disk holds.
  void flush_all();
  BufferStatistics statistics() const;
  /// Asks the kernel to read a page that will be used soon and is not in memory. Any table, any page.
  void prefetch(TableId table, PageNumber page) const;
  /// How many pages can be read before one must be evicted, and perhaps written, for them.
  std::size_t free_frames() const { return free_.count(); }

  // For the guards. Each returns the state word as it was taken.

  /// Begins an optimistic read: waits for an exclusive holder and loads the page as needed.
  std::uint64_t begin_read(TableSpace& owner, PageNumber page) {
    const std::uint64_t seen = owner.state(page).load(std::memory_order_acquire);  // [latch]
    if (latch_of(seen) == kUnlocked || latch_of(seen) >= kOneSharer) return seen;
    return begin_read_slowly(owner, page);
  }
  void lock_exclusive(TableSpace& owner, PageNumber page);
  void lock_shared(TableSpace& owner, PageNumber page);

 private:
  static constexpr std::uint64_t kNoPage = 0;  // in frames_
  /// A page in a frame, and its state word when somebody looked.
  struct Occupant {
    std::uint64_t resident = 0;
    FrameIndex frame = 0;
    TableSpace* space = nullptr;
    PageNumber number = 0;
    std::uint64_t seen = 0;

    PageState& state() const { return space->state(number); }
    std::byte* bytes() const { return space->page(number); }
    bool is_dirty() const { return muster::is_dirty(seen); }
  };
  struct alignas(kCacheLine) Counters {
    std::atomic<std::uint64_t> misses{0}, evictions{0}, writes{0};
  };

  std::uint64_t begin_read_slowly(TableSpace& owner, PageNumber page);
  std::optional<std::uint64_t> load(TableSpace& owner, PageNumber page);
  std::optional<Occupant> occupant(std::size_t frame) const;
  void note_use(const TableSpace& owner, PageNumber page);
  static bool copy_unchanged(const Occupant& page, WriteBatch& batch);
  std::unique_lock<std::mutex> keep_copies(WriteBatch& batch);
  void write_back(std::span<Occupant> pages);
  bool write_unchanged(const Occupant& page, Bytes copy);
  void write_latched(TableSpace& owner, PageNumber page);
  void write_in_place(TableSpace& owner, PageNumber page, Bytes copy);
  void sync_tables();

  // eviction.cpp
  enum class Candidates : std::uint8_t { all, clean };
  FrameIndex take_frame();
  std::optional<FrameIndex> evict_some();
  void choose_victims(Candidates candidates, std::vector<Occupant>& victims);
  void choose_oldest(Candidates candidates, std::vector<Occupant>& victims);
  bool enough_are_clean() const;
  static void drop_dirty(std::vector<Occupant>& pages);
  void clean_ahead();
  std::exception_ptr clean(std::vector<Occupant>& pages);
  WriteBatch copy_dirty(std::vector<Occupant>& pages) const;
  bool write_marked(Occupant& page, Bytes copy);
  std::optional<FrameIndex> release(const std::vector<Occupant>& pages);

  Counters& counters() { return counters_[FreeFrames::own_shard()]; }

  const std::function<void(Lsn)> flush_log_;
  const std::uint64_t table_bytes_max_;
  const MemoryPlacement* const memory_;
  std::vector<std::atomic<std::uint64_t>> frames_;  // which page is in it; changed under that page's latch
  FreeFrames free_;
  std::unique_ptr<LruList> lru_;               // null: the clock replaces
  std::unique_ptr<DoubleWrite> double_write_;  // null: pages go straight to their places
  std::mutex tables_mutex_;                    // held by open_table and flush_all
  std::mutex syncing_;        // one sync of the tables at a time: only one is told of an error
  bool sync_failed_ = false;  // under syncing_
  std::array<std::unique_ptr<TableSpace>, kMaxTables> owned_;
  std::array<std::atomic<TableSpace*>, kMaxTables> tables_{};
  alignas(kCacheLine) std::atomic<std::uint64_t> hand_{
      0};  // every evicting thread takes a stretch of the clock
  std::atomic<std::uint64_t> cleaned_{
      0};  // as hand_: the cleaner's; relaxed, a distance that nothing hangs on
  std::array<Counters, FreeFrames::kShards> counters_;
  std::optional<Cleaner> cleaner_;  // last: its thread uses the others
};

}  // namespace muster
