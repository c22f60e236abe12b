#pragma once

#include <filesystem>

#include "engine/io/file.h"

namespace muster {

/// The place of a run's database: a folder `muster.db` in a directory that the user names and that may hold
/// other things. One process at a time. What a run that was killed has left there is removed, and at the end
/// this run's, unless kept; what was kept, or no run has made, is nobody's to remove: a mark beside it tells.
class RunDirectory {
 public:
  /// Creates the directory if need be; an empty name stands for a new temporary one, which goes with the run.
  /// Throws TemporaryError where another process has it for longer than a moment, ConfigError where its muster.db
  /// is not to be removed, std::system_error.
  RunDirectory(const std::filesystem::path& directory, bool keep);
  ~RunDirectory();
  /// Throws what the constructor would throw, as far as that shows without changing anything.
  static void check(const std::filesystem::path& directory);
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& database() const { return database_; }

 private:
  const bool temporary_;
  const bool keep_;
  const std::filesystem::path directory_;
  const std::filesystem::path database_;
  const std::filesystem::path mark_;  // there while muster.db may be removed
  File lock_;
};

}  // namespace muster
