#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/harness/muster_command.h"

// `muster log` and `muster lsm` beside a process that writes at full speed, with checkpoints that remove the log.

namespace {

using namespace muster;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

/// `muster run`, which this ends.
class Writer {
 public:
  explicit Writer(const std::string& more) {
    const std::string command =
        std::string("exec ") + MUSTER_EXECUTABLE +
        " run --set workload=ycsb --set ycsb.reads=0 --set ycsb.records=2000 --set engine.policy=async --set "
        "algorithm=border_collie --set engine.frames=2048 --set log.segment_bytes=262144 --set "
        "engine.checkpoint_bytes=524288 --set warmup_s=0 --set window_s=100 --set windows=1 --set "
        "engine.directory=" +
        directory().string() + " " + more + " >" + (folder_ / "out").string() + " 2>" +
        (folder_ / "err").string();
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(98);
    }
  }
  ~Writer() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  void require_running() {
    if (::waitpid(child_, nullptr, WNOHANG) == 0) return;
    std::ifstream err(folder_ / "err");
    FAIL(std::string(std::istreambuf_iterator<char>(err), {}));
  }
  fs::path directory() const { return folder_ / "data"; }

 private:
  TemporaryDirectory folder_;
  pid_t child_ = -1;
};

std::uint64_t end_of(const CommandOutcome& outcome) {
  const std::string words = "end at LSN ";
  const std::size_t at = outcome.out.rfind(words);
  REQUIRE(at != std::string::npos);
  return std::stoull(outcome.out.substr(at + words.size()));
}

/// Calls `command` on the writer's directory until `check`, which gets each outcome, has had enough.
template <class Check>
void repeat(Writer& writer, const std::string& command, Check check) {
  for (bool has_begun = false, is_enough = false; !is_enough;) {
    const CommandOutcome outcome = run_muster(command + " " + writer.directory().string());
    writer.require_running();
    const bool says_damage = (outcome.out + outcome.err).find("damaged") != std::string::npos;
    if (!has_begun && outcome.code != 0 && !says_damage) continue;  // there is no log yet, or no table
    has_begun = true;
    CAPTURE(outcome.err,
            outcome.out.substr(outcome.out.size() - std::min<std::size_t>(outcome.out.size(), 2000)));
    is_enough = check(outcome);
  }
}

}  // namespace

TEST_CASE(
    "muster log: beside a run that writes at full speed there is no false damage, and the end never falls") {
  const char* direct = GENERATE("false", "true");
  const std::string command = GENERATE("log verify", "log dump");
  CAPTURE(direct, command);
  Writer writer(std::string("--set log.direct=") + direct);
  std::uint64_t end = 0;
  std::set<std::uint64_t> ends;
  int calls = 0;
  repeat(writer, command, [&](const CommandOutcome& outcome) {
    REQUIRE(outcome.code == 0);
    const std::uint64_t found = end_of(outcome);
    REQUIRE(found >= end);
    end = found;
    ends.insert(found);
    return ++calls >= 5 && ends.size() >= 3;
  });
}

TEST_CASE("muster lsm: beside a run that writes at full speed there is no false damage") {
  const std::string command = GENERATE("lsm verify", "lsm dump");
  CAPTURE(command);
  Writer writer("--set engine.table=lsm --set lsm.memtable_bytes=65536");
  std::set<std::string> outs;
  int calls = 0;
  repeat(writer, command, [&](const CommandOutcome& outcome) {
    REQUIRE(outcome.code == 0);
    outs.insert(outcome.out);
    return ++calls >= 5 && outs.size() >= 3;
  });
}

TEST_CASE(
    "muster log verify: damage that is planted in the middle of a log under full load is reported each "
    "time") {
  Writer writer("--set engine.checkpoint_bytes=0");
  bool is_planted = false;
  int reported = 0;
  repeat(writer, "log verify", [&](const CommandOutcome& outcome) {
    if (is_planted) {
      REQUIRE(outcome.code == 1);
      CHECK_THAT(outcome.err, Contains("the log is damaged at LSN "));
      return ++reported == 4;
    }
    REQUIRE(outcome.code == 0);
    const std::set<fs::path> segments(fs::directory_iterator(writer.directory() / "muster.db" / "log"), {});
    if (segments.size() < 4) return false;
    std::fstream file(*segments.begin(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100'000);
    file.write("damage", 6);
    is_planted = true;
    return false;
  });
}
