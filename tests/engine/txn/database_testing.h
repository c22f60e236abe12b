#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "algorithms/parts/backoff.h"
#include "engine/database.h"
#include "engine/error.h"
#include "tests/engine/log/log_testing.h"
#include "tests/engine/table_under_test.h"

namespace muster {

/// Small everything: pages are evicted, the ring wraps, segments follow each other.
inline DatabaseOptions small_database(const std::filesystem::path& directory) {
  DatabaseOptions options;
  options.directory = directory;
  options.log_buffer.capacity = 64 << 10;
  options.log_buffer.max_workers = 16;
  options.log.segment_bytes = 256 << 10;
  options.frames = 64;
  options.lsm.memtable_bytes = lsm::LsmOptions::kMemtableBytesMin;
  return options;
}

inline DatabaseOptions memory_database(const std::filesystem::path& directory) {
  DatabaseOptions options = small_database(directory);
  options.log.device = "memory";
  return options;
}

/// Waits until the condition holds, such as that a session in another thread waits. False after ten seconds: a failure, and
/// not a hang.
inline bool comes_true(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (Backoff backoff; std::chrono::steady_clock::now() < deadline; backoff.pause()) {
    if (condition()) return true;
  }
  return false;
}

/// When each file was last written.
inline std::map<std::filesystem::path, std::filesystem::file_time_type> times_of(
    const std::filesystem::path& directory) {
  std::map<std::filesystem::path, std::filesystem::file_time_type> times;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    times[entry.path()] = std::filesystem::last_write_time(entry.path(), gone);
  }
  return times;
}

/// What a kill -9 at this moment leaves, if no session is writing: every file as the kernel has it. The log and the
/// pages' cleaner may come to an end meanwhile; then the copy is made anew.
inline void copy_as_killed(const std::filesystem::path& from, const std::filesystem::path& to) {
  for (std::error_code error;;) {
    const auto before = times_of(from);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive, error);
    if (!error && times_of(from) == before) return;
    if (error && error != std::errc::no_such_file_or_directory)
      throw std::system_error(error, "copy " + from.string());
    std::filesystem::remove_all(to);
  }
}

/// A database whose process was killed: opened again in a copy of its files.
class Killed {
 public:
  explicit Killed(const std::filesystem::path& original) { copy_as_killed(original, path()); }
  std::filesystem::path path() const { return directory_.path() / "killed"; }
  DatabaseOptions options() const { return small_database(path()); }
  std::unique_ptr<Database> open() const { return Database::open(options()); }

 private:
  TemporaryDirectory directory_;
};

inline std::string key_of(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return "key" + std::string(8 - digits.size(), '0') + digits;
}

inline std::optional<std::string> read_text(Session& session, TableId table, std::string_view key) {
  std::vector<std::byte> value;
  const Status status = session.read(table, as_bytes(key), value);
  if (was_rolled_back(status)) throw std::runtime_error("rolled back");
  return status == Status::ok ? std::optional(as_text(value)) : std::nullopt;
}

inline std::map<std::string, std::string> scan_all(Session& session, TableId table) {
  std::map<std::string, std::string> all;
  const Status status = session.scan(table, {}, [&](Bytes key, Bytes value) {
    all.emplace(as_text(key), as_text(value));
    return true;
  });
  if (status != Status::ok) throw std::runtime_error("deadlock");
  return all;
}

/// The content as one transaction sees it.
inline std::map<std::string, std::string> contents(Database& database, TableId table) {
  const auto session = database.attach(CommitPolicy::durable);
  session->begin();
  auto all = scan_all(*session, table);
  session->commit();
  return all;
}

inline std::map<std::string, std::string> contents(Database& database, std::string_view table) {
  return contents(database, database.find_table(table).value());
}

}  // namespace muster
