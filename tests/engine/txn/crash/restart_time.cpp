// How long a database takes to open after kill -9, and how many bytes it reads for that:
//
//   build/release/bin/restart_time [--log-mb 256] [--loser-mb 64] [--records 200000] [--frames 65536] [--cold] [--directory DIR]
//
// A child fills a table and closes it, then updates it at random until the log has grown by --log-mb. One
// transaction stays open and makes --loser-mb of that, spread over all of it. Then the child is gone without
// closing anything, and the parent opens what it left. --cold drops the files from the page cache first.
// Exit code: 0 it opened and check() passed, 2 the command line, 3 the machine.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "engine/database.h"
#include "engine/io/file.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;

struct Request {
  fs::path directory = "restart-time";
  std::uint64_t log_mib = 256;
  std::uint64_t loser_mib = 64;
  std::uint64_t records = 200'000;
  std::size_t frames = 65536;
  bool cold = false;

  DatabaseOptions options() const {
    DatabaseOptions options;
    options.directory = directory;
    options.log_buffer.capacity = 4 * kMebibyte;
    options.log_buffer.max_workers = 4;
    options.frames = frames;
    options.checkpoint_bytes = 0;  // all of the log is for the restart
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
  const auto database = Database::open(request.options());
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
  const auto database = Database::open(request.options());
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

void drop_from_cache(const fs::path& directory) {
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    File file = File::open(entry.path(), O_RDWR);
    file.sync_data();
    ::posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

std::uint64_t bytes_in(const fs::path& directory) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
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

int run(const Request& request) {
  fs::remove_all(request.directory);
  run_child(request);
  if (request.cold) drop_from_cache(request.directory);
  const std::uint64_t log = bytes_in(request.directory / "log");
  const std::uint64_t all = bytes_in(request.directory);
  const std::uint64_t read_before = bytes_read();
  const auto begin = std::chrono::steady_clock::now();
  const auto database = Database::open(request.options());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  fmt::print("log {} MiB, tables {} MiB, {}: opened in {:.2f} s, {} MiB read\n", log / kMebibyte,
             (all - log) / kMebibyte, request.cold ? "cold" : "warm", seconds,
             (bytes_read() - read_before) / kMebibyte);
  database->check();
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
  app.add_option("--records", request.records, "in the table (200000)")->check(CLI::Range(2, 1'000'000'000));
  app.add_option("--frames", request.frames, "pages in memory (65536)");
  app.add_flag("--cold", request.cold, "drop the files from the page cache first");
  app.add_option("--directory", request.directory, "for the database (restart-time)");
  CLI11_PARSE(app, argc, argv);
  try {
    return muster::run(request);
  } catch (const std::invalid_argument& error) {  // ConfigError among them
    fmt::print(stderr, "restart_time: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "restart_time: {}\n", error.what());
    return 3;
  }
}
