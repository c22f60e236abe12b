#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/registry.h"
#include "engine/database.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"
#include "tests/harness/muster_command.h"
#include "tests/sanitized.h"
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
    const auto result = nlohmann::json::parse(content(out));
    CHECK(std::ranges::count(outcome.err, '\n') <= 1);  // what is not measured; progress is for terminals
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
  refused(kQuick + "--set algorithm=foo", 2,
          R"(algorithm = "foo": want one of "null", "copy_rotating", "copy_counted")");
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
  refused("run --set \"$(printf 'append.bytes=\\377')\"", 2, "want UTF-8");
  refused(R"(run --set 'engine.directory="a\u0000b"' --set workload=ycsb --set algorithm=mutex)", 2,
          R"(engine.directory = "a\u0000b": want a path)");
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

/// A run that would last; ready to be ended once this returns.
pid_t endless_run(const std::string& out, const std::vector<std::string>& more) {
  std::vector<std::string> words{
      "muster",        "run",   "--set", "workload=append", "--set", "algorithm=border_collie", "--set",
      "warmup_s=1000", "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execv(MUSTER_EXECUTABLE, argv.data());
    ::_exit(99);
  }
  while (!catches_interrupts(child)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return child;
}

TEST_CASE("muster run: a signal to end, or of a terminal that has gone, ends it with 130 and no result") {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    const TemporaryDirectory folder;
    const std::string out = (folder / "result.json").string();
    const pid_t child = endless_run(out, {});
    int status = 0;
    ::kill(child, number);
    ::waitpid(child, &status, 0);
    INFO("signal " << number);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 130);
    CHECK_FALSE(fs::exists(out));
  }
}

TEST_CASE("muster run: --end-with-parent ends a run whose parent has been killed, or is not the one named") {
  const TemporaryDirectory folder;
  const std::string out = (folder / "result.json").string();
  int ends[2];  // of a pipe that the run holds open while it lives
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    ::fcntl(ends[1], F_SETFD, 0);
    endless_run(out, {"--end-with-parent", std::to_string(::getpid())});
    ::kill(::getpid(), SIGKILL);
  }
  ::close(ends[1]);
  ::waitpid(parent, nullptr, 0);
  char nothing;
  CHECK(::read(ends[0], &nothing, 1) == 0);  // hangs while the run lives
  ::close(ends[0]);
  refused(kQuick + "--set algorithm=mutex --set warmup_s=1000 --end-with-parent 1", 130, "interrupted");
}

TEST_CASE("muster run: --out into a pipe or a device writes there, and replaces neither") {
  const TemporaryDirectory folder;
  const fs::path pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::string read;
  std::thread reader([&] { read = content(pipe); });
  const Outcome into_pipe = muster_command(folder, kQuick + "--set algorithm=mutex --out " + pipe.string());
  reader.join();
  INFO(into_pipe.err);
  CHECK(into_pipe.code == 0);
  CHECK(nlohmann::json::parse(read)["verification"]["ok"] == true);
  CHECK(fs::is_fifo(pipe));

  const Outcome standard = muster_command(folder, kQuick + "--set algorithm=mutex --out /dev/stdout");
  INFO(standard.err);
  CHECK(standard.code == 0);
  CHECK(nlohmann::json::parse(standard.out)["verification"]["ok"] == true);
  CHECK(fs::is_symlink("/dev/stdout"));
  refused(kQuick + "--set algorithm=mutex --out /dev/full", 3, "/dev/full");
  CHECK(fs::is_character_file("/dev/full"));
}

TEST_CASE(
    "muster run: --out that cannot be written is refused before anything runs, and no file beside it is "
    "touched") {
  const TemporaryDirectory folder;
  const std::string endless = kQuick + "--set algorithm=mutex --set warmup_s=1000 --out ";
  refused(endless + folder.path().string(), 2, "want a file, not a folder or a disk");
  refused(endless + (folder / "none" / "result").string(), 3, "want a file that can be written");
  std::ofstream(folder / "result.probe") << "the user's";
  CHECK(muster_command(folder, kQuick + "--set algorithm=mutex --out " + (folder / "result").string()).code ==
        0);
  CHECK(content(folder / "result.probe") == "the user's");
}

TEST_CASE("muster run: a result beyond the file-size limit is one line and exit code 3") {
  const TemporaryDirectory folder;
  const std::string out = (folder / "result").string();
  const std::string command = "ulimit -f 1; " + std::string(MUSTER_EXECUTABLE) + " " + kQuick +
                              "--set algorithm=mutex --set warmup_s=1000 --out " + out + " 2>/dev/null";
  const int status = std::system(command.c_str());
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
}

