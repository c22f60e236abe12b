// Kills a process at work on a database again and again, and checks after each recovery that nothing that was
// acknowledged is lost and nothing that was not committed is there (load.h says how).
//
//   crash_loop [--kills N] [--algorithm NAME]... [--policy durable|group|pipelined|queued_group]... [--table btree|lsm]...
//              [--seed N] [--threads N] [--directory DIR] [--plant early_acknowledgement|skipped_sync]
//
// N kills in all, shared by the algorithms, policies and kinds of tables; all that an engine accepts, where none is named. With a planted fault
// it succeeds when the fault was found. Exit code: 0 all is well, 1 it is not, 2 the command line, or a folder where
// another crash_loop is at work, 3 the machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <csignal>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "algorithms/registry.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "tests/engine/txn/crash/crash_testing.h"
#include "tests/engine/txn/crash/load.h"

namespace muster::crash {
namespace {

const std::map<std::string, CommitPolicy> kPolicies{{"durable", CommitPolicy::durable},
                                                    {"group", CommitPolicy::group},
                                                    {"pipelined", CommitPolicy::pipelined},
                                                    {"queued_group", CommitPolicy::queued_group}};
const std::map<std::string, Plant> kPlants{{"none", Plant::none},
                                           {"early_acknowledgement", Plant::early_acknowledgement},
                                           {"skipped_sync", Plant::skipped_sync}};

/// A run of this executable in another role, its reports and its end.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    int ends[2];
    if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    arguments.insert(arguments.begin(), "crash_loop");
    arguments.insert(arguments.end(), {"--descriptor", std::to_string(ends[1])});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    process_ = fork();
    if (process_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (process_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // no process may go on in the folder when the supervisor has gone
      execv("/proc/self/exe", argv.data());
      _exit(127);
    }
    ::close(ends[1]);
    reader_ = std::thread([this, from = ends[0]] {
      Report report;
      while (::read(from, &report, sizeof report) == sizeof report) {
        reports_.push_back(report);
        if (report.kind == Report::acknowledged) acknowledged_.store(true, std::memory_order_relaxed);
      }
      ended_.store(true, std::memory_order_relaxed);
      ::close(from);
    });
  }

  /// Until it has acknowledged a commit, or has ended.
  void await_acknowledgement() const {
    for (Backoff backoff;
         !acknowledged_.load(std::memory_order_relaxed) && !ended_.load(std::memory_order_relaxed);
         backoff.pause()) {}
  }
  void kill() { ::kill(process_, SIGKILL); }
  /// Its wait status, once it and its reports have ended.
  int wait() {
    int status = 0;
    waitpid(process_, &status, 0);
    reader_.join();
    return status;
  }
  const std::vector<Report>& reports() const { return reports_; }

 private:
  pid_t process_ = -1;
  std::thread reader_;
  std::vector<Report> reports_;
  // For the thread that waits. The reports themselves are read when the reader has been joined.
  std::atomic<bool> acknowledged_{false}, ended_{false};
};

/// The kills of one algorithm, policy and kind of table over one database.
class Loop {
 public:
  Loop(LoadOptions options, std::string policy) : options_(std::move(options)), policy_(std::move(policy)) {}

