#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/registry.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"

// The real executable, as a user calls it: what it prints, what it leaves, how it exits.

namespace {

using namespace muster;
namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

/// `arguments` go through a shell.
Outcome muster_command(const TemporaryDirectory& folder, const std::string& arguments) {
  const std::string command = std::string(MUSTER_EXECUTABLE) + " " + arguments + " >" +
                              (folder / "out").string() + " 2>" + (folder / "err").string();
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(folder / "out"), content(folder / "err")};
}

const std::string kQuick =
    "run --set workload=append --set warmup_s=0.01 --set window_s=0.02 --set windows=3 --set "
    "log_buffer.capacity=65536 ";

/// YCSB on files in the folder.
std::string ycsb(const TemporaryDirectory& folder, const std::string& more) {
  return "run --set workload=ycsb --set warmup_s=0.01 --set window_s=0.05 --set windows=2 --set "
         "ycsb.records=500 "
         "--set engine.frames=1024 --set log.segment_bytes=1048576 --set engine.directory=" +
         (folder / "data").string() + " " + more;
}

/// Exactly one line on stderr that has `part`, nothing on stdout.
void refused(const std::string& arguments, int code, const std::string& part) {
  const TemporaryDirectory folder;
  const Outcome outcome = muster_command(folder, arguments);
  INFO(arguments << "\n" << outcome.err);
  CHECK(outcome.code == code);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.starts_with("muster: "));
  CHECK(outcome.err.find(part) != std::string::npos);
  CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
}

TEST_CASE("muster run: append is measured and verified with every algorithm") {
  const TemporaryDirectory folder;
  for (const AlgorithmInfo& info : algorithms()) {
#ifdef __SANITIZE_THREAD__
    if (info.unsafe) continue;  // data races are what they are made of
#endif
    const fs::path out = folder / (std::string(info.name) + ".json");
    const Outcome outcome = muster_command(
        folder,
        kQuick +
            "--set threads=2 --set oversubscribe=true --set repetitions=2 --set 'append.bytes=[48,120,264]' "
            "--set algorithm=" +
            std::string(info.name) + " --out " + out.string());
    INFO(info.name << ": " << outcome.err);
    REQUIRE(outcome.code == 0);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.empty());  // progress is for terminals
    const auto result = nlohmann::json::parse(content(out));
    CHECK(result["configuration"]["algorithm"] == info.name);
    CHECK(result["repetitions"].size() == 2);
    CHECK(result["repetitions"][0]["windows"].size() == 3);
    CHECK(result["throughput"]["windows"] == 6);
    CHECK(result["throughput"]["median"] > 0);
    CHECK(result["placement"]["workers"].size() == 2);
    for (const auto& worker : result["placement"]["workers"]) CHECK(worker["asked"] == worker["found"]);
    CHECK(result["verification"]["ok"] == true);
    CHECK(result["verification"]["checks"][0]["count"] > 0);
    const std::string check = result["verification"]["checks"][0]["name"];
    CHECK((check.find("not verified") != std::string::npos) == info.unsafe);
  }
}

TEST_CASE("muster run: the result's command repeats the run") {
  const TemporaryDirectory folder;
  const Outcome first = muster_command(folder, kQuick + "--set algorithm=mutex --set seed=5");
  REQUIRE(first.code == 0);
  const auto result = nlohmann::json::parse(first.out);
  const std::string command = result["command"];
  REQUIRE(command.starts_with("muster run"));
  const Outcome second = muster_command(folder, command.substr(std::string("muster ").size()));
  REQUIRE(second.code == 0);
  CHECK(nlohmann::json::parse(second.out)["configuration"] == result["configuration"]);
}

TEST_CASE("muster run: a configuration is read from a file, and --set goes before it") {
  const TemporaryDirectory folder;
  std::ofstream(folder / "c.json")
      << R"({"workload": "append", "algorithm": "mutex", "warmup_s": 0, "window_s": 0.01,
                                          "windows": 1, "append": {"bytes": 64}})";
  const Outcome outcome =
      muster_command(folder, "run " + (folder / "c.json").string() + " --set append.bytes=128");
  REQUIRE(outcome.code == 0);
  CHECK(nlohmann::json::parse(outcome.out)["configuration"]["append"]["bytes"] == 128);
}

