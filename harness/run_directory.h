#pragma once

#include <filesystem>

#include "engine/io/file.h"

namespace muster {

/// The place of a run's database: a folder `muster.db` in a directory that the user names and that may hold
/// other things. One process at a time; what an earlier run left is removed, and at the end this run's,
/// unless kept.
class RunDirectory {
 public:
  /// Creates the directory if need be. Throws ConfigError where another process has it, std::system_error.
  RunDirectory(const std::filesystem::path& directory, bool keep);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  const std::filesystem::path& database() const { return database_; }

 private:
  std::filesystem::path database_;
  bool keep_;
  File lock_;
};

}  // namespace muster
