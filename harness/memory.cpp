#include "harness/memory.h"

#include <algorithm>

#include "harness/control_groups.h"
#include "harness/host_files.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

/// The names that one version of control groups gives its files.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char* cached;  // in memory.stat: used, but given back when memory is short
};
constexpr GroupFiles kVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"};
constexpr GroupFiles kVersion2{"memory.max", "memory.current", "file"};

std::uint64_t left_in(const GroupFolder& group) {
  const GroupFiles& files = group.version2 ? kVersion2 : kVersion1;
  const auto limit = number_in(group.path / files.limit);
  const auto used = number_in(group.path / files.used);
  if (!limit || !used) return UINT64_MAX;
  const std::uint64_t cached = number_of(group.path / "memory.stat", files.cached).value_or(0);
  const std::uint64_t held = *used - std::min(*used, cached);
  return *limit - std::min(*limit, held);
}

}  // namespace

std::optional<std::uint64_t> available_memory(const fs::path& root) {
  constexpr std::uint64_t kKibibyte = 1024;
  std::uint64_t available = UINT64_MAX;
  if (const auto machine = number_of(root / "proc/meminfo", "MemAvailable")) available = *machine * kKibibyte;
  for (const GroupFolder& group : control_groups("memory", root))
    available = std::min(available, left_in(group));
  if (available == UINT64_MAX) return std::nullopt;
  return available;
}

}  // namespace muster
