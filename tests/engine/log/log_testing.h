#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/registry.h"
#include "engine/io/file.h"
#include "engine/log/log_manager.h"
#include "engine/log/log_reader.h"
#include "tests/temporary_directory.h"

namespace muster {

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Algorithms that an engine may use.
inline std::vector<std::string> safe_algorithms() {
  std::vector<std::string> names;
  for (const AlgorithmInfo& info : algorithms()) {
    if (!info.unsafe && !info.stalls_on_idle) names.emplace_back(info.name);
  }
  return names;
}

inline LogBufferOptions small_ring(std::uint32_t workers = 4) {
  LogBufferOptions options;
  options.capacity = 64 << 10;
  options.max_workers = workers;
  return options;
}

inline LogOptions file_log(const std::filesystem::path& directory, std::uint64_t segment_bytes = 1 << 20) {
  LogOptions options;
  options.directory = directory;
  options.segment_bytes = segment_bytes;
  return options;
}

inline LogOptions memory_log() {
  LogOptions options;
  options.device = "memory";
  return options;
}

inline RecordChange update_of(std::string_view key, std::string_view before, std::string_view after) {
  return {3, 17, ChangeKind::update, as_bytes(key), as_bytes(before), as_bytes(after)};
}

/// What a reader finds: the transactions of the commit records in order, and the log's end.
struct FoundLog {
  std::vector<TransactionId> committed;
  std::size_t records = 0;
  std::vector<Lsn> lsns;
  LogEnd end;
};

inline FoundLog read_log(const std::filesystem::path& directory) {
  FoundLog found;
  LogReader reader(directory);
  while (const auto record = reader.next()) {
    ++found.records;
    found.lsns.push_back(record->lsn);
    if (record->type == RecordType::commit) found.committed.push_back(record->transaction);
  }
  found.end = reader.end();
  return found;
}

/// A transaction of one update; returns the commit record's place.
inline LogPosition append_transaction(LogManager& log, WorkerId worker, TransactionId transaction,
                                      std::string_view value = "value") {
  const LogPosition change =
      log.append_begin_and_change(worker, transaction, update_of("key", "before", value));
  return log.append_mark(worker, transaction, change.begin, RecordType::commit);
}

}  // namespace muster
