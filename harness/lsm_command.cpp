#include <fmt/format.h>

#include "engine/error.h"
#include "engine/lsm/tree_check.h"
#include "harness/commands.h"
#include "harness/lsm_trees.h"
#include "workloads/workload.h"

namespace muster {
namespace {

constexpr std::size_t kKeyBytesShown = 24;

void print_levels(const lsm::ManifestState& state, std::FILE* out) {
  fmt::print(out, "  {:>5} {:>6} {:>12} {:>12} {:>14}  keys\n", "level", "files", "entries", "tombstones",
             "bytes");
  const auto levels = lsm::summarize(state);
  for (std::size_t number = 0; number < levels.size(); ++number) {
    const lsm::LevelSummary& level = levels[number];
    if (level.files == 0) continue;
    fmt::print(out, "  {:>5} {:>6} {:>12} {:>12} {:>14}  {} to {}\n", number, level.files, level.entries,
               level.tombstones, level.bytes, readable(level.smallest, kKeyBytesShown),
               readable(level.largest, kKeyBytesShown));
  }
}

void print_what_was_read(const lsm::TreeCheck& check, std::FILE* out) {
  if (check.manifest.end == 0) {  // damaged
    fmt::print(out,
               "  {} of {} files are sound by themselves; which make up the tree, only a manifest says\n",
               check.sound, check.files);
    return;
  }
  if (!check.manifest.state.tables().empty()) print_levels(check.manifest.state, out);
  fmt::print(out, "  needs the log from LSN {}\n", check.manifest.state.flushed());
  if (check.manifest.end < check.manifest.bytes) {
    fmt::print(out,
               "  the manifest's last {} bytes are an edit that is being written, or that a crash cut off\n",
               check.manifest.bytes - check.manifest.end);
  }
  if (check.unnamed != 0) {
    fmt::print(out, "  files that the manifest does not name, unfinished or on their way out: {}\n",
               check.unnamed);
  }
  if (check.unread != 0) {
    fmt::print(out, "  {} files went with compactions before they could be read\n", check.unread);
  }
  fmt::print(out, "  {} of {} files are sound\n", check.sound, check.files);
}

/// The number of things that are wrong.
std::uint64_t verify(const TreePlace& tree, std::FILE* out) {
  fmt::print(out, "{}\n", describe(tree));
  std::uint64_t wrong = 0;
  const auto report = [&](const std::string& what) {
    ++wrong;
    fmt::print(out, "  damaged: {}\n", what);
  };
  if (!std::filesystem::is_directory(tree.directory)) {
    report(tree.directory.string() + ": the directory of a table is missing");
    return wrong;
  }
  print_what_was_read(lsm::check_tree(tree.directory, report), out);
  return wrong;
}

}  // namespace

void lsm_verify_command(const std::filesystem::path& directory, std::FILE* out) {
  std::string damage;
  const std::vector<TreePlace> trees = trees_of(directory, damage);
  if (!damage.empty()) fmt::print(out, "damaged: {}\n", damage);
  std::uint64_t wrong = damage.empty() ? 0 : 1;
  std::size_t sound = 0;
  for (const TreePlace& tree : trees) {
    const std::uint64_t here = verify(tree, out);
    wrong += here;
    if (here == 0) ++sound;
  }
  if (wrong == 0) return;
  throw VerificationError(fmt::format("{}: {} found damaged, {} of {} trees are sound", directory.string(),
                                      wrong == 1 ? "1 part" : fmt::format("{} parts", wrong), sound,
                                      trees.size()));
}

}  // namespace muster