TEST_CASE("muster run: a request that cannot be met is one line and exit code 2") {
  refused(kQuick + "--set algorithm=foo", 2, R"(algorithm = "foo": want one of "null", "bound", "mutex")");
  refused(kQuick + "--set algorithm=mutex --set log_buffer.capacity=5000", 2, "want a power of two");
  refused(kQuick + "--set algorithm=mutex --set append.bytes=65537", 2,
          "append.bytes = 65537: want 65536 at most");
  refused(kQuick + "--set algorithm=mutex --set threads=0", 2, "threads = 0: want an integer from 1");
  refused(kQuick + "--set algorithm=mutex --set threads=4000", 2, "\"oversubscribe\": true");
  refused(kQuick + "--set algorithm=mutex --set thread=1", 2, "thread = 1: want a known key");
  refused(kQuick + "--set algorithm=mutex --set windows=many", 2, "windows = \"many\": want an integer");
  refused("run /no/such/file.json", 2, "/no/such/file.json");
  refused("run --bogus", 2, "--bogus");
  refused("", 2, "subcommand");
  refused("log verify /no/such/directory", 2, "want the directory of a log");
}

TEST_CASE("muster run: what the machine refuses is one line and exit code 3, before anything runs") {
  refused(kQuick + "--set algorithm=mutex --set warmup_s=1000 --out /proc/muster.json", 3,
          "/proc/muster.json");
}

/// Whether the process is past exec (before, it has this process's handlers) and has its handler.
bool catches_interrupts(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  const std::string key = "SigCgt:";
  bool is_muster = false;
  for (std::string line; std::getline(status, line);) {
    if (line == "Name:\tmuster") is_muster = true;
    if (line.starts_with(key)) {
      return is_muster && (std::stoull(line.substr(key.size()), nullptr, 16) >> (SIGINT - 1) & 1) != 0;
    }
  }
  return true;  // it has ended: the test will see how
}

TEST_CASE("muster run: SIGINT ends it with exit code 130 and no result") {
  const TemporaryDirectory folder;
  const std::string out = (folder / "result.json").string();
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(MUSTER_EXECUTABLE, "muster", "run", "--set", "workload=append", "--set",
            "algorithm=border_collie", "--set", "warmup_s=1000", "--out", out.c_str(), nullptr);
    ::_exit(99);
  }
  int status = 0;
  while (!catches_interrupts(child)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ::kill(child, SIGINT);
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  CHECK_FALSE(fs::exists(out));
}

TEST_CASE("muster run: YCSB is measured and verified with every algorithm that an engine may trust") {
  const TemporaryDirectory folder;
  const std::vector<std::string> policies{"durable", "group", "pipelined", "async"};
  std::size_t turn = 0;
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.unsafe || info.stalls_on_idle) continue;
    for (const char* device : {"file", "memory"}) {
      const std::string policy = policies[turn++ % policies.size()];
      const Outcome outcome = muster_command(
          folder, ycsb(folder, "--set threads=2 --set algorithm=" + std::string(info.name) +
                                   " --set log.device=" + device + " --set engine.policy=" + policy));
      INFO(info.name << ", " << device << ", " << policy << ": " << outcome.err);
      REQUIRE(outcome.code == 0);
      const auto result = nlohmann::json::parse(outcome.out);
      CHECK(result["throughput"]["unit"] == "transactions/s");
      CHECK(result["throughput"]["median"] > 0);
      CHECK(result["repetitions"][0]["transactions"]["committed"] > 0);
      CHECK(result["repetitions"][0]["commit_latency_us"]["count"] > 0);
      CHECK(result["repetitions"][0]["log"]["bytes"] > 0);
      CHECK(result["placement"]["flusher"]["found"] == result["placement"]["flusher"]["asked"]);
      CHECK(result["machine"]["file_system"].is_string());
      CHECK_FALSE(fs::exists(folder / "data" / "muster.db"));  // nothing is left but the lock
    }
  }
}

TEST_CASE("muster run: an algorithm that no engine may trust is refused") {
  for (const AlgorithmInfo& info : algorithms()) {
    if (!info.unsafe && !info.stalls_on_idle) continue;
    const TemporaryDirectory folder;
    refused(ycsb(folder, "--set algorithm=" + std::string(info.name)), 2,
            "algorithm = " + std::string(info.name));
  }
}

TEST_CASE("muster run: a directory that another run has, or that cannot be written, is refused") {
  const TemporaryDirectory folder;
  fs::create_directories(folder / "data");
  const std::string lock = (folder / "data" / "muster.lock").string();
  const int other = ::open(lock.c_str(), O_RDWR | O_CREAT, 0644);
  REQUIRE(::flock(other, LOCK_EX) == 0);
  refused(ycsb(folder, "--set algorithm=mutex"), 2, "want a directory that no other run is using");
  ::close(other);
  refused(ycsb(folder, "--set algorithm=mutex --set engine.directory=/proc/muster"), 3, "/proc/muster");
  refused("run --set workload=ycsb --set algorithm=mutex", 2,
          "engine.directory = \"\": want a directory on the disk");
}

