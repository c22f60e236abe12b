#include "engine/lsm/tree_check.h"

#include <fmt/format.h>

#include <system_error>
#include <vector>

#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/lsm/levels.h"

namespace muster::lsm {
namespace {

namespace fs = std::filesystem;

/// A pass that misses files reads the manifest again: compactions may have removed what the last one named.
constexpr int kPassesMax = 20;

class Checker {
 public:
  Checker(const fs::path& directory, const std::function<void(const std::string& what)>& report)
      : directory_(directory), report_(report) {}

  TreeCheck run() {
    try {
      result_.manifest = read_live_manifest(directory_);
      check_named();
      count();
    } catch (const DamageError& error) {
      report_(error.what());
      result_.manifest = {};
      check_all_files();
    }
    return result_;
  }

 private:
  void check_named() {
    for (int pass = 0; pass < kPassesMax; ++pass) {
      std::vector<std::uint64_t> missing;
      for (const auto& [number, placed] : result_.manifest.state.tables()) {
        if (!check(number, &placed.table)) missing.push_back(number);
      }
      if (missing.empty()) return;
      result_.manifest = read_live_manifest(directory_);
      for (const std::uint64_t number : missing) {
        if (!result_.manifest.state.tables().contains(number)) continue;
        report_(fmt::format("{}: missing: the manifest names it", path_of(number).string()));
        damaged_.insert(number);
      }
    }
  }

  /// Once for each file. False: it is not there.
  bool check(std::uint64_t number, const TableInfo* info) {
    if (sound_.contains(number) || damaged_.contains(number)) return true;
    bool is_sound = true;
    const auto report = [&](const std::string& what) {
      is_sound = false;
      report_(what);
    };
    try {
      BlockCache none(0);
      const auto file = TableFile::open(path_of(number), none, number);
      if (info != nullptr) require_told(*file, *info);
      file->verify(report);
    } catch (const DamageError& error) {
      report(error.what());
    } catch (const std::system_error& error) {
      if (is_missing(error.code())) return false;
      // Any other refusal is the machine's, and says nothing about the file.
      if (error.code() != std::errc::io_error) throw;
      report(error.what());
    }
    (is_sound ? sound_ : damaged_).insert(number);
    return true;
  }

  void check_all_files() {
    for (const std::uint64_t number : table_numbers(directory_)) {
      if (check(number, nullptr)) ++result_.files;
    }
    result_.sound = sound_.size();
  }

  void count() {
    const auto& tables = result_.manifest.state.tables();
    result_.files = tables.size();
    for (const auto& [number, placed] : tables) {
      if (sound_.contains(number)) {
        ++result_.sound;
      } else if (!damaged_.contains(number)) {
        ++result_.unread;
      }
    }
    for (const std::uint64_t number : table_numbers(directory_)) {
      if (!tables.contains(number)) ++result_.unnamed;
    }
  }

  fs::path path_of(std::uint64_t number) const { return table_path(directory_, number); }

  const fs::path& directory_;
  const std::function<void(const std::string& what)>& report_;
  TreeCheck result_;
  std::set<std::uint64_t> sound_;    // numbers of tables
  std::set<std::uint64_t> damaged_;  // the same
};

}  // namespace

std::array<LevelSummary, kLevels> summarize(const ManifestState& state) {
  std::array<LevelSummary, kLevels> levels;
  for (const auto& [number, placed] : state.tables()) {
    const TableInfo& table = placed.table;
    LevelSummary& level = levels[placed.level];
    if (level.files == 0 || compare_keys(table.smallest, level.smallest) < 0) level.smallest = table.smallest;
    if (level.files == 0 || compare_keys(table.largest, level.largest) > 0) level.largest = table.largest;
    ++level.files;
    level.entries += table.entries;
    level.tombstones += table.tombstones;
    level.bytes += table.bytes;
  }
  return levels;
}

std::set<std::uint64_t> table_numbers(const fs::path& directory) {
  std::set<std::uint64_t> numbers;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (const auto number = table_number(entry.path())) numbers.insert(*number);
  }
  return numbers;
}

ManifestContent read_live_manifest(
    const fs::path& directory,
    const std::function<void(std::uint64_t offset, const ManifestEdit& edit)>& visit) {
  std::vector<std::pair<std::uint64_t, ManifestEdit>> edits;
  const auto keep = [&](std::uint64_t offset, const ManifestEdit& edit) { edits.emplace_back(offset, edit); };
  const auto show = [&] {
    for (const auto& [offset, edit] : edits) visit(offset, edit);
  };
  std::string complaint;
  for (;;) {
    edits.clear();
    try {
      ManifestContent content = read_manifest(directory, keep);
      if (visit) show();
      return content;
    } catch (const DamageError& error) {
      if (complaint == error.what()) {
        if (visit) show();  // what is in front of the damage
        throw;
      }
      complaint = error.what();
    }
  }
}

TreeCheck check_tree(const fs::path& directory, const std::function<void(const std::string& what)>& report) {
  return Checker(directory, report).run();
}

}  // namespace muster::lsm
