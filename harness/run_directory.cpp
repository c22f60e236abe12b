#include "harness/run_directory.h"

#include <fcntl.h>

#include <system_error>

#include "engine/error.h"

namespace muster {

RunDirectory::RunDirectory(const std::filesystem::path& directory, bool keep)
    : database_(directory / "muster.db"), keep_(keep) {
  std::filesystem::create_directories(directory);
  lock_ = File::open(directory / "muster.lock", O_RDWR | O_CREAT);
  if (!lock_.try_lock()) {
    throw ConfigError("engine.directory", directory.string(), "want a directory that no other run is using");
  }
  std::filesystem::remove_all(database_);
}

RunDirectory::~RunDirectory() {
  std::error_code ignored;  // the next run tries again
  if (!keep_) std::filesystem::remove_all(database_, ignored);
}

}  // namespace muster
