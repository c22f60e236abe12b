// How long a database takes to open after kill -9, how many bytes it reads for that, and the memory that it takes:
//
//   build/release/bin/restart_time [--log-mb 256] [--loser-mb 64] [--checkpoint-mb 0] [--records 200000] [--frames 65536]
//                                  [--redo-workers N...] [--repetitions 1] [--cold] [--directory DIR]
//
// A child fills a table and closes it, then updates it at random until the log has grown by --log-mb. One
// transaction stays open and makes --loser-mb of that, spread over all of it. Then the child is gone without
// closing anything, and the parent opens copies of what it left, with each number of --redo-workers in turn. --cold drops
// the files from the page cache first (posix_fadvise), and says how long it takes to read the log and do nothing else.
// Exit code: 0 it opened and check() passed, 2 the command line, 3 the machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "engine/database.h"
#include "engine/io/file.h"
#include "tests/engine/txn/crash/crash_testing.h"

namespace muster {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

struct Request {
  fs::path directory = "restart-time";
  std::uint64_t log_mib = 256;
  std::uint64_t loser_mib = 64;
  std::uint64_t checkpoint_mib = 0;
  std::uint64_t records = 200'000;
  std::size_t frames = 65536;
  std::vector<std::uint32_t> redo_workers{0};
  std::uint32_t repetitions = 1;
  bool cold = false;

