#include "harness/lsm_trees.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "engine/catalogue.h"
#include "engine/error.h"
#include "engine/lsm_tables.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

bool is_tree(const fs::path& directory) {
  return directory.filename().string().ends_with(kTreeSuffix) || fs::exists(directory / "MANIFEST");
}

/// A catalogue also names trees whose directories are missing. Directories that it does not name are no tables.
std::vector<TreePlace> trees_in(const Catalogue& catalogue, const fs::path& database) {
  std::vector<TreePlace> trees;
  for (const Catalogue::Table& table : catalogue.tables()) {
    if (table.kind == TableKind::lsm) {
      trees.push_back({tree_path(database, table.id), table.name});
    }
  }
  return trees;
}

std::vector<TreePlace> trees_there(const fs::path& database) {
  std::vector<TreePlace> trees;
  for (const auto& entry : fs::directory_iterator(database)) {
    if (entry.is_directory() && is_tree(entry.path())) trees.push_back({entry.path(), ""});
  }
  std::ranges::sort(trees, {}, &TreePlace::directory);
  return trees;
}

std::vector<TreePlace> trees_of_database(const fs::path& database, std::string& damage) {
  std::optional<Catalogue> catalogue;
  try {
    catalogue = Catalogue::read(database / "catalogue");
  } catch (const DamageError& error) {
    damage = error.what();
  }
  return catalogue ? trees_in(*catalogue, database) : trees_there(database);
}

}  // namespace

std::vector<TreePlace> trees_of(const fs::path& directory, std::string& damage) {
  fs::path given = directory;
  if (!given.has_filename()) given = given.parent_path();  // a slash at the end
  if (fs::is_directory(given)) {
    if (is_tree(given)) return {{given, ""}};
    for (const fs::path& database : {given, given / "muster.db"}) {
      if (!fs::exists(database / "catalogue")) continue;
      auto trees = trees_of_database(database, damage);
      if (!trees.empty() || !damage.empty()) return trees;
      throw ConfigError("DIR", directory.string(),
                        "want a database that has an LSM tree (a table of kind lsm)");
    }
  }
  throw ConfigError("DIR", directory.string(), "want the directory of an LSM tree (ID.lsm) or of a database");
}

std::string describe(const TreePlace& tree) {
  std::string text = "tree " + tree.directory.string();
  if (!tree.table.empty()) text += fmt::format(" (table {})", tree.table);
  return text;
}

std::string readable(Bytes key, std::size_t bytes_max) {
  const Bytes shown = key.first(std::min(key.size(), bytes_max));
  const bool is_text = std::ranges::all_of(shown, [](std::byte byte) {
    const char c = static_cast<char>(byte);
    return c >= ' ' && c <= '~' && c != '"' && c != '\\';
  });
  std::string text = is_text ? "\"" : "0x";
  for (const std::byte byte : shown) {
    if (is_text) {
      text += static_cast<char>(byte);
    } else {
      text += fmt::format("{:02x}", static_cast<unsigned>(byte));
    }
  }
  if (is_text) text += '"';
  if (shown.size() < key.size()) text += fmt::format("... ({} bytes)", key.size());
  return text;
}

}  // namespace muster
