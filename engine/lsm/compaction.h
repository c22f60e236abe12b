#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "engine/lsm/compaction_picker.h"
#include "engine/lsm/levels.h"
#include "engine/lsm/table_writer.h"
#include "engine/lsm/traffic.h"

namespace muster::lsm {

/// What the writers of table files need.
struct TableWriting {
  std::filesystem::path directory;
  BlockCache& cache;
  TableOptions options;
  std::function<std::uint64_t()> new_number;  ///< may be called by any thread
};

/// Writes what `entries` shows and `keeps` wants, one entry a key, to new tables, each cut once its file has `bytes_max`. Their files
/// are synced, their names are not; each is removed with its table unless that is kept (Table::keep_file). Adds to `written`.
/// None: `stop` was requested. Throws std::system_error, for instance where the disk is full, and DamageError. Then, and if
/// it was stopped, no file of it is left.
std::optional<std::vector<TablePtr>> write_tables(EntryIterator& entries,
                                                  const std::function<bool(const Entry&)>& keeps,
                                                  std::uint64_t bytes_max, const TableWriting& writing,
                                                  std::atomic<std::uint64_t>& written,
                                                  const std::stop_token& stop);

/// Whether a removal may be forgotten: no transaction still needs to meet it. Asked only for one that hides no older entry in any table.
using MayDrop = std::function<bool(const Entry& tombstone)>;

/// Makes the inputs of a compaction that does not move them into new tables: of each key the newest entry. A tombstone goes
/// where no table below can hold its key and `may_drop` agrees. `levels` is what the picker picked the compaction from, or newer by flushes. Threads
/// may run several at once, if no two have an input in common. It throws and returns what write_tables() does.
std::optional<std::vector<TablePtr>> run_compaction(const Compaction& compaction, const Levels& levels,
                                                    const TableWriting& writing, const MayDrop& may_drop,
                                                    Traffic& traffic, const std::stop_token& stop);

}  // namespace muster::lsm
