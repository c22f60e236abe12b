#pragma once

#include <array>
#include <condition_variable>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engine/index/table.h"
#include "engine/lsm/coordination.h"
#include "engine/lsm/lsm_options.h"
#include "engine/lsm/no_room.h"
#include "engine/lsm/pending_insertions.h"
#include "engine/lsm/thread_slot.h"
#include "engine/lsm/tree_parts.h"
#include "engine/spin_latch.h"

namespace muster::lsm {

/// A table as an LSM tree: changes go to a memtable, memtables become files, compactions merge files. A directory of its own.
///
/// Change     Under the key's latch: find the newest entry, log the change, add an entry with the record's end as its LSN.
///            So the order of a key's entries is that of its records, whatever the caller has locked. Then the writer looks
///            whether the memtable is full.
/// Removal    adds a tombstone, which is the ghost. A compaction drops it where no older entry is below and no transaction
///            needs its name. So a ghost may go although a scan has locked it. A scan goes on behind a live record only
///            (TableRecord::stays), and is_current() looks at all keys from there on.
/// Insertion  The key is announced (pending_insertions.h) before the successor is looked up, and until the entry is there. While
///            no transaction guards gaps (ChangeLog::guards_gaps), the successor is not looked up: that takes an iterator over all
///            memtables and levels.
/// Scan       copies some rows at a time, and shows them while it is in no section. It first waits for the insertions that were
///            under way in what it has copied, and copies it again.
/// Redo       A change goes to the memtable if the key's newest entry is older. A memtable that is full is written at once.
/// Background One thread writes memtables to files, another one compacts. A change waits a moment where many files are in
///            level 0, and until they are fewer, or a memtable is free, where there are too many. Where the machine has no
///            room for a file (NoRoom), the background tries again and again; a change that would have to wait for it throws
///            NoRoom meanwhile. A rollback's change never waits, and takes memory instead. If a thread of the background
///            fails otherwise, changes throw its error from then on. Reads go on in any case.
/// Threads    Any number; from the 256th on that are at work at the same time in the process, they take turns.
class LsmTable final : public SelfStoredTable {
 public:
  using MayDrop = std::function<bool(TableId table, Bytes key)>;

  /// Makes an empty tree in a directory that is not there, durably but for the directory's own name.
  static void create(const std::filesystem::path& directory);
  /// Opens it, and changes nothing in the directory. Restart redoes the log from `redo_from` on.
  LsmTable(const std::filesystem::path& directory, TableId id, TreeSurroundings surroundings, Lsn redo_from);
  ~LsmTable() override;

  /// From here on the directory may be changed: the log is sound. Until start() there is no background; changes do its work.
  /// No other thread uses the table. Throws std::system_error.
  void begin_writing();
  /// All is redone. Begins with the background.
  void start(MayDrop may_drop);
  /// Ends the background, in the middle of what it is doing. No other thread uses the table any more.
  void stop() noexcept override;

  Status find(Bytes key, std::vector<std::byte>& value) const override;
  Status insert(Bytes key, Bytes value, ChangeLog& log) override;
  Status update(Bytes key, Bytes value, ChangeLog& log) override;
  Status remove(Bytes key, ChangeLog& log) override;
  Status increment(Bytes key, const Increment& what, ChangeLog& log) override;
  /// Compactions drop ghosts.
  void reclaim(Bytes, ChangeLog&) override {}
  bool scan(Bytes from, const std::function<bool(const TableRecord& record)>& visit) const override;
  bool next_key(Bytes key, std::vector<std::byte>& next) const override;
  void verify() const override;

  bool redo(const RecordChange& change, Lsn record_end) override;
  std::size_t redo_room() const override { return parts_.options().memtable_bytes / 2; }
  Lsn newest_change() const override;
  Lsn write_back() override;

  LsmStatistics statistics() const;

 private:
  class Scan;
  friend class Scan;
  using Tree = Coordination<NativePlatform, TreeParts>;

  static constexpr std::uint32_t kSlots = 256;  // and one that all other threads share
  static constexpr std::size_t kLatches = 1024;
  /// How changes are held up: not at all; for a moment; until a memtable is free; until there are fewer files.
  enum class Pressure : std::uint8_t { none, slow, memtables, files };
  enum class Duty : std::uint8_t { flush, compact };

  /// The newest entry of a key.
  struct Newest {
    Lsn lsn = 0;  ///< 0: there is none
    bool exists = false;
    Bytes value;  ///< in the buffer, or in a memtable of the view
  };
  static Newest newest(const TreeView& view, Bytes key, std::vector<std::byte>& buffer);
  static std::unique_ptr<EntryIterator> entries(const TreeView& view);

  /// What `use(slot)` returns, which has the slot for itself.
  template <class Use>
  auto with_slot(Use use) const;
  /// What `look(view)` returns.
  template <class Look>
  auto read(Look look) const;
  /// What `change(view, entry)` fills is added to the memtable if it returns an LSN other than 0, which is the entry's. Returns
  /// the memtable if it is full now, else null: for after_change(), once the thread has given its slot back.
  template <class Change>
  const TreeParts::Memtable* write(Bytes key, std::uint32_t slot, Change change);
  template <class Change>
  Status change_record(Bytes key, const ChangeLog& log, Change change);
  Status may_insert(const TreeView& view, Bytes key, ChangeLog& log) const;
  std::mutex& latch_of(Bytes key) const;

  // lsm_background.cpp
  void admit(const ChangeLog& log);
  void after_change(const TreeParts::Memtable* full);
  void make_room(const TreeParts::Memtable* full);
  template <class Work>
  bool with_room(Duty duty, Work work);
  bool flush_one();
  bool switch_memtable(const TreeParts::Memtable* full);
  bool switch_if_full();
  void flush_memtables(const std::stop_token& stop);
  void compact_files(const std::stop_token& stop);
  void run(const std::stop_token& stop, void (LsmTable::*work)(const std::stop_token&));
  void update_pressure();
  Pressure measure() const;
  const NoRoom* no_room_behind(Pressure pressure) const;
  void wake();
  void fail(std::exception_ptr why);
  void throw_if_failed() const;

  const TableId id_;
  TreeParts parts_;
  const Lsn flushed_;  // when the table was opened: redo has nothing to do below
  mutable Tree tree_;
  PendingInsertions insertions_{kSlots + 1};
  // Mutexes: a writer that holds one reads files and waits for room in the log.
  const std::unique_ptr<std::mutex[]> latches_ = std::make_unique<std::mutex[]>(kLatches);
  mutable std::mutex overflow_;  // held by the thread that has the shared slot

  bool may_write_ = false;       // set while no other thread is there
  bool has_background_ = false;  // set before other threads come
  std::atomic<Pressure> pressure_{
      Pressure::none};  // relaxed: written under mutex_; a writer that sees it late waits late
  std::atomic<std::uint64_t> flushes_{0}, slowed_{0}, stopped_{0};  // relaxed: counts
  std::atomic<bool> failed_{false};                                 // released by fail(), with failure_

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any work_;
  std::condition_variable relief_;  // the pressure has fallen, or the background has failed, or finds no room
  std::uint64_t calls_ = 0;         // of wake()
  std::array<std::optional<NoRoom>, 2> no_room_;  // by Duty: why its last attempt failed; none: it did not
  std::exception_ptr failure_;

  std::jthread flusher_, compactor_;  // last: they use the others
};

}  // namespace muster::lsm
