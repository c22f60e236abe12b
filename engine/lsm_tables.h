#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include "engine/index/table.h"
#include "engine/lsm/lsm_table.h"

namespace muster {

/// Of a tree's directory in a database's.
inline constexpr std::string_view kTreeSuffix = ".lsm";
std::filesystem::path tree_path(const std::filesystem::path& database, TableId id);

/// What the LSM trees of a database share, and what is done to all of them. The tables belong to the database's Tables, which
/// goes first. Thread-safe, except that opening and stop() stand alone.
class LsmTables {
 public:
  /// `directory`: the database's. The other three are as lsm::TreeSurroundings has them.
  /// `is_temporary`: the trees' directories are removed at the end.
  LsmTables(std::filesystem::path directory, const lsm::LsmOptions& options, bool is_temporary,
            std::function<void(Lsn)> flush_log, std::function<Lsn()> log_end)
      : is_temporary_(is_temporary),
        directory_(std::move(directory)),
        options_(options),
        flush_log_(std::move(flush_log)),
        log_end_(std::move(log_end)),
        cache_(options.block_cache_bytes) {}
  ~LsmTables();
  LsmTables(const LsmTables&) = delete;
  LsmTables& operator=(const LsmTables&) = delete;

  std::filesystem::path path_of(TableId id) const;

  /// Of a table that the catalogue names; changes nothing on the disk. Restart may redo from `redo_from` on. Throws DamageError,
  /// std::system_error.
  std::unique_ptr<Table> open(TableId id, Lsn redo_from, bool was_clean);
  /// A new one, durable but for its directory's name, in place of whatever is there. Not one of these yet: adopt() makes it one.
  std::unique_ptr<lsm::LsmTable> create(TableId id);
  /// From here on checkpoints write the table. Its owner is the database's Tables, already.
  void adopt(TableId id, lsm::LsmTable& table);
  /// The log is sound: from here on the trees that restart has opened may write. Throws std::system_error.
  void begin_writing();
  /// The trees' backgrounds begin, also of those that are created later. `may_drop` outlives them.
  void start(lsm::LsmTable::MayDrop may_drop);
  void stop() noexcept;

  /// For restart, which redoes them by themselves.
  const SelfStoredTables& self_stored() const { return tables_; }
  /// Brings all into the files. Returns the LSN below which none needs the log. Throws NoRoom: later it may do.
  Lsn write_back();
  lsm::LsmStatistics statistics() const;

 private:
  template <class Visit>
  void for_each(Visit visit) const;
  std::unique_ptr<lsm::LsmTable> make(TableId id, Lsn redo_from);

  const bool is_temporary_;
  const std::filesystem::path directory_;
  const lsm::LsmOptions options_;
  const std::function<void(Lsn)> flush_log_;
  const std::function<Lsn()> log_end_;
  lsm::BlockCache cache_;
  lsm::LsmTable::MayDrop may_drop_;
  mutable std::mutex mutex_;  // guards what follows
  SelfStoredTables tables_;
};

}  // namespace muster
