#include <fmt/format.h>

#include <map>

#include "engine/error.h"
#include "engine/io/segments.h"
#include "engine/log/live_log_reader.h"
#include "harness/commands.h"
#include "workloads/workload.h"

namespace muster {
namespace {

/// A database keeps its log in a folder `log`, a run its database in a folder `muster.db`: each may be named.
std::filesystem::path log_directory(const std::filesystem::path& directory) {
  for (const char* inside : {"log", "muster.db/log"}) {
    if (const std::filesystem::path log = directory / inside; std::filesystem::is_directory(log)) return log;
  }
  if (std::filesystem::is_directory(directory) && has_segments(directory)) return directory;
  throw ConfigError("DIR", directory.string(), "want the directory of a log or of a database");
}

/// What a crash leaves is a log's end like any other; what it does not leave is an error.
void report_end(const LiveLogReader& reader, std::FILE* out) {
  const LogEnd& end = reader.end();
  if (end.kind == LogEnd::Kind::truncated || end.kind == LogEnd::Kind::damaged) throw DamageError(end.what);
  if (reader.removed_bytes() != 0) {
    fmt::print(out, "{} bytes of it went with checkpoints before they could be read\n",
               reader.removed_bytes());
  }
  fmt::print(out, "end at LSN {}{}{}\n", end.lsn, end.what.empty() ? "" : ": ", end.what);
}

/// Of a directory that is called like a log's, but has none.
void require_log(const LiveLogReader& reader, const std::filesystem::path& log) {
  if (!reader.has_segments()) throw DamageError(log.string() + ": a database's log without any segment");
}

void verify(const std::filesystem::path& log, std::FILE* out) {
  LiveLogReader reader(log);
  require_log(reader, log);
  std::map<RecordType, std::uint64_t> counts;
  std::uint64_t records = 0;
  while (const auto record = reader.next()) {
    ++records;
    ++counts[record->type];
  }
  fmt::print(out, "{} whole records from LSN {}\n", records, reader.begin());
  for (const auto& [type, count] : counts) fmt::print(out, "  {:<14}{}\n", to_string(type), count);
  report_end(reader, out);
}

}  // namespace

void log_verify_command(const std::filesystem::path& directory, std::FILE* out) {
  const std::filesystem::path log = log_directory(directory);
  try {
    verify(log, out);
  } catch (const DamageError& error) {
    throw VerificationError(error.what());
  }
}

void log_dump_command(const std::filesystem::path& directory, std::FILE* out) {
  const std::filesystem::path log = log_directory(directory);
  LiveLogReader reader(log);
  require_log(reader, log);
  while (const auto record = reader.next()) fmt::print(out, "{}\n", to_string(*record));
  report_end(reader, out);
}

}  // namespace muster
