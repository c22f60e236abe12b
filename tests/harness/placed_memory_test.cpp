#include "harness/placed_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "algorithms/parts/mirrored_memory.h"
#include "algorithms/parts/placed_array.h"
#include "engine/error.h"
#include "harness/workload_kind.h"
#include "tests/catch.h"
#include "tests/harness/forbid_calls.h"
#include "tests/temporary_directory.h"

namespace {

using namespace muster;
using Kind = MemoryPolicy::Kind;

Configuration asking(MemoryRegion region, MemoryPolicy policy) {
  Configuration c;
  c.memory.of(region) = policy;
  return c;
}

/// For workloads over the engine.
Configuration engine_asking(MemoryRegion region, MemoryPolicy policy) {
  Configuration c;
  for (const WorkloadKind& kind : workload_kinds()) {
    if (kind.engine) c.use(kind);
  }
  c.memory.of(region) = policy;
  return c;
}

unsigned a_node() {
  return nodes_with_memory(Topology::this_machine()).front();
}

template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "none";
}

std::string policy_error(const Configuration& c, const Topology& topology) {
  return error_of([&] { check_memory_policies(c, topology, place_threads(topology, c)); });
}

TEST_CASE("PlacedMemory: under each policy a region's pages are found where it asks for them") {
  const Topology topology = Topology::this_machine();
  for (const MemoryPolicy policy : {MemoryPolicy{}, MemoryPolicy{Kind::local}, MemoryPolicy{Kind::interleave},
                                    MemoryPolicy{Kind::node, a_node()}}) {
    INFO(to_words(policy));
    const Configuration c = asking(MemoryRegion::ring, policy);
    PlacedMemory memory(c, topology, place_threads(topology, c));
    constexpr std::size_t kBytes = std::size_t{4} << 20;
    const MirroredMemory ring(kBytes, RingPages::small, &memory.placement());
    CHECK(memory.look("nothing").regions.empty());
    std::fill_n(ring.at(0), kBytes / 2, std::byte{1});
    std::fill_n(ring.at(0) + kBytes, 4096,
                std::byte{1});  // through the second mapping, which shows the same page
    const MemoryLook look = memory.look("a test");
    REQUIRE(look.regions.size() == 1);
    const RegionFound& found = look.regions[0];
    CHECK(found.pages.resident == kBytes / 2 / 4096);
    CHECK(found.pages.looked_at == found.pages.resident);
    CHECK(found.misplaced == 0);
    CHECK(found.huge_bytes == 0);
  }
}

TEST_CASE("PlacedMemory: pages that only the ring's second mapping has touched are found, too") {
  const Topology topology = Topology::this_machine();
  const Configuration c = asking(MemoryRegion::ring, {Kind::node, a_node()});
  PlacedMemory memory(c, topology, place_threads(topology, c));
  constexpr std::size_t kBytes = 65536;
  const MirroredMemory ring(kBytes, RingPages::small, &memory.placement());
  std::fill_n(ring.at(0) + kBytes, kBytes, std::byte{1});
  const MemoryLook look = memory.look("a test");
  REQUIRE(look.regions.size() == 1);
  CHECK(look.regions[0].pages.of_nodes == std::map<unsigned, std::uint64_t>{{a_node(), kBytes / 4096}});
}

TEST_CASE("PlacedMemory: a worker's state has pages of its own, on the node of the thread that attached") {
  struct alignas(kCacheLine) State {
    int value = 7;
  };
  const Topology topology = Topology::this_machine();
  const Configuration c = asking(MemoryRegion::workers, {Kind::local});
  PlacedMemory memory(c, topology, place_threads(topology, c));
  PlacedArray<State> states(&memory.placement(), MemoryRegion::workers, 3, Spacing::by_worker);
  CHECK(reinterpret_cast<std::byte*>(&states[1]) - reinterpret_cast<std::byte*>(&states[0]) == 4096);
  std::thread([&] { states.owned(1); }).join();
  CHECK(states[1].value == 7);
  const MemoryLook look = memory.look("a test");
  REQUIRE(look.regions.size() == 1);
  CHECK(look.regions[0].pages.resident == 3);
  CHECK(look.regions[0].misplaced == 0);
}

TEST_CASE("PlacedArray: without a placement, or with another policy, elements lie side by side") {
  const Topology topology = Topology::this_machine();
  const Configuration c = asking(MemoryRegion::workers, {Kind::interleave});
  PlacedMemory memory(c, topology, place_threads(topology, c));
  const MemoryPlacement* const interleaved = &memory.placement();
  for (const MemoryPlacement* placement : {static_cast<const MemoryPlacement*>(nullptr), interleaved}) {
    PlacedArray<std::uint64_t> numbers(placement, MemoryRegion::workers, 1000, Spacing::by_worker);
    CHECK(&numbers[999] - &numbers[0] == 999);
    numbers.owned(0);
  }
  CHECK(memory.look("it has gone").regions.empty());
}

