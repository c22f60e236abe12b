#include "tests/engine/reference/runner.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <system_error>
#include <thread>

#include "tests/engine/reference/interpreter.h"
#include "tests/engine/reference/subject.h"

namespace muster::reference {
namespace {

/// What a life tells its parent process. The parent reads `begun` at any time, and the rest once the life has ended.
struct Told {
  std::atomic<std::size_t> begun{0};  // relaxed: the parent only looks whether it changes
  std::size_t completed = 0;
  std::size_t undone = 0;  // commits that the recovery has not brought back
  char failure[2048] = "";
};

/// Memory that both have.
class SharedMemory {
 public:
  SharedMemory() {
    void* const at = mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    told_ = new (at) Told;
  }
  ~SharedMemory() { munmap(told_, sizeof(Told)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  Told& operator*() const { return *told_; }

 private:
  Told* told_;
};

constexpr int kFailed = 10;

[[noreturn]] void fail(Told& told, const std::string& what) {
  what.copy(told.failure, sizeof told.failure - 1);
  _exit(kFailed);
}

/// The first row in which they differ.
std::string difference(const Rows& expected, const Rows& found) {
  const auto [ours, theirs] = std::ranges::mismatch(expected, found);
  const auto row = [](const Rows& rows, Rows::const_iterator at) {
    if (at == rows.end()) return std::string("none");
    return "key " + text_of(Result{.value = at->first}) + ": " + text_of(Result{.value = at->second});
  };
  return fmt::format("row {}: want {}, found {}", ours - expected.begin(), row(expected, ours),
                     row(found, theirs));
}

void kill_within(std::uint32_t microseconds) {
  std::thread([=] {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    kill(getpid(), SIGKILL);
  }).detach();
}

/// What runs on the database from `first` on, until a kill or the end.
class Life {
 public:
  Life(const Program& program, const RunOptions& options, Reference& reference, Interpreter& interpreter,
       Told& told)
      : program_(program),
        options_(options),
        reference_(reference),
        interpreter_(interpreter),
        told_(told),
        subject_(program, options.directory / "database") {}

  void run(std::size_t first) {
    recover();
    for (std::size_t at = first; at < program_.operations.size(); ++at) {
      told_.begun.store(at, std::memory_order_relaxed);
      step(program_.operations[at]);
      told_.completed = at + 1;
    }
    told_.begun.store(program_.operations.size(), std::memory_order_relaxed);
    if (interpreter_.is_open()) {
      const Operation abort{.kind = Kind::abort};
      interpreter_.expect(abort);
      subject_.perform(abort, interpreter_);
    }
    const Rows expected = reference_.scan("", 0), found = subject_.content();
    if (expected != found) fail(told_, "at the end, " + difference(expected, found));
    subject_.close();
  }

 private:
  void recover() {
    const Rows found = subject_.content();
    const auto undone = reference_.recover(found);
    if (!undone) {
      fail(told_, "behind an opening, none of the states that may be there; " +
                      difference(reference_.scan("", 0), found));
    }
    told_.undone += *undone;
  }

  void step(const Operation& operation) {
    const bool is_kill = operation.kind == Kind::kill || operation.kind == Kind::kill_soon;
    if (is_kill && options_.reference == ReferenceKind::map) {
      if (operation.kind == Kind::kill) kill(getpid(), SIGKILL);
      return kill_within(operation.number);
    }
    if (is_kill) {
      subject_.open_copy();
      interpreter_.killed();
      return recover();
    }
    const Interpreter before = interpreter_;
    const Result expected = interpreter_.expect(operation);
    const Result found = subject_.perform(operation, before);
    if (expected == found) return;
    std::string what = fmt::format("want {}, found {}", text_of(expected), text_of(found));
    if (expected.rows != found.rows) what += "; " + difference(expected.rows, found.rows);
    fail(told_, what);
  }

  const Program& program_;
  const RunOptions& options_;
  Reference& reference_;
  Interpreter& interpreter_;
  Told& told_;
  Subject subject_;
};

/// In a process of its own.
[[noreturn]] void live(const Program& program, const RunOptions& options, MapReference& map,
                       Interpreter& interpreter, Told& told, std::size_t first) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    if (options.reference == ReferenceKind::map) {
      Life(program, options, map, interpreter, told).run(first);
    } else {
      const auto rocksdb = make_rocksdb_reference(options.directory / "rocksdb");
      Interpreter by_rocksdb(program, *rocksdb);
      Life(program, options, *rocksdb, by_rocksdb, told).run(first);
    }
  } catch (const std::exception& error) {
    fail(told, error.what());
  }
  _exit(0);
}

/// The wait status; none: it hung.
std::optional<int> await(pid_t process, const Told& told, std::chrono::seconds patience) {
  using Clock = std::chrono::steady_clock;
  std::size_t begun = 0;
  auto deadline = Clock::now() + patience;
  for (std::chrono::microseconds pause{50};;) {
    int status = 0;
    if (waitpid(process, &status, WNOHANG) == process) return status;
    const std::size_t now = told.begun.load(std::memory_order_relaxed);
    if (now != begun) deadline = Clock::now() + patience;
    begun = now;
    if (Clock::now() > deadline) {
      kill(process, SIGKILL);
      waitpid(process, &status, 0);
      return std::nullopt;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds{2000});
  }
}

/// The opening behind a kill is killed, too, or has ended by then. Whether it fails is for the next one to tell.
void kill_opening(const Program& program, const RunOptions& options, std::uint32_t microseconds) {
  const pid_t process = fork();
  if (process < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (process == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    kill_within(microseconds);
    try {
      const Subject subject(program, options.directory / "database");
      kill(getpid(), SIGKILL);
    } catch (const std::exception&) {}
    _exit(0);
  }
  int status = 0;
  waitpid(process, &status, 0);
}

std::optional<Failure> run_lives(const Program& program, const RunOptions& options, RunCounts& counts) {
  const SharedMemory shared;
  Told& told = *shared;
  MapReference map;
  Interpreter interpreter(program, map);
  for (std::size_t first = 0;;) {
    told.begun.store(first, std::memory_order_relaxed);
    told.completed = first;
    told.undone = 0;
    const pid_t process = fork();
    if (process < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (process == 0) live(program, options, map, interpreter, told, first);
    const auto status = await(process, told, options.patience);
    const std::size_t begun = told.begun.load(std::memory_order_relaxed);
    if (!status) return Failure{begun, "it goes on no more"};
    if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return std::nullopt;
    if (!WIFSIGNALED(*status) || WTERMSIG(*status) != SIGKILL) {
      if (told.failure[0] != 0) return Failure{begun, told.failure};
      return Failure{begun, fmt::format("the process ended with wait status {:#x}", *status)};
    }
    // Here, too, the reference goes to where the life had it when it was killed.
    map.undo_commits(told.undone);
    ++counts.kills;
    counts.commits_lost += told.undone;
    const std::size_t last = std::min(std::max(told.completed, begun + 1), program.operations.size());
    for (std::size_t at = first; at < last; ++at) {
      const Operation& operation = program.operations[at];
      if (at < told.completed) {
        interpreter.expect(operation);
      } else if (operation.kind == Kind::commit && interpreter.is_open()) {
        map.commit(false);  // it was on its way
      }
    }
    interpreter.killed();
    const Operation& killer = program.operations[std::min(begun, program.operations.size() - 1)];
    if (killer.number % 4 == 0) kill_opening(program, options, killer.number);
    first = last;
  }
}

}  // namespace

std::optional<Failure> run(const Program& program, const RunOptions& options, RunCounts* counts) {
  RunCounts mine;
  std::filesystem::remove_all(options.directory);
  std::filesystem::create_directories(options.directory);
  auto failure = run_lives(program, options, counts == nullptr ? mine : *counts);
  if (!failure) std::filesystem::remove_all(options.directory);
  return failure;
}

}  // namespace muster::reference
