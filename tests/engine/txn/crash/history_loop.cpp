// Kills a process at work on lists again and again; what its sessions saw, before the kills and after the recoveries, is one
// history, which has to satisfy what the isolation level promises (workloads/history).
//
//   history_loop [--kills N] [--level NAME]... [--algorithm NAME]... [--table btree|lsm]... [--seed N] [--threads N]
//                [--directory DIR] [--plant early_acknowledgement|split_transactions]
//
// N kills of each level with each of four log buffers, and each kind of table. A transaction without an acknowledgement may have happened or not; an
// acknowledged one has, in real time. With a planted fault it succeeds when the fault was found. Exit code: 0 all is well, 1 it
// is not, 2 the command line, 3 the machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/database.h"
#include "engine/error.h"
#include "tests/engine/txn/crash/crash_testing.h"
#include "tests/engine/txn/log_devices.h"
#include "workloads/history/check.h"
#include "workloads/history/history_file.h"
#include "workloads/history/rotating_keys.h"
#include "workloads/random.h"
#include "workloads/ycsb_value.h"

namespace muster::crash {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Number = std::uint32_t;

constexpr std::uint32_t kKeys = 6;
constexpr std::uint32_t kWritesAKey = 24;
constexpr std::uint32_t kOperationsMax = 4;
constexpr std::size_t kCommittedMin = 100;  // transactions before a kill

enum class Plant : std::uint8_t { none, early_acknowledgement, split_transactions };

struct Options {
  fs::path directory;
  std::string algorithm;
  Isolation level = Isolation::two_phase_locking;
  TableKind table = TableKind::btree;
  bool early_lock_release = false;
  std::uint32_t threads = 4;
  std::uint64_t seed = 1;
  Plant plant = Plant::none;
};

DatabaseOptions database_options(const Options& options) {
  DatabaseOptions database =
      small_database(options.directory, options.algorithm, options.threads, options.early_lock_release);
  database.make_log_device = make_holding_device;
  return database;
}

struct Operation {
  bool is_read;
  std::uint64_t key;
  Number value = 0;               // that is appended
  std::vector<Number> list = {};  // that was read
};

/// One session, which says each event in a line of EDN on the way: the pipe keeps the order.
class Worker {
 public:
  Worker(Database& database, TableId table, history::RotatingKeys& keys, const Options& options,
         std::uint32_t process, int descriptor)
      : table_(table),
        keys_(keys),
        plant_(options.plant),
        process_(process),
        descriptor_(descriptor),
        random_(options.seed, process),
        session_(database.attach(CommitPolicy::durable, options.level)) {}

  [[noreturn]] void run() {
    for (;;) {
      std::vector<Operation> operations;
      for (std::uint64_t left = 1 + random_.below(kOperationsMax); left > 0; --left) {
        const auto place = static_cast<std::uint32_t>(random_.below(kKeys));
        if (random_.below(2) == 0) {
          operations.push_back({true, keys_.to_read(place)});
        } else {
          const auto [key, value] = keys_.to_write(place);
          operations.push_back({false, key, value});
        }
      }
      transaction(operations);
    }
  }

  /// Until it is committed.
  void read(std::vector<Operation> operations) {
    while (!transaction(operations)) {}
  }

 private:
  bool transaction(std::vector<Operation>& operations) {
    say("invoke", operations);
    session_->begin();
    bool open = true;
    for (std::size_t i = 0; i < operations.size() && open; ++i) {
      if (plant_ == Plant::split_transactions && i > 0) {
        open = session_->commit();
        session_->begin();
        std::this_thread::yield();
      }
      open = open && perform(operations[i]);
    }
    if (open && plant_ == Plant::early_acknowledgement) say("ok", operations);
    const bool committed = open && session_->commit();
    if (plant_ != Plant::early_acknowledgement || !committed) say(committed ? "ok" : "fail", operations);
    return committed;
  }

  /// Whether the transaction is still there.
  bool perform(Operation& o) {
    const YcsbKey key = ycsb_key(o.key);
    const Status found =
        o.is_read ? session_->read(table_, key, value_) : session_->read_for_update(table_, key, value_);
    if (was_rolled_back(found)) return false;
    o.list.assign(found == Status::ok ? value_.size() / sizeof(Number) : 0, 0);
    if (!o.list.empty()) std::memcpy(o.list.data(), value_.data(), o.list.size() * sizeof(Number));
    if (o.is_read) return true;
    o.list.push_back(o.value);
    const Bytes list = std::as_bytes(std::span(o.list));
    const Status status =
        found == Status::ok ? session_->update(table_, key, list) : session_->insert(table_, key, list);
    if (status == Status::already_exists) session_->abort();
    return status == Status::ok;
  }

