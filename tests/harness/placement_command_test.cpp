#include <fmt/format.h>
#include <sys/syscall.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/memory_policy.h"
#include "tests/harness/forbid_calls.h"
#include "tests/harness/muster_command.h"

// Where the real executable puts threads and memory, what it says of that, and what it refuses.

namespace {

using namespace muster;
using Json = nlohmann::json;

constexpr const char* kTwoSockets =
    "topology --synthetic 'pack:2 [numa(memory=68719476736)] l3:2 core:16 pu:2' ";

const std::string kAppend =
    "run --set workload=append --set algorithm=mutex --set warmup_s=0 --set window_s=0.01 --set windows=1 "
    "--set log_buffer.capacity=65536 ";
const std::string kYcsb =
    "run --set workload=ycsb --set algorithm=border_collie --set warmup_s=0 --set window_s=0.02 --set "
    "windows=1 "
    "--set log.device=memory --set ycsb.records=500 --set engine.frames=1024 ";

/// The regions of the last look.
Json regions(const Json& result) {
  Json by_name = Json::object();
  for (const Json& region : result["memory"]["looks"].back()["regions"])
    by_name[region["region"].get<std::string>()] = region;
  return by_name;
}

TEST_CASE("muster topology: another machine's tree, orders and what they come to") {
  const CommandOutcome shown = run_muster(kTwoSockets);
  REQUIRE(shown.code == 0);
  for (const char* part : {"Machine 0", "\n  Package 0\n    NUMANode 0, 64.0 GiB\n    L3",
                           "Core 0, PU 0, PU 1", "NUMA node 1: 64.0 GiB, distances 20 10, units 64-127",
                           "memory may be asked to be on node 0, 1", "smt_last "}) {
    INFO(part << "\n" << shown.out);
    CHECK(shown.out.find(part) != std::string::npos);
  }
  const Json json = Json::parse(run_muster(std::string(kTwoSockets) + "--json").out);
  CHECK(json["units"].size() == 128);
  CHECK(json["units"][127]["cache"] == 3);
  const Json& all = json["placements"]["cache"].back();
  CHECK(all["threads"] == 128);
  CHECK(all["nodes"] == Json::parse(R"([{"node": 0, "workers": 64}, {"node": 1, "workers": 64}])"));
  CHECK(all["flusher_shares_unit"] == true);
  const Json& sixteen = json["placements"]["cache"][4];
  CHECK(sixteen["threads"] == 16);
  CHECK(sixteen["caches"] == 1);
  CHECK(json["placements"]["smt_last"][6]["cores"] == 64);
}

TEST_CASE("muster topology: what is no machine is refused in one line") {
  const TemporaryDirectory folder;
  std::ofstream(folder / "page.xml") << "<html></html>";
  refused("topology --xml " + (folder / "page.xml").string(), 2, "want a file that `muster topology --save`");
  refused("topology --xml " + (folder / "nothing.xml").string(), 2, "nothing.xml");
  refused("topology --synthetic 'two sockets'", 2, "--synthetic = two sockets: want a description");
  refused("topology --xml a --synthetic b", 2, "excludes");
  refused("check --xml " + (folder / "page.xml").string() + " </dev/null", 2, "page.xml");
  refused("topology --save /dev/null/machine.xml", 3, "/dev/null/machine.xml");
}

TEST_CASE(
    "muster check: a machine that is described is checked for units, nodes and memory, and nothing else") {
  const TemporaryDirectory folder;
  std::ofstream(folder / "points")
      << R"({"workload": "append", "algorithm": "mutex", "threads": 128, "memory": {"ring": "node:1"}})"
         "\n"
      << R"({"workload": "append", "algorithm": "mutex", "threads": 129})"
         "\n"
      << R"({"workload": "append", "algorithm": "mutex", "memory": {"workers": "node:2"}})"
         "\n"
      << R"({"workload": "append", "algorithm": "mutex", "log_buffer": {"capacity": 68719476736, "pages": "huge"}})"
         "\n";
  const CommandOutcome outcome = run_muster("check --synthetic 'pack:2 [numa(memory=64GB)] core:64 pu:1' <" +
                                            (folder / "points").string());
  REQUIRE(outcome.code == 0);
  std::vector<Json> answers;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) answers.push_back(Json::parse(line));
  REQUIRE(answers.size() == 4);
  CHECK(answers[0]["ok"] == true);
  CHECK(answers[1]["key"] == "threads");
  CHECK(answers[2]["error"] ==
        "memory.workers = \"node:2\": want a NUMA node with memory that this process may use: 0, 1");
  CHECK(answers[3]["ok"] == true);
}

