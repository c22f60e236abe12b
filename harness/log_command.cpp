#include <fmt/format.h>

#include <map>

#include "engine/error.h"
#include "engine/log/log_reader.h"
#include "harness/commands.h"

namespace muster {
namespace {

/// A database keeps its log in a folder `log`; either may be named.
std::filesystem::path log_directory(const std::filesystem::path& directory) {
  if (std::filesystem::is_directory(directory / "log")) return directory / "log";
  if (std::filesystem::is_directory(directory)) return directory;
  throw ConfigError("DIR", directory.string(), "want the directory of a log or of a database");
}

/// What a crash leaves is a log's end like any other; what it does not leave is an error.
void report_end(const LogEnd& end, std::FILE* out) {
  if (end.kind == LogEnd::Kind::truncated || end.kind == LogEnd::Kind::damaged) throw DamageError(end.what);
  fmt::print(out, "end at LSN {}{}{}\n", end.lsn, end.what.empty() ? "" : ": ", end.what);
}

}  // namespace

void log_verify_command(const std::filesystem::path& directory, std::FILE* out) {
  LogReader reader(log_directory(directory));
  std::map<RecordType, std::uint64_t> counts;
  std::uint64_t records = 0;
  while (const auto record = reader.next()) {
    ++records;
    ++counts[record->type];
  }
  fmt::print(out, "{} records from LSN {}, each whole\n", records, reader.begin());
  for (const auto& [type, count] : counts) fmt::print(out, "  {:<14}{}\n", to_string(type), count);
  report_end(reader.end(), out);
}

void log_dump_command(const std::filesystem::path& directory, std::FILE* out) {
  LogReader reader(log_directory(directory));
  while (const auto record = reader.next()) fmt::print(out, "{}\n", to_string(*record));
  report_end(reader.end(), out);
}

}  // namespace muster