TEST_CASE(
    "muster run: a muster.db that was kept, or that no run has made, is left alone; a killed run's is not") {
  const TemporaryDirectory folder;
  REQUIRE(muster_command(folder, ycsb(folder, "--set algorithm=mutex --keep")).code == 0);
  refused(ycsb(folder, "--set algorithm=mutex"), 2, "want one without a muster.db that was kept");
  CHECK(fs::exists(folder / "data" / "muster.db" / "catalogue"));
  { const std::ofstream mark(folder / "data" / "muster.run"); }  // as a run that was killed leaves it
  CHECK(muster_command(folder, ycsb(folder, "--set algorithm=mutex")).code == 0);
  CHECK_FALSE(fs::exists(folder / "data" / "muster.db"));
}

TEST_CASE("muster run: more frames than the machine has memory for are refused") {
  const TemporaryDirectory folder;
  refused(ycsb(folder, "--set algorithm=mutex --set engine.frames=4294967295"), 2,
          "engine.frames = 4294967295: want ");
}

TEST_CASE("muster: a result that cannot be written anywhere is not a success") {
  const TemporaryDirectory folder;
  const int status = std::system(
      (std::string(MUSTER_EXECUTABLE) + " list >/dev/full 2>" + (folder / "err").string()).c_str());
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(content(folder / "err").find("standard output") != std::string::npos);
}

TEST_CASE("muster log: a directory without a log, and a log that is being written, are refused") {
  const TemporaryDirectory folder;
  refused("log verify " + folder.path().string(), 2, "want the directory of a log or of a database");
  REQUIRE(muster_command(folder, ycsb(folder, "--set algorithm=mutex --keep")).code == 0);
  const fs::path log = folder / "data" / "muster.db" / "log";
  const int writer = ::open(log.c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(::flock(writer, LOCK_EX) == 0);
  refused("log verify " + (folder / "data").string(), 2,
          "want a directory whose log no other process has open");
  ::close(writer);
  CHECK(muster_command(folder, "log verify " + (folder / "data").string()).code == 0);
  for (const auto& segment : fs::directory_iterator(log)) fs::remove(segment);
  refused("log verify " + (folder / "data").string(), 3, "without any segment");
}

TEST_CASE("muster log: a kept log is verified and dumped; a damaged one is refused and left alone") {
  const TemporaryDirectory folder;
  REQUIRE(muster_command(folder,
                         ycsb(folder, "--set algorithm=border_collie --set engine.policy=pipelined --keep"))
              .code == 0);
  const std::string database = (folder / "data" / "muster.db").string();
  const Outcome verified = muster_command(folder, "log verify " + database);
  INFO(verified.err);
  CHECK(verified.code == 0);
  CHECK(verified.out.find("commit") != std::string::npos);
  const Outcome dumped = muster_command(folder, "log dump " + database);
  CHECK(dumped.code == 0);
  CHECK(dumped.out.size() > 1000);

  const std::set<fs::path> segments(fs::directory_iterator(folder / "data" / "muster.db" / "log"), {});
  const fs::path& segment = *segments.begin();  // the last one is empty still
  {
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(20'000);
    file.write("damage", 6);
  }
  const std::string before = content(segment);
  const Outcome damaged = muster_command(folder, "log verify " + database);
  CHECK(damaged.code == 3);
  CHECK(damaged.err.find("LSN") != std::string::npos);
  CHECK(content(segment) == before);
}

TEST_CASE("muster list: every algorithm, as a table, as JSON and as Markdown") {
  const TemporaryDirectory folder;
  const Outcome table = muster_command(folder, "list");
  const Outcome markdown = muster_command(folder, "list --markdown");
  const auto json = nlohmann::json::parse(muster_command(folder, "list --json").out);
  REQUIRE(json.size() == algorithms().size());
  for (std::size_t i = 0; i < json.size(); ++i) {
    const AlgorithmInfo& info = algorithms()[i];
    CHECK(json[i]["name"] == info.name);
    CHECK(json[i]["unsafe"] == info.unsafe);
    CHECK(table.out.find(std::string(info.title)) != std::string::npos);
    CHECK(markdown.out.find("| " + std::string(info.name) + " |") != std::string::npos);
  }
}

TEST_CASE("muster: topology, keys and every --help work") {
  const TemporaryDirectory folder;
  CHECK(nlohmann::json::parse(muster_command(folder, "topology --json").out)["units"].size() > 0);
  CHECK(muster_command(folder, "topology").out.find("compact") != std::string::npos);
  CHECK(muster_command(folder, "keys").out.find("log_buffer.capacity") != std::string::npos);
  for (const char* command :
       {"", "run ", "list ", "topology ", "keys ", "log ", "log verify ", "log dump "}) {
    const Outcome outcome = muster_command(folder, std::string(command) + "--help");
    INFO(command);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("--help") != std::string::npos);
  }
  CHECK(muster_command(folder, "run --help").out.find("ycsb.theta") != std::string::npos);
}

}  // namespace