TEST_CASE("muster run: a configuration comes from a pipe, and with a byte-order mark") {
  const TemporaryDirectory folder;
  std::ofstream(folder / "c.json") << "\xef\xbb\xbf"
                                      R"({"workload": "append", "algorithm": "mutex", "warmup_s": 0,
                                          "window_s": 0.01, "windows": 1})";
  CHECK(muster_command(folder, "run " + (folder / "c.json").string()).code == 0);
  CHECK(muster_command(folder, "run /dev/stdin <" + (folder / "c.json").string()).code == 0);
  const std::string through_pipe = "cat " + (folder / "c.json").string() + " | " + MUSTER_EXECUTABLE +
                                   " run /dev/stdin >" + (folder / "piped").string();
  CHECK(std::system(through_pipe.c_str()) == 0);
  refused("run /dev/zero", 2, "configuration: read /dev/zero");
  refused("run " + folder.path().string(), 2, "configuration: ");
}

TEST_CASE("muster run: threads that the system does not start are a line with the limits") {
  const TemporaryDirectory folder;
  const std::string command = "ulimit -v 3000000; " + std::string(MUSTER_EXECUTABLE) + " " + kQuick +
                              "--set algorithm=mutex --set threads=1000 --set oversubscribe=true 2>" +
                              (folder / "err").string() + " >/dev/null";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which want address space of their own
  const int status = std::system(command.c_str());
  INFO(content(folder / "err"));
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 3);
  CHECK(content(folder / "err").find("ulimit -v") != std::string::npos);
  CHECK(content(folder / "err").starts_with("muster: threads = 1000: "));
#endif
}

TEST_CASE("muster run: YCSB is measured and verified with every algorithm that an engine may trust") {
  const TemporaryDirectory folder;
  const std::vector<std::string> policies{"durable", "group", "pipelined", "async"};
  // In two short windows a flusher beside other tests may get no processor, and writes nothing.
  const std::string windows = kIsSanitized ? " --set windows=8" : "";
  std::size_t turn = 0;
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.unsafe || info.stalls_on_idle) continue;
    for (const char* device : {"file", "memory"}) {
      const std::string policy = policies[turn++ % policies.size()];
      const Outcome outcome =
          muster_command(folder, ycsb(folder, "--set threads=2 --set algorithm=" + std::string(info.name) +
                                                  " --set log.device=" + device +
                                                  " --set engine.policy=" + policy + windows));
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
  refused(ycsb(folder, "--set algorithm=mutex"), 4,
          "another run is using it; want one of its own, or try again later");
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

TEST_CASE("muster: output that cannot be written, or has nowhere to go, is one line and exit code 3") {
  const TemporaryDirectory folder;
  for (const char* command : {"list", "list --json", "list --workloads", "topology", "keys", "keys --json",
                              "--help", "run --help", "--version", "check <<<'{}'"}) {
    for (const char* where : {">/dev/full", ">&-"}) {
      const std::string shell = fmt::format("bash -c \"{} {} {} 2>{}\"", MUSTER_EXECUTABLE, command, where,
                                            (folder / "err").string());
      const int status = std::system(shell.c_str());
      INFO(command << " " << where);
      CHECK(WEXITSTATUS(status) == 3);
      const std::string said = content(folder / "err");
      CHECK(said.starts_with("muster: "));
      CHECK(said.find('\n') == said.size() - 1);
    }
  }
}

TEST_CASE("muster run: with all standard descriptors closed the result is still in its file, and whole") {
  const TemporaryDirectory folder;
  const std::string out = (folder / "result.json").string();
  const std::string command = std::string(MUSTER_EXECUTABLE) + " " +
                              ycsb(folder, "--set algorithm=mutex --out " + out) + " <&- >&- 2>&-";
  CHECK(std::system(command.c_str()) == 0);
  CHECK(nlohmann::json::parse(content(out))["verification"]["ok"] == true);
}

TEST_CASE("muster check: each line has its answer, the effective configuration or what run would say") {
  const TemporaryDirectory folder;
  std::ofstream(folder / "points")
      << R"({"workload": "append", "algorithm": "mutex"})"
         "\n"
      << R"({"workload": "append", "algorithm": "mutex", "threads": 1.0, "append": {"bytes": 120}})"
         "\n"
      << R"({"workload": "append", "algorithm": "mutex", "threads": 0})"
         "\n"
      << "no JSON\n"
      << R"({"workload": "ycsb", "algorithm": "null", "engine": {"directory": "data"}})"
         "\n"
      << R"({"workload": "ycsb", "algorithm": "mutex", "engine": {"directory": "/dev/null"}})"
         "\n"
      << R"({"workload": "append", "algorithm": "mutex", "threads": 4000})";  // no newline at the end
  const Outcome outcome = muster_command(folder, "check <" + (folder / "points").string());
  REQUIRE(outcome.code == 0);
  std::vector<nlohmann::json> answers;
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) answers.push_back(nlohmann::json::parse(line));
  REQUIRE(answers.size() == 7);
  CHECK(answers[0]["ok"] == true);
  CHECK(answers[0]["title"] == "append, records of 120 bytes");
  CHECK(answers[1]["configuration"].dump() == answers[0]["configuration"].dump());
  CHECK(answers[2]["key"] == "threads");
  CHECK(answers[2]["exit_code"] == 2);
  CHECK(answers[3]["key"].is_null());
  CHECK(answers[3]["error"] == "configuration 4: line 1, column 2: want JSON");
  CHECK(answers[4]["key"] == "algorithm");
  CHECK(answers[5]["exit_code"] == 3);
  CHECK(answers[6]["key"] == "threads");
}

