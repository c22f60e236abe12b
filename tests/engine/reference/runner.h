#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/engine/reference/program.h"

namespace muster::reference {

enum class ReferenceKind : std::uint8_t {
  map,      ///< each life of the database is a process, which a kill ends
  rocksdb,  ///< one process; a kill is a copy of both engines' files
};

struct RunOptions {
  std::filesystem::path directory;  ///< for the database; removed before a run and behind one that went well
  ReferenceKind reference = ReferenceKind::map;
  /// A process that does nothing more for so long hangs.
  std::chrono::seconds patience{60};
};

struct Failure {
  std::size_t at = 0;  ///< index of the operation; one behind the last: the end
  std::string what;
};

/// Counts over all lives of a run.
struct RunCounts {
  std::uint64_t kills = 0;
  std::uint64_t commits_lost = 0;  ///< and could be: acknowledged before they were durable, or not at all
};

/// Runs the program on a database and a reference, and compares what each operation comes to, and the whole content behind each
/// opening and at the end. Forks: the calling process has no other threads. Throws std::system_error where it cannot.
std::optional<Failure> run(const Program& program, const RunOptions& options, RunCounts* counts = nullptr);

}  // namespace muster::reference
