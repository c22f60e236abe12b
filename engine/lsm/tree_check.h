#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "engine/lsm/manifest.h"

namespace muster::lsm {

/// What the manifest says of the tables of one level, all together.
struct LevelSummary {
  std::uint64_t files = 0;
  std::uint64_t entries = 0;
  std::uint64_t tombstones = 0;  ///< of these entries
  std::uint64_t bytes = 0;       ///< of the files
  Key smallest;                  ///< empty if there is no file
  Key largest;                   ///< likewise
};
std::array<LevelSummary, kLevels> summarize(const ManifestState& state);

struct TreeCheck {
  ManifestContent manifest;  ///< the last one that was read; empty where it is damaged
  std::uint64_t files = 0;   ///< that it names; where it is damaged, the files of tables in the directory
  std::uint64_t sound = 0;   ///< of these
  std::uint64_t unread = 0;  ///< of these: compactions removed them again and again before they could be read
  std::uint64_t unnamed = 0;  ///< files of tables that it does not name: unfinished, or on their way out
};

/// Of the files in the directory that are called like tables' files.
std::set<std::uint64_t> table_numbers(const std::filesystem::path& directory);

/// As read_manifest(), also while a tree is at work. Damage is believed if the file says the same when it is read again.
ManifestContent read_live_manifest(
    const std::filesystem::path& directory,
    const std::function<void(std::uint64_t offset, const ManifestEdit& edit)>& visit = {});

/// Checks the files of the tree in `directory`: the manifest, that every file it names is there, and each of these files as
/// TableFile::verify() does. Tells `report` of what is wrong, a line each with file and offset, and goes on. Where the manifest
/// is damaged, it checks every file by itself: which of them make up the tree, only a manifest says.
///
/// Takes no lock and writes nothing, so a database may be at work in the directory. A compaction removes a file after the
/// manifest has ceased to name it. So a file that is missing counts as damage only if a manifest names it that was read after
/// the file was missed. Throws std::system_error where the directory or a file cannot be opened.
TreeCheck check_tree(const std::filesystem::path& directory,
                     const std::function<void(const std::string& what)>& report);

}  // namespace muster::lsm
