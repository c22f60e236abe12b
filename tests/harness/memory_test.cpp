#include "harness/memory.h"

#include <string>

#include "engine/error.h"
#include "harness/machine_checks.h"
#include "harness/workload_kind.h"
#include "tests/catch.h"
#include "tests/harness/planted_machine.h"

namespace {

using namespace muster;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

struct MemoryMachine : PlantedMachine {
  std::optional<std::uint64_t> available() const { return available_memory(path()); }
};

TEST_CASE("available memory: the machine's where no control group limits it, nothing where nobody says") {
  const MemoryMachine machine;
  CHECK_FALSE(machine.available());
  machine.file("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable:    8388608 kB\n");
  CHECK(machine.available() == 8 * kGiB);
  machine.file("proc/self/cgroup", "0::/a/b\n");
  machine.file("sys/fs/cgroup/a/b/memory.max", "max\n");
  CHECK(machine.available() == 8 * kGiB);
}

TEST_CASE("available memory: the limit of a group above counts, and what is only cached is not used") {
  const MemoryMachine machine;
  machine.file("proc/meminfo", "MemAvailable: 8388608 kB\n");
  machine.file("proc/self/cgroup", "0::/a/b\n");
  machine.file("sys/fs/cgroup/a/b/memory.max", "max\n");
  machine.file("sys/fs/cgroup/a/memory.max", std::to_string(4 * kGiB));
  machine.file("sys/fs/cgroup/a/memory.current", std::to_string(3 * kGiB));
  machine.file("sys/fs/cgroup/a/memory.stat", "anon 1\nfile " + std::to_string(2 * kGiB) + "\n");
  CHECK(machine.available() == 3 * kGiB);
}

TEST_CASE("available memory: the second version counts also where it stands beside the first") {
  const MemoryMachine machine;
  machine.file("proc/self/cgroup", "4:cpu:/\n0::/a\n");
  machine.file("sys/fs/cgroup/unified/a/memory.max", std::to_string(2 * kGiB));
  machine.file("sys/fs/cgroup/unified/a/memory.current", std::to_string(kGiB));
  CHECK(machine.available() == kGiB);
}

TEST_CASE("available memory: control groups of the first version, where the group's folder is not shown") {
  const MemoryMachine machine;
  machine.file("proc/meminfo", "MemAvailable: 8388608 kB\n");
  machine.file("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1234\n");
  machine.file("sys/fs/cgroup/memory/memory.limit_in_bytes", std::to_string(2 * kGiB));
  machine.file("sys/fs/cgroup/memory/memory.usage_in_bytes", std::to_string(3 * kGiB));
  CHECK(machine.available() == 0);
}

Configuration configuration(const char* text) {
  return read_configuration(parse_json(text, "test.json"));
}

std::string error(const char* text, std::uint64_t available) {
  try {
    check_memory(configuration(text), available);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "none";
}

TEST_CASE("memory: a run that needs more than is available is refused with the key that takes most") {
  const char* many_records =
      R"({"workload": "ycsb", "algorithm": "mutex", "log": {"device": "memory"}, "ycsb": {"records": 4000000000}})";
  CHECK(error(many_records, 16 * kGiB).starts_with("ycsb.records = 4000000000: want less: it takes "));
  CHECK(error(many_records, 1024 * kGiB) == "none");
  CHECK(error(R"({"workload": "ycsb", "algorithm": "mutex", "log": {"device": "memory"},
                  "engine": {"frames": 4294967295}})",
              16 * kGiB)
            .starts_with("engine.frames = 4294967295: want less"));
  CHECK(error(R"({"workload": "append", "algorithm": "mutex", "log_buffer": {"capacity": 68719476736}})",
              16 * kGiB)
            .starts_with("log_buffer.capacity = 68719476736: want less"));
  CHECK(error(R"({"workload": "append", "algorithm": "mutex", "threads": 4096})", kGiB / 4)
            .starts_with("threads = 4096: want less"));
  CHECK(error(R"({"workload": "append", "algorithm": "mutex"})", kGiB) == "none");
}

}  // namespace