TEST_CASE("PlacedMemory: pages elsewhere are counted, and interleaved ones may be uneven by half") {
  const auto found = [](std::uint64_t first, std::uint64_t second) {
    return PagesFound{
        .resident = first + second, .looked_at = first + second, .of_nodes = {{0, first}, {1, second}}};
  };
  const WantedNodes one{Kind::node, {1}};
  CHECK(misplaced_pages(one, found(0, 5)) == 0);
  CHECK(misplaced_pages(one, found(3, 5)) == 3);
  CHECK(too_many(1, one, found(1, 999)));
  const WantedNodes both{Kind::interleave, {0, 1}};
  CHECK(misplaced_pages(both, found(500, 500)) == 0);
  CHECK(misplaced_pages(both, found(1024, 0)) == 512);
  CHECK(too_many(512, both, found(1024, 0)));  // as huge pages make it
  CHECK_FALSE(too_many(200, both, found(700, 300)));
  CHECK_FALSE(too_many(50, both, found(100, 0)));
  CHECK(misplaced_pages({Kind::interleave, {0}}, found(0, 7)) == 7);
  CHECK(misplaced_pages({}, found(3, 5)) == 0);
}

TEST_CASE("PlacedMemory: a kernel that refuses a node is an error that names key, value and what would do") {
  const Topology topology = Topology::this_machine();
  Configuration c = asking(MemoryRegion::locks, {Kind::node, a_node()});
  const Topology elsewhere = Topology::synthetic("[numa(indexes=63)] core:2 pu:1");
  c.memory.of(MemoryRegion::locks).node = 63;  // asked of another machine: here no page can be on it
  PlacedMemory memory(c, elsewhere, place_threads(topology, c));
  const std::string said = error_of([&] { PlacedArray<int>(&memory.placement(), MemoryRegion::locks, 100); });
  CHECK(said.starts_with("memory.locks = node:63: mbind: want CAP_SYS_NICE"));
}

TEST_CASE("memory policies: a node that is not there or has no memory is refused with those that do") {
  const Topology odd = Topology::synthetic("pack:2 [numa(memory=4GB)] core:2 pu:1");
  CHECK(policy_error(asking(MemoryRegion::ring, {Kind::node, 2}), odd) ==
        "memory.ring = \"node:2\": want a NUMA node with memory that this process may use: 0, 1");
  CHECK(policy_error(asking(MemoryRegion::workers, {Kind::node, 1}), odd) == "none");
  CHECK(policy_error(engine_asking(MemoryRegion::locks, {Kind::node, 7}), odd)
            .starts_with("memory.locks = \"node:7\": want a NUMA node"));
}

TEST_CASE("memory policies: local wants threads that are pinned, where it makes a difference") {
  const Topology two = Topology::synthetic("pack:2 [numa] core:2 pu:1");
  const Topology one = Topology::synthetic("core:2 pu:1");
  for (const MemoryRegion region : {MemoryRegion::ring, MemoryRegion::workers}) {
    Configuration c = asking(region, {Kind::local});
    CHECK(policy_error(c, two) == "none");
    c.placement = PlacementPolicy::none;
    CHECK(policy_error(c, one) == "none");
    CHECK(policy_error(c, two).find("pinned") != std::string::npos);
  }
}

TEST_CASE("memory policies: a ring's local node is the flusher's, wherever that was put") {
  const Topology two = Topology::synthetic("pack:2 [numa(indexes=3,5)] core:2 pu:1");
  Configuration c = asking(MemoryRegion::ring, {Kind::local});
  for (const unsigned node : {3u, 5u}) {
    c.flusher = {FlusherPlacement::Kind::node, node};
    CHECK(wanted_nodes(c, two, place_threads(two, c), MemoryRegion::ring).nodes == std::vector{node});
  }
}

