#include "harness/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace muster {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t number = 0;
  if (in >> number) return number;
  return std::nullopt;  // not there, or "max"
}

/// The number behind `key` in lines of keys and numbers.
std::optional<std::uint64_t> number_of(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string name;
    std::uint64_t number = 0;
    if (fields >> name >> number && name == key) return number;
  }
  return std::nullopt;
}

/// The names that one version of control groups gives its files.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char* cached;  // in memory.stat: used, but given back when memory is short
};
constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", "file"};

/// What the group and those above it leave.
std::uint64_t left_in(const fs::path& mount, fs::path group, const GroupFiles& files) {
  std::uint64_t left = UINT64_MAX;
  for (bool more = true; more; group = group.parent_path()) {
    more = group.has_relative_path();
    const fs::path folder = mount / group.relative_path();
    const auto limit = number_in(folder / files.limit);
    const auto used = number_in(folder / files.used);
    if (!limit || !used) continue;
    const std::uint64_t cached = number_of(folder / "memory.stat", files.cached).value_or(0);
    const std::uint64_t held = *used - std::min(*used, cached);
    left = std::min(left, *limit - std::min(*limit, held));
  }
  return left;
}

}  // namespace

std::optional<std::uint64_t> available_memory(const fs::path& root) {
  constexpr std::uint64_t kKibibyte = 1024;
  std::uint64_t available = UINT64_MAX;
  if (const auto machine = number_of(root / "proc/meminfo", "MemAvailable:"))
    available = *machine * kKibibyte;
  std::ifstream groups(root / "proc/self/cgroup");  // hierarchy:controllers:group
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const fs::path group = line.substr(second + 1);
    if (line.starts_with("0:")) {
      available = std::min(available, left_in(root / "sys/fs/cgroup", group, kVersion2));
    } else if (controllers.find(",memory,") != std::string::npos) {
      available = std::min(available, left_in(root / "sys/fs/cgroup/memory", group, kVersion1));
    }
  }
  if (available == UINT64_MAX) return std::nullopt;
  return available;
}

}  // namespace muster
