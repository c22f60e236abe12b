#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace muster {

/// A control group's folder, in which the two versions have other file names.
struct GroupFolder {
  std::filesystem::path path;
  bool version2 = true;
};

/// Of this process's groups that a controller ("cpu", "memory") may limit, each followed by those above it; a folder
/// may be hidden from this process. `root` is where /proc and /sys are.
std::vector<GroupFolder> control_groups(const std::string& controller,
                                        const std::filesystem::path& root = "/");

}  // namespace muster
