#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/harness/muster_command.h"

// What the real executable says of the machine: `muster doctor`, and a run's activity.

namespace {

using namespace muster;
using Json = nlohmann::json;

/// Forbids perf_event_open to this process and all that it becomes, as containers do.
void forbid_perf_events() {
  std::array<sock_filter, 4> program{
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{.len = program.size(), .filter = program.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
    ::_exit(99);
}

const std::string kRun =
    "run --set workload=append --set algorithm=mutex --set warmup_s=0.01 --set windows=2 ";

TEST_CASE("muster doctor: a line a point, the same in JSON, and exit code 3 where one is bad") {
  const CommandOutcome lines = run_muster("doctor");
  const CommandOutcome json = run_muster("doctor --json");
  const Json document = Json::parse(json.out);
  REQUIRE(document["points"].size() == 19);
  std::string bad;
  for (const Json& point : document["points"]) {
    const std::string name = point["name"];
    INFO(name);
    CHECK(lines.out.find(name + " ") != std::string::npos);
    CHECK(point["remedy"].is_null() == (point["verdict"] == "good"));
    if (point["verdict"] == "bad") bad += (bad.empty() ? "" : ", ") + name;
  }
  CHECK(std::ranges::count(lines.out, '\n') == 19);
  CHECK(document["fit"] == bad.empty());
  CHECK(json.code == (bad.empty() ? 0 : 3));
  if (!bad.empty()) CHECK(json.err.find(": " + bad + "\n") != std::string::npos);
}

TEST_CASE("muster doctor: a directory that cannot be written is bad, and named") {
  const CommandOutcome outcome = run_muster("doctor --directory /proc/self");
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find("engine.directory") != std::string::npos);
}

TEST_CASE("muster run: what is not measured is said once on stderr, as in the result") {
  const CommandOutcome outcome = run_muster(kRun + "--set window_s=0.02 --set repetitions=2");
  REQUIRE(outcome.code == 0);
  const Json result = Json::parse(outcome.out);
  CHECK(std::ranges::count(outcome.err, '\n') == (result["not_measured"].empty() ? 0 : 1));
  for (const Json& missing : result["not_measured"]) {
    for (const char* part : {"what", "reason", "remedy"})
      CHECK(outcome.err.find(missing[part].get<std::string>()) != std::string::npos);
  }
  for (const Json& repetition : result["repetitions"]) {
    CHECK(repetition["activity"]["software"]["task_clock_ns"] > 0);
    CHECK(repetition["activity"]["units"].size() > 0);
  }
}

TEST_CASE("muster run: where seccomp forbids perf_event_open a run goes on and says so") {
  const CommandOutcome outcome = run_muster(kRun + "--set window_s=0.02", forbid_perf_events);
  REQUIRE(outcome.code == 0);
  const Json result = Json::parse(outcome.out);
  CHECK(result["repetitions"][0]["activity"]["counters"].empty());
  CHECK(result["repetitions"][0]["activity"]["software"]["task_clock_ns"] > 0);
  REQUIRE(result["not_measured"].size() > 0);
  CHECK(result["not_measured"][0]["what"] == "cycles, instructions, cache_misses");
  CHECK(outcome.err.find("perf_event") != std::string::npos);
}

/// A stranger that keeps one processing unit busy.
class Spinner {
 public:
  explicit Spinner(unsigned unit)
      : thread_([this, unit] {
          cpu_set_t set;
          CPU_ZERO(&set);
          CPU_SET(unit, &set);
          if (::sched_setaffinity(0, sizeof set, &set) != 0) return;
          while (!enough_.load(std::memory_order_relaxed)) {}  // relaxed: nothing else is handed over
        }) {}
  ~Spinner() {
    enough_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  std::atomic<bool> enough_{false};
  std::thread thread_;
};

TEST_CASE("muster run: a repetition whose worker shares its unit with a stranger is marked and stays") {
  const Json topology = Json::parse(run_muster("topology --json").out);
  if (topology["units"].size() < 2) return;  // the worker would share its unit with the drainer
  const unsigned unit = topology["compact"][0];
  const Spinner stranger(unit);
  const CommandOutcome outcome = run_muster(kRun + "--set window_s=0.1 --set threads=1");
  REQUIRE(outcome.code == 0);
  const Json result = Json::parse(outcome.out);
  REQUIRE(result["repetitions"].size() == 1);
  const Json& disturbed = result["repetitions"][0]["activity"]["disturbed"];
  INFO(disturbed);
  CHECK(std::ranges::any_of(disturbed, [](const Json& line) {
    return line.get<std::string>().starts_with("waiting: worker 0, ");
  }));
  CHECK(result["throughput"]["windows"] == 2);
}

}  // namespace