  fs::path original() const { return directory / "original"; }
  fs::path copy() const { return directory / "copy"; }
  DatabaseOptions options(const fs::path& database) const {
    DatabaseOptions options;
    options.directory = database;
    options.log_buffer.capacity = 4 * kMebibyte;
    options.log_buffer.max_workers = 4;
    options.frames = frames;
    options.checkpoint_bytes = checkpoint_mib * kMebibyte;
    return options;
  }
};

std::string key_of(std::uint64_t number) {
  return fmt::format("key{:010}", number);
}

void want(Status status) {
  if (status != Status::ok) throw std::logic_error("restart_time: an operation failed that cannot");
}

void put(Session& session, TableId table, std::uint64_t number, char letter, bool is_new) {
  const std::string key = key_of(number), value(160, letter);
  const Bytes key_bytes = std::as_bytes(std::span(key)), value_bytes = std::as_bytes(std::span(value));
  want(is_new ? session.insert(table, key_bytes, value_bytes)
              : session.update(table, key_bytes, value_bytes));
}

void fill(const Request& request) {
  const auto database = Database::open(request.options(request.original()));
  const TableId table = database->create_table("records");
  {
    const auto session = database->attach(CommitPolicy::async);
    for (std::uint64_t number = 0; number < request.records; ++number) {
      session->begin();
      put(*session, table, number, 'a', true);
      session->commit();
    }
  }
  database->close();
}

/// The loser updates the odd records and the others the even ones, so that nobody waits for a lock.
[[noreturn]] void work_and_vanish(const Request& request) {
  const auto database = Database::open(request.options(request.original()));
  const TableId table = database->find_table("records").value();
  const auto winner = database->attach(CommitPolicy::async);
  const auto loser = database->attach(CommitPolicy::async);
  std::mt19937_64 random(1);
  LogManager& log = database->log();
  const Lsn begin = log.reserved();
  loser->begin();
  while (log.reserved() - begin < request.log_mib * kMebibyte) {
    const std::uint64_t record = random() % (request.records / 2) * 2;
    if (random() % request.log_mib < request.loser_mib) {
      put(*loser, table, record + 1, 'l', false);
    } else {
      winner->begin();
      put(*winner, table, record, 'w', false);
      winner->commit();
    }
  }
  log.flush(log.reserved());
  std::_Exit(0);  // what a kill leaves: the files as they are
}

void run_child(const Request& request) {
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    try {
      fill(request);
      work_and_vanish(request);
    } catch (const std::exception& error) {
      fmt::print(stderr, "restart_time: {}\n", error.what());
      std::_Exit(3);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("the load failed");
}

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::vector<fs::path> files_in(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void drop_from_cache(const fs::path& directory) {
  for (const fs::path& path : files_in(directory)) {
    File file = File::open(path, O_RDWR);
    file.sync_data();
    file.forget_cached();
  }
}

/// What no restart that reads it can be faster than.
double seconds_to_read(const fs::path& directory) {
  const Clock::time_point begin = Clock::now();
  std::vector<std::byte> buffer(kMebibyte);
  for (const fs::path& path : files_in(directory)) {
    const File file = File::open(path, O_RDONLY);
    for (std::uint64_t offset = 0; file.read_at(offset, buffer) == buffer.size();) offset += buffer.size();
  }
  return seconds_since(begin);
}

std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const fs::path& path : files_in(directory)) bytes += fs::file_size(path);
  return bytes;
}

/// What this process has asked the kernel for, page cache or not.
std::uint64_t bytes_read() {
  std::ifstream io("/proc/self/io");
  std::string name;
  for (std::uint64_t value = 0; io >> name >> value;) {
    if (name == "rchar:") return value;
  }
  return 0;
}

/// The most memory that this process has had since forget_peak().
std::uint64_t peak_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

void forget_peak() {
  std::ofstream("/proc/self/clear_refs") << "5";
}

double processor_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// When everything was redone and undone, and only the pages had to be written.
struct Finish : RestartObserver {
  void progress(const RestartProgress&) override {}
  void finished(const RestartStatistics&) override { at = Clock::now(); }
  Clock::time_point at;
};

/// Opens a copy of the database that the child has left; returns the time.
double restart(const Request& request, std::uint32_t redo_workers) {
  fs::remove_all(request.copy());
  fs::copy(request.original(), request.copy(), fs::copy_options::recursive);
  DatabaseOptions options = request.options(request.copy());
  options.redo_workers = redo_workers;
  double log_alone = 0;
  if (request.cold) {
    drop_from_cache(request.directory);
    log_alone = seconds_to_read(request.copy() / "log");
    drop_from_cache(request.directory);
  }
  Finish finish;
  options.restart_observer = &finish;
  forget_peak();
  const std::uint64_t read_before = bytes_read();
  const double processor_before = processor_seconds();
  const Clock::time_point begin = Clock::now();
  const auto database = Database::open(options);
  const double seconds = seconds_since(begin);
  const double redone = std::chrono::duration<double>(finish.at - begin).count();
  fmt::print(
      "{:>2} redo workers: opened in {:.2f} s, without writing the pages {:.2f} s; {:.2f} s of processor "
      "time; ",
      redo_workers, seconds, redone, processor_seconds() - processor_before);
  fmt::print("the log alone is read in {:.2f} s; {} MiB read; at most {} MiB of memory\n", log_alone,
             (bytes_read() - read_before) / kMebibyte, peak_bytes() / kMebibyte);
  std::fflush(stdout);
  database->check();
  return seconds;
}

int run(const Request& request) {
  fs::remove_all(request.directory);
  run_child(request);
  const std::uint64_t log = bytes_in(request.original() / "log");
  fmt::print("log {} MiB, tables {} MiB, {}\n", log / kMebibyte,
             (bytes_in(request.original()) - log) / kMebibyte, request.cold ? "cold" : "warm");
  std::map<std::uint32_t, std::vector<double>> seconds;
  for (std::uint32_t i = 0; i < request.repetitions; ++i) {
    for (const std::uint32_t workers : request.redo_workers) {
      seconds[workers].push_back(restart(request, workers));
    }
  }
  for (auto& [workers, all] : seconds) {
    std::ranges::sort(all);
    fmt::print("{:>2} redo workers: {:.2f} s, the median of {}\n", workers, all[all.size() / 2], all.size());
  }
  fs::remove_all(request.directory);
  return 0;
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  CLI::App app("How long a database takes to open after kill -9");
  muster::Request request;
  app.add_option("--log-mb", request.log_mib, "MiB of log that the restart has to read (256)")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--loser-mb", request.loser_mib, "of which one open transaction makes so many (64)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--checkpoint-mb", request.checkpoint_mib,
                 "MiB of log between checkpoints, 64 at least; 0: none (0)");
  app.add_option("--redo-workers", request.redo_workers,
                 "threads that redo; 0: one for each processing unit (0)");
  app.add_option("--repetitions", request.repetitions, "openings with each number of workers (1)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--records", request.records, "in the table (200000)")->check(CLI::Range(2, 1'000'000'000));
  app.add_option("--frames", request.frames, "pages in memory (65536)");
  app.add_flag("--cold", request.cold, "drop the files from the page cache first");
  app.add_option("--directory", request.directory, "for the database (restart-time)");
  CLI11_PARSE(app, argc, argv);
  return muster::crash::exit_code_of("restart_time", [&] { return muster::run(request); });
}