  /// Whether all is well.
  bool run(std::uint64_t kills) {
    std::mt19937_64 random(options_.seed);
    for (std::uint64_t kill = 0; kill < kills; ++kill) {
      options_.early_lock_release = kill % 2 == 1;
      options_.seed = random();
      load(std::chrono::microseconds(1'000 + random() % 400'000), kill == 0);
      // Every third recovery is killed as well, soon or late.
      if (kill % 3 == 2) interrupt_recovery(std::chrono::microseconds(random() % 60'000));
      if (!verify(kill)) return false;
    }
    return acknowledged_ > 0;
  }

  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t interrupted() const { return interrupted_; }
  const std::string& problem() const { return problem_; }

 private:
  std::vector<std::string> arguments(const std::string& role) const {
    std::vector<std::string> all{"--role",      role,
                                 "--directory", options_.directory.string(),
                                 "--algorithm", options_.algorithm,
                                 "--policy",    policy_,
                                 "--table",     std::string(name_of(options_.table)),
                                 "--threads",   std::to_string(options_.threads),
                                 "--seed",      std::to_string(options_.seed)};
    for (const auto& [name, plant] : kPlants) {
      if (plant == options_.plant && role == "load") all.insert(all.end(), {"--plant", name});
    }
    if (options_.early_lock_release) all.push_back("--early-lock-release");
    return all;
  }

  /// The first load of a loop is killed when there is something to lose, the others whatever they do.
  void load(std::chrono::microseconds time, bool first) {
    Child child(arguments("load"));
    if (first) child.await_acknowledgement();
    std::this_thread::sleep_for(time);
    child.kill();
    const int status = child.wait();
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
      problem_ = fmt::format("the load ended by itself, with status {}", status);
    for (const Report& report : child.reports()) {
      for (const auto& [group, version] :
           {std::pair(report.group, report.version), std::pair(report.other_group, report.other_version)}) {
        auto& highest = report.kind == Report::began ? begun_[group] : acknowledged_version_[group];
        highest = std::max(highest, version);
      }
      acknowledged_ += report.kind == Report::acknowledged;
    }
  }

  void interrupt_recovery(std::chrono::microseconds time) {
    Child child(arguments("verify"));
    std::this_thread::sleep_for(time);
    child.kill();
    interrupted_ += WIFSIGNALED(child.wait());
  }

  bool verify(std::uint64_t kill) {
    if (!problem_.empty()) return false;
    Child child(arguments("verify"));
    const int status = child.wait();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      problem_ = fmt::format("kill {}: recovery failed with status {}", kill, status);
      return false;
    }
    std::map<std::uint32_t, std::uint64_t> found;
    for (const Report& report : child.reports()) {
      if (report.kind == Report::found) found[report.group] = report.version;
    }
    for (std::uint32_t group = 0; group < kGroups; ++group) {
      if (found[group] < acknowledged_version_[group]) {
        problem_ = fmt::format("kill {}: lost commit: group {} is at version {}, acknowledged was {}", kill,
                               group, found[group], acknowledged_version_[group]);
        return false;
      }
      if (found[group] > begun_[group]) {
        problem_ = fmt::format("kill {}: group {} is at version {}, nobody began to commit more than {}",
                               kill, group, found[group], begun_[group]);
        return false;
      }
    }
    acknowledged_version_ = begun_ = std::move(found);  // what is found is where the next load goes on
    return true;
  }

  LoadOptions options_;
  const std::string policy_;
  std::map<std::uint32_t, std::uint64_t> begun_, acknowledged_version_;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t interrupted_ = 0;
  std::string problem_;
};

struct Request {
  std::uint64_t kills = 24;
  std::vector<std::string> algorithms, policies, tables = kTableNames;
  std::filesystem::path directory;
};

/// Two in one folder would each take what the other does for its own losses.
File lock_folder(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  File lock = File::open(folder / "crash_loop.lock", O_RDWR | O_CREAT);
  if (!lock.try_lock()) {
    throw ConfigError("--directory", folder.string(),
                      "another crash_loop is at work there; want a folder of its own");
  }
  return lock;
}

/// Whether all is well.
bool run_loop(const LoadOptions& options, const std::string& policy, std::uint64_t kills) {
  std::filesystem::remove_all(options.directory);
  Loop loop(options, policy);
  const bool well = loop.run(kills);
  fmt::print("{} {} {}: {} kills, {} of them in recovery too, {} acknowledged transactions: {}\n",
             options.algorithm, policy, name_of(options.table), kills, loop.interrupted(),
             loop.acknowledged(),
             well                     ? "none lost"
             : loop.problem().empty() ? "nothing was acknowledged"
                                      : loop.problem());
  std::fflush(stdout);
  if (well || options.plant != Plant::none) {
    std::filesystem::remove_all(options.directory);
  } else {
    fmt::print("the database is in {}, the seed was {}\n", options.directory.string(), options.seed);
  }
  return well;
}

int supervise(const Request& request, LoadOptions options) {
  const File lock = lock_folder(request.directory);
  const std::uint64_t loops = request.algorithms.size() * request.policies.size() * request.tables.size();
  const std::uint64_t kills_each = (request.kills + loops - 1) / loops;
  std::uint64_t found = 0;
  for (const std::string& algorithm : request.algorithms) {
    for (const std::string& policy : request.policies) {
      for (const std::string& table : request.tables) {
        options.algorithm = algorithm;
        options.table = table_kind(table);
        options.directory = request.directory / fmt::format("{}-{}-{}", algorithm, policy, table);
        found += !run_loop(options, policy, kills_each);
      }
    }
  }
  if (options.plant != Plant::none) {
    fmt::print("planted fault: found in {} of {} loops\n", found, loops);
    return found == loops ? 0 : 1;
  }
  fmt::print("{} kills, {} lost\n", kills_each * loops, found);
  return found == 0 ? 0 : 1;
}

std::vector<std::string> usable_algorithms() {
  std::vector<std::string> names;
  for (const AlgorithmInfo& info : algorithms()) {
    if (!info.unsafe && !info.stalls_on_idle) names.emplace_back(info.name);
  }
  return names;
}

int run(int argc, char** argv) {
  CLI::App app("Kills a database at work again and again, and checks what its recovery brings back");
  Request request;
  LoadOptions options;
  std::string role = "supervisor", plant = "none";
  int descriptor = -1;
  app.add_option("--kills", request.kills,
                 "in all, shared by the algorithms, policies and kinds of tables (24)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--algorithm", request.algorithms, "all that an engine accepts")
      ->check(CLI::IsMember(usable_algorithms()));
  app.add_option("--policy", request.policies,
                 "durable, group, pipelined, queued_group (durable and pipelined)")
      ->check(CLI::IsMember({"durable", "group", "pipelined", "queued_group"}));
  app.add_option("--table", request.tables, "btree, lsm (both)")->check(CLI::IsMember(kTableNames));
  app.add_option("--seed", options.seed, "what all random choices follow from (1)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", options.threads, "sessions at work (4)")->check(CLI::Range(1, 256));
  app.add_option("--directory", request.directory, "for the databases (crash-loop)")->take_last();
  app.add_option("--plant", plant, "a fault that must be found: early_acknowledgement or skipped_sync")
      ->check(CLI::IsMember({"early_acknowledgement", "skipped_sync", "none"}));
  // How the supervisor calls itself.
  app.add_option("--role", role)->group("");
  app.add_option("--descriptor", descriptor)->group("");
  app.add_flag("--early-lock-release", options.early_lock_release)->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.plant = kPlants.at(plant);
  if (role != "supervisor") {
    options.directory = request.directory;
    options.algorithm = request.algorithms.at(0);
    options.policy = kPolicies.at(request.policies.at(0));
    options.table = table_kind(request.tables.at(0));
    return role == "load" ? run_load(options, descriptor) : verify(options, descriptor);
  }
  if (request.directory.empty()) request.directory = "crash-loop";
  if (request.policies.empty()) request.policies = {"durable", "pipelined"};
  if (request.algorithms.empty()) request.algorithms = usable_algorithms();
  return supervise(request, options);
}

}  // namespace
}  // namespace muster::crash

int main(int argc, char** argv) {
  return muster::crash::exit_code_of("crash_loop", [&] { return muster::crash::run(argc, argv); });
}
