#pragma once

#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/database.h"

namespace muster::crash {

/// Small everything: the ring wraps, segments follow each other, and checkpoints come often.
inline DatabaseOptions small_database(const std::filesystem::path& directory, const std::string& algorithm,
                                      std::uint32_t threads, bool early_lock_release) {
  DatabaseOptions options;
  options.directory = directory;
  options.algorithm = algorithm;
  options.log_buffer.capacity = 64 << 10;
  options.log_buffer.max_workers = threads + 1;
  options.log.segment_bytes = 512 << 10;
  options.checkpoint_bytes = options.log.segment_bytes;
  options.frames = 96;  // a fraction of the data: pages with uncommitted changes are written and read back
  options.lsm.memtable_bytes = lsm::LsmOptions::kMemtableBytesMin;
  options.early_lock_release = early_lock_release;
  return options;
}

inline const std::vector<std::string> kTableNames(kTableKinds.begin(), kTableKinds.end());
inline TableKind table_kind(const std::string& name) {
  return static_cast<TableKind>(std::ranges::find(kTableKinds, name) - kTableKinds.begin());
}

/// One write to a pipe. It is never torn, since it has PIPE_BUF bytes at most. When the supervisor is gone, no process reads
/// the pipe, and this one ends.
inline void write_at_once(int descriptor, const void* bytes, std::size_t size) {
  if (size > PIPE_BUF || ::write(descriptor, bytes, size) != static_cast<ssize_t>(size)) std::_Exit(3);
}

/// What a command's `run` returns; or, after a line on stderr, 2 for a mistake of the request and 3 for one of the machine.
template <class Run>
int exit_code_of(const char* command, Run run) {
  try {
    return run();
  } catch (const std::invalid_argument& error) {  // ConfigError among them
    fmt::print(stderr, "{}: {}\n", command, error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", command, error.what());
    return 3;
  }
}

}  // namespace muster::crash
