#include "harness/machine.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "build_info.h"

#ifdef MUSTER_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

Json or_null(const std::optional<std::string>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// The value of the first `key ... : value` line.
std::optional<std::string> cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return std::nullopt;
}

std::optional<std::string> operating_system() {
  std::ifstream file("/etc/os-release");
  const std::string key = "PRETTY_NAME=";
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    std::erase(line, '"');
    return line.substr(key.size());
  }
  return std::nullopt;
}

/// Whether the processor says that it is a guest; null where it has no way to say so.
Json hypervisor() {
  const auto flags = cpuinfo("flags");
  if (!flags) return nullptr;
  return (" " + *flags + " ").find(" hypervisor ") != std::string::npos;
}

Json turbo() {
  if (const auto off = first_line("/sys/devices/system/cpu/intel_pstate/no_turbo")) return *off == "0";
  if (const auto boost = first_line("/sys/devices/system/cpu/cpufreq/boost")) return *boost == "1";
  return nullptr;
}

Json load_average() {
  std::array<double, 3> load{};
  if (::getloadavg(load.data(), 3) != 3) return nullptr;
  return load;
}

std::string allocator() {
#ifdef MUSTER_JEMALLOC
  const char* version = nullptr;
  std::size_t size = sizeof version;
  if (mallctl("version", static_cast<void*>(&version), &size, nullptr, 0) != 0) return "jemalloc";
  return fmt::format("jemalloc {}", version);
#else
  return "system";
#endif
}

}  // namespace

Json describe_build() {
  return {{"version", kVersion},      {"git_commit", kGitCommit}, {"compiler", kCompiler},  {"flags", kFlags},
          {"build_type", kBuildType}, {"allocator", allocator()}, {"sanitizer", kSanitizer}};
}

std::string file_system_type(const std::filesystem::path& path) {
  struct stat status {};
  std::filesystem::path existing = std::filesystem::absolute(path);
  while (::stat(existing.c_str(), &status) != 0 && existing.has_relative_path())
    existing = existing.parent_path();
  const std::string device = fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev));
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string mount, parent, number, field;
    fields >> mount >> parent >> number;
    if (number != device) continue;
    while (fields >> field && field != "-") {}
    fields >> field;
    return field;
  }
  return {};
}

Json describe_machine(const Topology& topology, const std::filesystem::path& directory) {
  struct utsname system {};
  ::uname(&system);
  const CacheSizes& caches = topology.caches();
  // The kernel's total: of a guest whose memory was added later its nodes may say less.
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::string file_system = directory.empty() ? "" : file_system_type(directory);
  return {{"cpu_model", or_null(cpuinfo("model name"))},
          {"architecture", system.machine},
          {"processing_units", topology.machine_units()},
          {"cores", topology.cores()},
          {"packages", topology.packages()},
          {"numa_nodes", topology.nodes().size()},
          {"memory_bytes", memory},
          {"cache_line_bytes", caches.line_bytes},
          {"l1d_bytes", caches.l1d_bytes},
          {"l2_bytes", caches.l2_bytes},
          {"l3_bytes", caches.l3_bytes},
          {"kernel", fmt::format("{} {}", system.sysname, system.release)},
          {"os", or_null(operating_system())},
          {"hypervisor", hypervisor()},
          {"governor", or_null(first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))},
          {"turbo", turbo()},
          {"smt", topology.machine_units() > topology.cores()},
          {"load_average", load_average()},
          {"file_system", file_system.empty() ? Json(nullptr) : Json(file_system)}};
}

}  // namespace muster
