#include "engine/table_files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/lsm_tables.h"
#include "engine/storage/table_space.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".table";
constexpr std::string_view kReplacement = ".new";  // of replace_file()
constexpr std::array<std::string_view, 5> kOtherFiles = {"lock", "master", "catalogue", "doublewrite",
                                                         "high_water"};

/// The table that a file or a tree's directory is called after.
std::optional<TableId> table_of(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::string_view suffix = name.ends_with(kTreeSuffix) ? kTreeSuffix : kSuffix;
  if (!name.ends_with(suffix)) return std::nullopt;
  const char* const end = name.data() + name.size() - suffix.size();
  TableId id = 0;
  const auto [parsed, error] = std::from_chars(name.data(), end, id);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return id;
}

bool is_same_directory(const fs::path& a, const fs::path& b) {
  std::error_code none;  // one that is not there is not the same
  return fs::equivalent(a, b, none);
}

File open_locked(const fs::path& path, int flags) {
  File file = File::open(path, flags);
  if (!file.try_lock()) throw ConfigError("table", path.string(), "want a file that no database has open");
  return file;
}

/// Of the unfinished table, which no session can have used: what was written there is its own first page, or nothing yet.
void remove_unfinished(const Catalogue::Table& table) {
  std::error_code gone;
  if (!fs::is_regular_file(table.file, gone)) return;
  try {
    check_table_file(File::open(table.file, O_RDONLY), table.id, 0, false);
  } catch (const DamageError&) {  // another program's file by now
    return;
  }
  remove_file(table.file);
  sync_directory(table.file.parent_path());
}

}  // namespace

fs::path TableFiles::path_of(const Catalogue::Table& table) const {
  return table.file.empty() ? directory_ / fmt::format("{}{}", table.id, kSuffix) : table.file;
}

std::map<TableId, File> TableFiles::open_all(const Catalogue& catalogue) const {
  std::map<TableId, File> files;
  for (const Catalogue::Table& table : catalogue.tables()) {
    if (table.kind != TableKind::btree) continue;
    const fs::path path = path_of(table);
    if (!fs::exists(path)) {
      throw DamageError(fmt::format("{}: the file of table {} is missing", path.string(), table.name));
    }
    files.emplace(table.id, table.file.empty() ? File::open(path, O_RDWR) : open_locked(path, O_RDWR));
  }
  return files;
}

File TableFiles::create(TableId id) const {
  return File::open(directory_ / fmt::format("{}{}", id, kSuffix), O_RDWR | O_CREAT | O_TRUNC);
}

File TableFiles::create_unnamed(TableId id) const {
  const fs::path path = directory_ / fmt::format("{}.unnamed", id);
  File file = File::open(path, O_RDWR | O_CREAT | O_TRUNC);
  remove_file(path);
  return file;
}

File TableFiles::create_at(const fs::path& path) const {
  if (is_own_name(path))
    throw ConfigError("table", path.string(), "want a path that the database does not use itself");
  File file = open_locked(path, O_RDWR | O_CREAT);
  if (!fs::is_regular_file(path) || file.size() != 0) {
    throw ConfigError("table", path.string(),
                      "want a path where nothing is, or an empty file: this is no table of the database");
  }
  sync_directory(path.parent_path());
  return file;
}

bool TableFiles::is_own_name(const fs::path& path) const {
  if (is_same_directory(path.parent_path(), log_directory_)) return true;
  if (!is_same_directory(path.parent_path(), directory_)) return false;
  std::string name = path.filename().string();
  if (name.ends_with(kReplacement)) name.resize(name.size() - kReplacement.size());
  return table_of(path) || std::ranges::find(kOtherFiles, name) != kOtherFiles.end();
}

void TableFiles::remove_leftovers(const Catalogue& catalogue) const {
  for (const Catalogue::Table& table : catalogue.unfinished()) {
    if (catalogue.find_at(table.file) == nullptr)
      remove_unfinished(table);  // else a later attempt was finished
  }
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const auto id = table_of(entry.path());
    if (id && catalogue.find(*id) == nullptr) leftovers.push_back(entry.path());
  }
  for (const fs::path& leftover : leftovers) remove_tree(leftover);
}

}  // namespace muster
