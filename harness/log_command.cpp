#include <fmt/format.h>

#include <map>

#include "engine/error.h"
#include "engine/io/segments.h"
#include "engine/log/log_reader.h"
#include "harness/commands.h"

namespace muster {
namespace {

/// A database keeps its log in a folder `log`, a run its database in a folder `muster.db`: each may be named.
std::filesystem::path log_directory(const std::filesystem::path& directory) {
  for (const char* inside : {"log", "muster.db/log"}) {
    const std::filesystem::path log = directory / inside;
    if (!std::filesystem::is_directory(log)) continue;
    if (list_segments(log).empty())
      throw DamageError(log.string() + ": a database's log without any segment");
    return log;
  }
  if (std::filesystem::is_directory(directory) && !list_segments(directory).empty()) return directory;
  throw ConfigError("DIR", directory.string(), "want the directory of a log or of a database");
}

/// What a crash leaves is a log's end like any other; what it does not leave is an error.
void report_end(const LogEnd& end, std::FILE* out) {
  if (end.kind == LogEnd::Kind::truncated || end.kind == LogEnd::Kind::damaged) throw DamageError(end.what);
  fmt::print(out, "end at LSN {}{}{}\n", end.lsn, end.what.empty() ? "" : ": ", end.what);
}

}  // namespace

void log_verify_command(const std::filesystem::path& directory, std::FILE* out) {
  const std::filesystem::path log = log_directory(directory);
  const File lock = lock_log(log);  // what is being written looks damaged
  LogReader reader(log);
  std::map<RecordType, std::uint64_t> counts;
  std::uint64_t records = 0;
  while (const auto record = reader.next()) {
    ++records;
    ++counts[record->type];
  }
  fmt::print(out, "{} whole records from LSN {}\n", records, reader.begin());
  for (const auto& [type, count] : counts) fmt::print(out, "  {:<14}{}\n", to_string(type), count);
  report_end(reader.end(), out);
}

void log_dump_command(const std::filesystem::path& directory, std::FILE* out) {
  const std::filesystem::path log = log_directory(directory);
  const File lock = lock_log(log);
  LogReader reader(log);
  while (const auto record = reader.next()) fmt::print(out, "{}\n", to_string(*record));
  report_end(reader.end(), out);
}

}  // namespace muster