  void say(std::string_view type, const std::vector<Operation>& operations) {
    std::string line = fmt::format("{{:type :{}, :process {}, :value [", type, process_);
    for (const Operation& o : operations) {
      if (!o.is_read) {
        line += fmt::format("[:append {} {}]", o.key, o.value);
      } else if (type == "ok") {
        line += fmt::format("[:r {} [{}]]", o.key, fmt::join(o.list, " "));
      } else {
        line += fmt::format("[:r {} nil]", o.key);
      }
    }
    line += "]}\n";
    write_at_once(descriptor_, line.data(), line.size());
  }

  const TableId table_;
  history::RotatingKeys& keys_;
  const Plant plant_;
  const std::uint32_t process_;
  const int descriptor_;
  Random random_;
  std::unique_ptr<Session> session_;
  std::vector<std::byte> value_;
};

/// What is known before a process starts.
struct Before {
  history::RotatingKeys keys{kKeys, kWritesAKey};
  std::uint64_t keys_end = 0;   // all keys so far are below
  std::uint32_t processes = 0;  // numbers that sessions had
};

/// Opens, which recovers; reads every key; then works until it is killed.
int work(const Options& options, Before& before, int descriptor) {
  try {
    const auto database = Database::open(database_options(options));
    const auto found = database->find_table("lists");
    const TableId table = found ? *found : database->create_table("lists", options.table);
    std::uint32_t process = before.processes;
    {
      Worker reader(*database, table, before.keys, options, process++, descriptor);
      for (std::uint64_t key = 0; key < before.keys_end; ++key) reader.read({{true, key}});
    }
    std::vector<std::unique_ptr<Worker>> workers;
    for (std::uint32_t i = 0; i < options.threads; ++i)
      workers.push_back(
          std::make_unique<Worker>(*database, table, before.keys, options, process++, descriptor));
    std::vector<std::thread> threads;
    for (const auto& worker : workers) threads.emplace_back([&worker] { worker->run(); });
    for (std::thread& thread : threads) thread.join();
  } catch (const std::exception& error) {
    fmt::print(stderr, "history_loop: the process at work: {}\n", error.what());
  }
  return 1;
}

/// One process from its start to its kill. What it said is added to the text. It is killed after the time, and once it has
/// committed enough, however slow the machine is. Returns 0 then, and its exit code or signal where it ended by itself.
int life(const Options& options, Before& before, std::chrono::milliseconds time, std::string& text) {
  int ends[2];
  if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  std::fflush(stdout);
  const pid_t child = fork();  // there is no other thread here
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close(ends[0]);
    std::_Exit(work(options, before, ends[1]));
  }
  ::close(ends[1]);
  const auto deadline = Clock::now() + time;
  std::size_t committed = 0, counted = text.size();
  for (bool killed = false;;) {
    for (; (counted = text.find(":ok", counted)) != std::string::npos; ++counted) ++committed;
    counted = text.size();
    if (!killed && Clock::now() >= deadline && committed >= kCommittedMin) {
      ::kill(child, SIGKILL);
      killed = true;
    }
    pollfd ready{ends[0], POLLIN, 0};
    if (::poll(&ready, 1, 1) <= 0) continue;
    char some[1 << 16];
    const ssize_t n = ::read(ends[0], some, sizeof some);
    if (n <= 0) break;
    text.append(some, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return WTERMSIG(status) == SIGKILL ? 0 : 128 + WTERMSIG(status);  // as a shell says it
}

void note(const history::History& history, Before& before) {
  for (const history::Operation& o : history.operations()) {
    const std::uint64_t key = std::stoull(history.key_names()[o.key]);
    before.keys_end = std::max(before.keys_end, key + 1);
    if (o.kind == history::Operation::Kind::write) before.keys.skip(key, static_cast<std::uint32_t>(o.value));
  }
  for (const history::Transaction& t : history.transactions())
    before.processes = std::max(before.processes, t.process + 1);
}

/// `ended`: a process at work ended by itself, which is no fault that a plant makes.
enum class Outcome : std::uint8_t { well, wrong, ended };

/// The kills of one level, algorithm and kind of table.
Outcome loop(Options options, std::uint64_t kills) {
  std::mt19937_64 random(options.seed);
  std::string text;
  fs::remove_all(options.directory);
  const history::Level level = history::promised_by(options.level);
  std::string problem;
  Outcome outcome = Outcome::well;
  history::Verdict verdict;
  for (std::uint64_t kill = 0; kill < kills && problem.empty(); ++kill) {
    options.early_lock_release = kill % 2 == 1;
    options.seed = random();
    Before before;
    if (!text.empty()) note(history::read_history(text, "history"), before);
    const int code = life(options, before, std::chrono::milliseconds(20 + random() % 200), text);
    if (code != 0) {
      problem = fmt::format("kill {}: the process ended by itself, with {}", kill, code);
      outcome = Outcome::ended;
      break;
    }
    const history::History history = history::read_history(text, "history");
    try {
      verdict = history::check(history, history::order_of(level));
      if (!verdict.satisfies(level))
        problem =
            fmt::format("kill {}: {}\n{}", kill, in_one_line(verdict, level), in_words(verdict, history));
    } catch (const history::BadHistory& bad) {
      problem = fmt::format("kill {}: {}", kill, bad.what());
    }
  }
  fmt::print("{} {} {}: {} kills, {} committed, {} rolled back, {} without an answer: {}\n",
             name_of(options.level), options.algorithm, name_of(options.table), kills, verdict.committed,
             verdict.failed, verdict.unknown, problem.empty() ? name_of(level) : problem);
  std::fflush(stdout);
  if (problem.empty() || options.plant != Plant::none) {
    fs::remove_all(options.directory);
  } else {
    std::ofstream(options.directory / "history.edn") << text;
    fmt::print("the database and history.edn are in {}\n", options.directory.string());
  }
  return outcome == Outcome::well && !problem.empty() ? Outcome::wrong : outcome;
}

int run(int argc, char** argv) {
  CLI::App app("Kills a database at work again and again, and checks the history of all transactions");
  std::uint64_t kills = 3;
  std::vector<std::string> levels(kIsolations.begin(), kIsolations.end());
  std::vector<std::string> tables = kTableNames;
  std::vector<std::string> algorithms{"border_collie", "eleda", "postgres_insert_locks", "ermia"};
  const std::map<std::string, Plant> plants{{"none", Plant::none},
                                            {"early_acknowledgement", Plant::early_acknowledgement},
                                            {"split_transactions", Plant::split_transactions}};
  Options options;
  fs::path directory = "history-loop";
  std::string plant = "none";
  app.add_option("--kills", kills, "of each level with each log buffer and kind of table (3)")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--level", levels, "all that the engine has")->check(CLI::IsMember(levels));
  app.add_option("--algorithm", algorithms, "border_collie, eleda, postgres_insert_locks, ermia");
  app.add_option("--table", tables, "btree, lsm (both)")->check(CLI::IsMember(kTableNames));
  app.add_option("--seed", options.seed, "what all random choices follow from (1)");
  app.add_option("--threads", options.threads, "sessions at work (4)")->check(CLI::Range(1, 64));
  app.add_option("--directory", directory, "for the databases (history-loop)");
  app.add_option("--plant", plant, "a fault that must be found: early_acknowledgement or split_transactions")
      ->check(CLI::IsMember({"early_acknowledgement", "split_transactions", "none"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.plant = plants.at(plant);
  std::uint64_t loops = 0, wrong = 0, ended = 0;
  for (const std::string& level : levels) {
    options.level = static_cast<Isolation>(std::ranges::find(kIsolations, level) - kIsolations.begin());
    for (const std::string& algorithm : algorithms) {
      for (const std::string& table : tables) {
        options.algorithm = algorithm;
        options.table = table_kind(table);
        options.directory = directory / fmt::format("{}-{}-{}", level, algorithm, table);
        const Outcome outcome = loop(options, kills);
        wrong += outcome == Outcome::wrong;
        ended += outcome == Outcome::ended;
        ++loops;
      }
    }
  }
  std::error_code not_empty;
  fs::remove(directory, not_empty);  // it stays where a loop has left its database
  if (options.plant != Plant::none) {
    fmt::print("planted fault: found in {} of {} loops\n", wrong, loops);
    return wrong == loops && loops > 0 ? 0 : 1;
  }
  fmt::print("{} loops, {} of them wrong\n", loops, wrong + ended);
  return wrong + ended == 0 && loops > 0 ? 0 : 1;
}

}  // namespace
}  // namespace muster::crash

int main(int argc, char** argv) {
  return muster::crash::exit_code_of("history_loop", [&] { return muster::crash::run(argc, argv); });
}