TEST_CASE("muster keys, list --workloads: a program learns what every workload takes") {
  const TemporaryDirectory folder;
  const auto keys = nlohmann::json::parse(muster_command(folder, "keys --json").out);
  const auto workloads = nlohmann::json::parse(muster_command(folder, "list --workloads --json").out);
  std::set<std::string> names;
  for (const auto& key : keys) names.insert(key["name"].get<std::string>());
  CHECK(names.contains("commit.value_bytes"));
  CHECK(workloads.size() >= 3);
  for (const auto& workload : workloads) {
    const std::string title = workload["title"];
    for (std::size_t at = title.find('{'); at != std::string::npos; at = title.find('{', at + 1)) {
      CHECK(names.contains(title.substr(at + 1, title.find('}', at) - at - 1)));
    }
  }
}

TEST_CASE("muster run: the workload commit is measured and verified") {
  const TemporaryDirectory folder;
  const Outcome outcome = muster_command(
      folder,
      "run --set workload=commit --set algorithm=border_collie --set log.device=memory --set warmup_s=0.01 "
      "--set window_s=0.05 --set windows=2 --set threads=2 --set oversubscribe=true --set "
      "commit.value_bytes=8");
  INFO(outcome.err);
  REQUIRE(outcome.code == 0);
  const auto result = nlohmann::json::parse(outcome.out);
  CHECK(result["title"] == "commits of one update of 8 bytes, durable, log on memory");
  CHECK(result["throughput"]["median"] > 0);
  CHECK(result["verification"]["checks"][0]["count"] > 0);
}

TEST_CASE("muster run: a result names the build and an opaque host, and neither path nor host by name") {
  const TemporaryDirectory folder;
  const Outcome outcome = muster_command(folder, ycsb(folder, "--set algorithm=mutex"));
  REQUIRE(outcome.code == 0);
  const auto result = nlohmann::json::parse(outcome.out);
  const auto version = nlohmann::json::parse(muster_command(folder, "--version").out);
  CHECK(result["muster"] == version);
  CHECK(version["build_id"].get<std::string>().size() == 40);
  CHECK(result["machine"]["host_id"].get<std::string>().size() == 16);
  CHECK_FALSE(result["machine"].contains("host_name"));
  CHECK(outcome.out.find(folder.path().string()) == std::string::npos);
  const Outcome named = muster_command(folder, kQuick + "--set algorithm=mutex --host-name");
  CHECK(nlohmann::json::parse(named.out)["machine"]["host_name"].is_string());
}

