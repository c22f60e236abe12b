#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/lsm/levels.h"
#include "engine/lsm/tree_check.h"
#include "harness/commands.h"
#include "harness/lsm_trees.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeyBytesDumped = 64;
constexpr std::size_t kWholeKey = ~std::size_t{0};

/// Prints one dump; counts what it had to leave out.
class Dump {
 public:
  Dump(bool with_entries, std::FILE* out) : with_entries_(with_entries), out_(out) {}

  void tree(const TreePlace& tree) {
    fmt::print(out_, "{}\n", describe(tree));
    if (!fs::is_directory(tree.directory)) return damaged(tree.directory.string() + ": missing");
    lsm::ManifestContent manifest;
    try {
      manifest = lsm::read_live_manifest(
          tree.directory,
          [&](std::uint64_t offset, const lsm::ManifestEdit& edit) { this->edit(offset, edit); });
    } catch (const DamageError& error) {
      damaged(error.what());
      for (const auto number : lsm::table_numbers(tree.directory)) {
        table(lsm::table_path(tree.directory, number), number);
      }
      return;
    }
    for (const auto& [number, placed] : manifest.state.tables()) {
      const std::string level = fmt::format("level {} ", placed.level);
      if (!table(lsm::table_path(tree.directory, number), number, level)) missing(tree.directory, number);
    }
  }

  /// False: the file is not there.
  bool table(const fs::path& path, std::uint64_t number, const std::string& level = "") {
    try {
      lsm::BlockCache none(0);
      const auto file = lsm::TableFile::open(path, none, number);
      fmt::print(out_, "{}", level);
      properties(path, file->properties());
      if (with_entries_) entries(*file);
    } catch (const DamageError& error) {
      damaged(error.what());
    } catch (const std::system_error& error) {
      if (!is_missing(error.code())) throw;
      return false;
    }
    return true;
  }

  void damaged(const std::string& what) {
    ++wrong_;
    fmt::print(out_, "damaged: {}\n", what);
  }
  std::uint64_t wrong() const { return wrong_; }

 private:
  /// A compaction removes a file after the manifest has ceased to name it.
  void missing(const fs::path& directory, std::uint64_t number) {
    const std::string path = lsm::table_path(directory, number).string();
    if (lsm::read_live_manifest(directory).state.tables().contains(number)) {
      damaged(path + ": missing: the manifest names it");
    } else {
      fmt::print(out_, "{}: went with a compaction before it could be read\n", path);
    }
  }

  void edit(std::uint64_t offset, const lsm::ManifestEdit& edit) {
    fmt::print(out_, "edit at byte {}:", offset);
    if (edit.flushed != 0) fmt::print(out_, " needs the log from LSN {};", edit.flushed);
    if (edit.next_file != 0) fmt::print(out_, " next file {};", edit.next_file);
    fmt::print(out_, " {} removed, {} added\n", edit.removed.size(), edit.added.size());
    const auto is_added = [&](std::uint64_t number) {
      return std::ranges::any_of(edit.added,
                                 [&](const auto& placed) { return placed.table.number == number; });
    };
    for (const std::uint64_t number : edit.removed) {
      if (!is_added(number)) fmt::print(out_, "  removes table {}\n", number);
    }
    for (const lsm::PlacedTable& placed : edit.added) {
      const lsm::TableInfo& table = placed.table;
      const bool moves = std::ranges::find(edit.removed, table.number) != edit.removed.end();
      fmt::print(out_, "  {} table {} to level {}: {}, {} bytes\n", moves ? "moves" : "adds", table.number,
                 placed.level, content_of(table), table.bytes);
    }
  }

  template <class T>
  static std::string content_of(const T& table) {
    return fmt::format("{} entries, {} of them tombstones, LSN {} to {}, keys {} to {}", table.entries,
                       table.tombstones, table.least_lsn, table.greatest_lsn,
                       readable(table.smallest, kKeyBytesDumped), readable(table.largest, kKeyBytesDumped));
  }

  void properties(const fs::path& path, const lsm::TableProperties& table) {
    fmt::print(out_, "{}: table {}, format version {}: {}\n", path.string(), table.number,
               table.format_version, content_of(table));
    fmt::print(out_, "  {} bytes, {} blocks of data, compression {}, {} bytes of keys and values\n",
               table.file_bytes, table.blocks, to_string(table.compression), table.raw_bytes);
  }

  void entries(const lsm::TableFile& file) {
    for (std::size_t index = 0; index < file.blocks(); ++index) {
      try {
        lsm::BlockIterator block(file.block(index, lsm::Caching::bypass));
        for (block.seek_to_first(); block.valid(); block.next()) entry(block.entry());
      } catch (const DamageError& error) {
        damaged(error.what());
      }
    }
  }

  void entry(const lsm::Entry& entry) {
    fmt::print(out_, "  {} LSN {} {}\n", readable(entry.key, kWholeKey), entry.lsn,
               entry.tombstone ? "tombstone" : fmt::format("{} bytes", entry.value.size()));
  }

  const bool with_entries_;
  std::FILE* const out_;
  std::uint64_t wrong_ = 0;
};

void dump_file(const fs::path& path, Dump& dump) {
  const auto number = lsm::table_number(path);
  if (!number) {
    throw ConfigError("DIR", path.string(), "want a table file that is called by its number, as 000001.sst");
  }
  if (!dump.table(path, *number)) throw ConfigError("DIR", path.string(), "want a file that is there");
}

}  // namespace

void lsm_dump_command(const LsmDumpRequest& request, std::FILE* out) {
  Dump dump(request.entries, out);
  if (fs::is_regular_file(request.place)) {
    dump_file(request.place, dump);
  } else {
    std::string damage;
    const std::vector<TreePlace> trees = trees_of(request.place, damage);
    if (!damage.empty()) dump.damaged(damage);
    for (const TreePlace& tree : trees) dump.tree(tree);
  }
  if (dump.wrong() != 0) {
    throw DamageError(fmt::format("{}: {} found damaged", request.place,
                                  dump.wrong() == 1 ? "1 part" : fmt::format("{} parts", dump.wrong())));
  }
}

}  // namespace muster
