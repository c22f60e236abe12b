#include "harness/control_groups.h"

#include <fmt/format.h>

#include <fstream>

namespace muster {
namespace {

namespace fs = std::filesystem;

void add_group_and_above(std::vector<GroupFolder>& folders, const fs::path& mount, fs::path group,
                         bool version2) {
  for (bool more = true; more; group = group.parent_path()) {
    more = group.has_relative_path();
    folders.push_back({mount / group.relative_path(), version2});
  }
}

/// Where both versions are in use, the second stands beside the controllers of the first.
fs::path version2_mount(const fs::path& root) {
  const fs::path beside = root / "sys/fs/cgroup/unified";
  std::error_code error;
  return fs::exists(beside, error) ? beside : root / "sys/fs/cgroup";
}

}  // namespace

std::vector<GroupFolder> control_groups(const std::string& controller, const fs::path& root) {
  std::vector<GroupFolder> folders;
  std::ifstream groups(root / "proc/self/cgroup");  // hierarchy:controllers:group
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const fs::path group = line.substr(second + 1);
    if (line.starts_with("0:")) {
      add_group_and_above(folders, version2_mount(root), group, true);
    } else if (controllers.find("," + controller + ",") != std::string::npos) {
      add_group_and_above(folders, root / "sys/fs/cgroup" / controller, group, false);
    }
  }
  return folders;
}

}  // namespace muster