/// /proc and /sys as far as memory is concerned.
class PlantedMemory {
 public:
  PlantedMemory() {
    plant("sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152");
    plant("sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size [advise] never deny force");
    plant("proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB");
    plant("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "10");
    plant("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "9");
    plant("sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "1");
  }
  void plant(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text << "\n";
  }
  std::string error(const Configuration& c) const {
    const Topology topology = Topology::this_machine();
    return error_of([&] { check_memory_policies(c, topology, place_threads(topology, c), folder_.path()); });
  }
  std::string path(const std::string& file) const { return (folder_ / file).string(); }

 private:
  TemporaryDirectory folder_;
};

Configuration with_pages(RingPages pages, std::size_t capacity) {
  Configuration c;
  c.database.log_buffer.pages = pages;
  c.database.log_buffer.capacity = capacity;
  return c;
}

TEST_CASE("log_buffer.pages: transparent is refused where shmem_enabled forbids it, and the file is named") {
  const PlantedMemory machine;
  const std::string shmem = "sys/kernel/mm/transparent_hugepage/shmem_enabled";
  const Configuration c = with_pages(RingPages::transparent, 2 << 20);
  CHECK(machine.error(c) == "none");
  machine.plant(shmem, "always within_size advise [never] deny force");
  CHECK(machine.error(c) == "log_buffer.pages = \"transparent\": want small, or as root `echo advise > " +
                                machine.path(shmem) + "`, which says never");
  const std::string of_size = "sys/kernel/mm/transparent_hugepage/hugepages-2048kB/shmem_enabled";
  machine.plant(of_size, "always inherit within_size [advise] never");
  CHECK(machine.error(c) == "none");
  CHECK(machine.error(with_pages(RingPages::transparent, 1 << 20)) ==
        "log_buffer.capacity = 1048576: want a multiple of 2097152, this machine's huge page, or "
        "\"log_buffer.pages\": \"small\"");
}

TEST_CASE("log_buffer.pages: huge wants as many as the ring needs, and says how they are reserved") {
  const PlantedMemory machine;
  CHECK(machine.error(with_pages(RingPages::huge, 16 << 20)) == "none");
  CHECK(machine.error(with_pages(RingPages::huge, 32 << 20)) ==
        "log_buffer.pages = \"huge\": want small, or 16 huge pages of 2048 kB, of which 8 are free: as root "
        "`echo 18 > " +
            machine.path("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages") + "`");
  CHECK(machine.error(with_pages(RingPages::huge, 4096))
            .starts_with("log_buffer.capacity = 4096: want a multiple"));
}

TEST_CASE("memory policies: more than a node has free is refused before it is taken") {
  const PlantedMemory machine;
  const unsigned node = a_node();
  machine.plant("sys/devices/system/node/node" + std::to_string(node) + "/meminfo",
                "Node " + std::to_string(node) + " MemTotal: 1000000 kB\nNode " + std::to_string(node) +
                    " MemFree:  8192 kB\nNode " + std::to_string(node) + " Inactive(file):  1024 kB");
  Configuration c = asking(MemoryRegion::ring, {Kind::node, node});
  c.database.log_buffer.capacity = 8 << 20;
  CHECK(machine.error(c) == "none");
  c.database.log_buffer.capacity = 16 << 20;
  CHECK(machine.error(c).starts_with("memory.ring = \"node:" + std::to_string(node) +
                                     "\": want another policy"));
  c.memory.of(MemoryRegion::ring) = {};
  CHECK(machine.error(c) == "none");
}

TEST_CASE("MirroredMemory: huge pages are a multiple of one, and none reserved is the machine's error") {
  CHECK(error_of([] { MirroredMemory(4096, RingPages::huge); }).find("this machine's huge page") !=
        std::string::npos);
  CHECK_THROWS_AS(MirroredMemory(std::size_t{1} << 50, RingPages::huge), std::system_error);
}

TEST_CASE("PlacedMemory: a kernel that forbids mbind and move_pages is an error that says what would do") {
  std::string asked, looked;
  std::optional<std::string> refused;
  std::thread([&] {
    forbid_calls({SYS_mbind, SYS_move_pages});
    const Topology topology = Topology::this_machine();
    const Configuration interleaved = asking(MemoryRegion::locks, {Kind::interleave});
    const Configuration plain;
    const Placement placement = place_threads(topology, plain);
    asked = error_of([&] {
      PlacedMemory memory(interleaved, topology, placement);
      PlacedArray<int>(&memory.placement(), MemoryRegion::locks, 100);
    });
    PlacedMemory memory(plain, topology, placement);
    const PlacedArray<int> array(&memory.placement(), MemoryRegion::locks, 100);
    looked = error_of([&] { memory.look("a test"); });
    refused = memory.refused();
  }).join();
  CHECK(asked.starts_with("memory.locks = interleave: mbind: want CAP_SYS_NICE"));
  CHECK(looked == "none");
  REQUIRE(refused);
  CHECK(refused->find("move_pages") != std::string::npos);
}

TEST_CASE("find_pages: of more pages than it may look at, a sample is evenly spread") {
  constexpr std::size_t kBytes = 1000 * 4096;
  void* const at = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(at != MAP_FAILED);
  const std::span<std::byte> range(static_cast<std::byte*>(at), kBytes);
  CHECK(find_pages(range, 100).resident == 0);
  std::fill(range.begin(), range.end(), std::byte{1});
  const PagesFound found = find_pages(range, 100);
  CHECK(found.resident == 1000);
  CHECK(found.looked_at == 100);
  ::munmap(at, kBytes);
}

}  // namespace