TEST_CASE("muster run: memory is found where every policy asks for it, after each repetition") {
  const unsigned node = nodes_with_memory(Topology::this_machine()).front();
  for (const std::string& policy : {std::string("first_touch"), std::string("local"),
                                    std::string("interleave"), fmt::format("node:{}", node)}) {
    INFO(policy);
    const std::string keys = fmt::format("--set memory.ring={0} --set memory.workers={0} ", policy);
    const CommandOutcome append = run_muster(kAppend + keys + "--set repetitions=2");
    REQUIRE(append.code == 0);
    const Json of_append = Json::parse(append.out);
    CHECK(of_append["memory"]["looks"].size() == 3);
    CHECK(of_append["memory"]["looks"][0]["regions"].empty());
    CHECK(of_append["memory"]["looks"][2]["after"] == "repetition 2");
    CHECK(regions(of_append)["ring"]["pages"] == 16);
    for (const Json& region : of_append["memory"]["looks"].back()["regions"]) {
      CHECK(region["asked"] == policy);
      CHECK(region["misplaced"] == 0);
      CHECK(region["looked_at"] == region["pages"]);
    }
    CHECK(of_append["placement"]["workers"][0]["node"].is_number());
    const CommandOutcome ycsb =
        run_muster(kYcsb + keys + fmt::format("--set memory.buffers={0} --set memory.locks={0}", policy));
    INFO(ycsb.err);
    REQUIRE(ycsb.code == 0);
    const Json of_ycsb = regions(Json::parse(ycsb.out));
    for (const char* region : {"ring", "workers", "buffers", "locks"}) {
      INFO(region);
      CHECK(of_ycsb[region]["misplaced"] == 0);
      CHECK(of_ycsb[region]["pages"] > 0);
    }
    CHECK(of_ycsb["locks"]["pages"] == 1024);
  }
}

TEST_CASE("muster run: a node without memory, or one for a region that the workload lacks, is refused") {
  refused(kAppend + "--set memory.ring=node:4095", 2,
          "memory.ring = \"node:4095\": want a NUMA node with memory");
  refused(kAppend + "--set memory.ring=near", 2,
          "memory.ring = \"near\": want one of \"first_touch\", \"local\"");
  refused(kAppend + "--set memory.locks=local", 2, "workload append does not use it");
  refused(kAppend + "--set placement=node:4095", 2,
          "want NUMA nodes with processing units that this process may use");
}

TEST_CASE("muster run: where a container forbids to place memory, the run says so, and what would do") {
  const auto forbidden = [](const std::string& arguments) {
    return run_muster(arguments, [] { forbid_calls({SYS_mbind, SYS_move_pages}); });
  };
  const CommandOutcome asked = forbidden(kAppend + "--set memory.ring=interleave");
  CHECK(asked.code == 3);
  CHECK(asked.err.starts_with("muster: memory.ring = interleave: mbind: want CAP_SYS_NICE"));
  CHECK(std::count(asked.err.begin(), asked.err.end(), '\n') == 1);
  const CommandOutcome plain = forbidden(kAppend);
  REQUIRE(plain.code == 0);
  const Json result = Json::parse(plain.out);
  CHECK(result["memory"]["looks"].back()["regions"].empty());
  CHECK(result["not_measured"].dump().find("NUMA nodes of memory") != std::string::npos);
}

TEST_CASE("muster: a container that shows no topology leaves the processing units") {
  const auto blind = [](const std::string& arguments) {
    return run_muster(arguments, [] {
      ::setenv("HWLOC_COMPONENTS", "-linux,-x86", 1);
      ::setenv("HWLOC_THISSYSTEM", "1", 1);
    });
  };
  const CommandOutcome shown = blind("topology --json");
  INFO(shown.err);
  REQUIRE(shown.code == 0);
  CHECK(Json::parse(shown.out)["units"].size() >= 1);
  CHECK(blind(kAppend).code == 0);
}

TEST_CASE("muster run: the ring has the pages that were asked for, or the run refuses") {
  const auto run = [](const std::string& pages) {
    return run_muster(kAppend + "--set log_buffer.capacity=4194304 --set log_buffer.pages=" + pages);
  };
  for (const std::string pages : {"small", "transparent", "huge"}) {
    const CommandOutcome outcome = run(pages);
    INFO(pages << outcome.err);
    if (outcome.code == 0) {
      const Json ring = regions(Json::parse(outcome.out))["ring"];
      CHECK((ring["huge_bytes"] > 0) == (pages != "small"));
    } else {  // what this machine has not, and where that is set
      CHECK(outcome.code == 2);
      CHECK(pages != "small");
      CHECK(outcome.err.find(pages == "huge" ? "nr_hugepages" : "shmem_enabled") != std::string::npos);
    }
  }
}

}  // namespace
