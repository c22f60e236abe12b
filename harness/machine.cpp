#include "harness/machine.h"

#include <elf.h>
#include <fmt/format.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "build_info.h"
#include "harness/fitness.h"
#include "harness/host_files.h"

#ifdef MUSTER_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::optional<std::string> cpuinfo(const std::string& key) {
  return text_of("/proc/cpuinfo", key);
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

/// Each as a key.
Json verdicts(const std::vector<Point>& points) {
  Json json = Json::object();
  for (const Point& point : points) {
    std::string key = point.name;
    std::ranges::transform(key, key.begin(),
                           [](char c) { return c == ' ' ? '_' : static_cast<char>(std::tolower(c)); });
    json[key] = name_of(point.verdict);
  }
  return json;
}

Json load_average() {
  std::array<double, 3> load{};
  if (::getloadavg(load.data(), 3) != 3) return nullptr;
  return load;
}

/// Tells hosts apart and names none: 64 bits that depend on all 128 of the number that systemd gives an
/// installation, or, where there is none (some containers), on the host's name.
std::string host_id() {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const std::string number = first_line("/etc/machine-id").value_or("");
  for (const char c : "muster " + (number.empty() ? host_name() : number)) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

/// What the linker has made of all that is in this executable: another executable has another one.
std::string build_id() {
  std::string id;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* into) {
        for (unsigned i = 0; i < object->dlpi_phnum; ++i) {
          const auto& segment = object->dlpi_phdr[i];
          if (segment.p_type != PT_NOTE) continue;
          const auto* note = reinterpret_cast<const char*>(object->dlpi_addr + segment.p_vaddr);
          for (const char* const end = note + segment.p_memsz; note < end;) {
            ElfW(Nhdr) head;
            std::memcpy(&head, note, sizeof head);
            const auto padded = [](std::size_t bytes) { return (bytes + 3) / 4 * 4; };
            const char* const name = note + sizeof head;
            const char* const content = name + padded(head.n_namesz);
            if (head.n_type == NT_GNU_BUILD_ID &&
                std::string_view(name, head.n_namesz) == std::string_view("GNU", 4)) {
              for (std::size_t byte = 0; byte < head.n_descsz; ++byte) {
                *static_cast<std::string*>(into) +=
                    fmt::format("{:02x}", static_cast<unsigned char>(content[byte]));
              }
            }
            note = content + padded(head.n_descsz);
          }
        }
        return 1;  // the executable comes first, and its libraries are others' business
      },
      &id);
  return id;
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
  return {{"version", kVersion},      {"build_id", build_id()}, {"git_commit", kGitCommit},
          {"compiler", kCompiler},    {"flags", kFlags},        {"build_type", kBuildType},
          {"allocator", allocator()}, {"sanitizer", kSanitizer}};
}

std::string host_name() {
  struct utsname system {};
  ::uname(&system);
  return system.nodename;
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
  return {{"host_id", host_id()},
          {"cpu_model", or_null(cpuinfo("model name"))},
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
          {"hypervisor", or_null(is_guest())},
          {"governor", or_null(first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))},
          {"turbo", or_null(turbo_is_on())},
          {"smt", topology.machine_units() > topology.cores()},
          {"transparent_huge_pages", or_null(huge_pages_policy())},
          {"verdicts", verdicts(settings(topology))},
          {"load_average", load_average()},
          {"file_system", file_system.empty() ? Json(nullptr) : Json(file_system)}};
}

}  // namespace muster