TEST_CASE("muster log: a directory without a log is refused, and a log that is open elsewhere is read") {
  const TemporaryDirectory folder;
  refused("log verify " + folder.path().string(), 2, "want the directory of a log or of a database");
  REQUIRE(muster_command(folder, ycsb(folder, "--set algorithm=mutex --keep")).code == 0);
  const fs::path log = folder / "data" / "muster.db" / "log";
  const int writer = ::open(log.c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(::flock(writer, LOCK_EX) == 0);
  CHECK(muster_command(folder, "log verify " + (folder / "data").string()).code == 0);
  CHECK(muster_command(folder, "log dump " + (folder / "data").string()).code == 0);
  ::close(writer);
  for (const auto& segment : fs::directory_iterator(log)) fs::remove(segment);
  refused("log verify " + (folder / "data").string(), 1, "without any segment");
  refused("log dump " + (folder / "data").string(), 3, "without any segment");
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
  CHECK(muster_command(folder, "log dump " + database).code == 3);
  const Outcome damaged = muster_command(folder, "log verify " + database);
  CHECK(damaged.code == 1);
  CHECK(damaged.err.find("LSN") != std::string::npos);
  CHECK(content(segment) == before);
}

TEST_CASE(
    "muster recover: a database that was cut off is closed and whole, and the words say what that took") {
  const TemporaryDirectory folder;
  REQUIRE(muster_command(folder, ycsb(folder, "--set algorithm=mutex --keep")).code == 0);
  const fs::path database = folder / "data" / "muster.db";
  // As a kill leaves it: the log is there, and the master of the day before.
  {
    DatabaseOptions options;
    options.directory = database;
    const auto cut_off = Database::open(options);
    const TableId table = cut_off->create_table("cut_off");
    const auto winner = cut_off->attach(CommitPolicy::durable);
    const auto loser = cut_off->attach(CommitPolicy::durable);
    for (const auto& [session, key] : {std::pair(&winner, "w"), std::pair(&loser, "l")}) {
      const Bytes bytes = std::as_bytes(std::span(key, 1));
      (*session)->begin();
      REQUIRE((*session)->insert(table, bytes, bytes) == Status::ok);
    }
    winner->commit();
    cut_off->log().flush(cut_off->log().reserved());
    copy_as_killed(database, folder / "killed");
    loser->abort();
  }
  const Outcome outcome = muster_command(folder, "recover " + (folder / "killed").string());
  INFO(outcome.out << outcome.err);
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());  // progress is for a terminal
  for (const char* line :
       {"winners                1", "losers                 1", "undone                 1", "redone "}) {
    CHECK(outcome.out.find(line) != std::string::npos);
  }
  const Outcome again = muster_command(folder, "recover " + (folder / "killed").string());
  CHECK(again.code == 0);
  CHECK(again.out.find("nothing to recover") != std::string::npos);
}

TEST_CASE("muster recover: what is no database, is in use, or is damaged is refused in one line") {
  const TemporaryDirectory folder;
  refused("recover /no/such/directory", 2, "want the directory of a database");
  refused("recover " + folder.path().string(), 2, "want the directory of a database");
  CHECK(fs::is_empty(folder.path()));
  REQUIRE(muster_command(folder, ycsb(folder, "--set algorithm=mutex --keep")).code == 0);
  const fs::path database = folder / "data" / "muster.db";
  const int other = ::open((database / "lock").c_str(), O_RDWR);
  REQUIRE(::flock(other, LOCK_EX) == 0);
  refused("recover " + (folder / "data").string(), 2, "want one that no other process has open");
  ::close(other);
  for (const auto& segment : fs::directory_iterator(database / "log")) fs::resize_file(segment, 5000);
  refused("recover " + database.string(), 3, "LSN");
  fs::remove(database / "master");
  refused("recover " + database.string(), 3, "no file called master");
}

TEST_CASE("muster recover: a damaged page is refused by its table's name, its number and its LSN") {
  const TemporaryDirectory folder;
  const fs::path killed = folder / "killed";
  {
    DatabaseOptions options;
    options.directory = folder / "db";
    const Bytes key = std::as_bytes(std::span("key"));
    auto database = Database::open(options);
    const TableId table = database->create_table("accounts");
    const auto put = [&](Bytes value) {
      const auto session = database->attach(CommitPolicy::durable);
      session->begin();
      if (session->update(table, key, value) == Status::not_found) {
        CHECK(session->insert(table, key, value) == Status::ok);
      }
      session->commit();
    };
    put(key);
    database->close();
    database.reset();
    database = Database::open(options);
    put(key.first(1));
    copy_as_killed(options.directory, killed);
  }
  std::fstream file(killed / "1.table", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(2 * 4096 - 1);  // the root's last byte
  file.put('?');
  file.close();
  const std::string where = fmt::format("page 1 of table accounts ({}), LSN ", (killed / "1.table").string());
  refused("recover " + killed.string(), 3, where);
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
  for (const char* command : {"", "run ", "doctor ", "list ", "topology ", "keys ", "log ", "log verify ",
                              "log dump ", "lsm ", "lsm verify ", "lsm dump ", "recover "}) {
    const Outcome outcome = muster_command(folder, std::string(command) + "--help");
    INFO(command);
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("--help") != std::string::npos);
  }
  CHECK(muster_command(folder, "run --help").out.find("ycsb.theta") != std::string::npos);
}

}  // namespace
