#pragma once

#include <filesystem>
#include <map>

#include "engine/catalogue.h"
#include "engine/io/file.h"
#include "engine/types.h"

namespace muster {

/// The files that hold the pages of a database's B+ trees: in its directory, or each at a path of its own. The latter are
/// locked (flock) as long as they are open, since the lock on the directory says nothing of them.
class TableFiles {
 public:
  /// The database's directory and its log's.
  TableFiles(std::filesystem::path directory, std::filesystem::path log_directory)
      : directory_(std::move(directory)), log_directory_(std::move(log_directory)) {}

  std::filesystem::path path_of(const Catalogue::Table& table) const;
  /// Throws DamageError where one is missing, ConfigError where another database has it open.
  std::map<TableId, File> open_all(const Catalogue& catalogue) const;

  /// An empty file in the directory, whatever was there.
  File create(TableId id) const;
  /// One that has no name, for as long as it is open.
  File create_unnamed(TableId id) const;
  /// An empty file at an absolute path; its name is durable when this returns. Throws ConfigError where something is
  /// there already, or where the database would take it for a file of its own; std::system_error.
  File create_at(const std::filesystem::path& path) const;

  /// Removes the files of tables whose creation was cut off. One at a path of its own is left alone if something else
  /// is there by now.
  void remove_leftovers(const Catalogue& catalogue) const;

  /// Whether an opening would take a file at this path for one of the database's own, or make one of that name.
  bool is_own_name(const std::filesystem::path& path) const;

 private:
  const std::filesystem::path directory_;
  const std::filesystem::path log_directory_;
};

}  // namespace muster
