#include "harness/run_directory.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "engine/error.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

fs::path make_temporary() {
  std::string name = fs::temp_directory_path() / "muster-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  return name;
}

/// The lock of the directory, which is created if need be.
File lock_directory(const fs::path& directory) {
  try {
    fs::create_directories(directory);
    File lock = File::open(directory / "muster.lock", O_RDWR | O_CREAT);
    if (lock.try_lock()) return lock;
  } catch (const std::system_error& error) {
    throw std::system_error(
        error.code(), "engine.directory = " + directory.string() + ": want a directory that can be written");
  }
  throw ConfigError("engine.directory", directory.string(), "want a directory that no other run is using");
}

}  // namespace

RunDirectory::RunDirectory(const fs::path& directory, bool keep)
    : temporary_(directory.empty()),
      keep_(keep),
      directory_(temporary_ ? make_temporary() : directory),
      database_(directory_ / "muster.db"),
      mark_(directory_ / "muster.run"),
      lock_(lock_directory(directory_)) {
  if (fs::exists(database_) && !fs::exists(mark_)) {
    throw ConfigError("engine.directory", directory_.string(),
                      "want one without a muster.db that was kept, or that no run has made");
  }
  fs::remove_all(database_);
  static_cast<void>(File::open(mark_, O_WRONLY | O_CREAT));
}

RunDirectory::~RunDirectory() {
  std::error_code ignored;  // the next run tries again
  if (!keep_) fs::remove_all(database_, ignored);
  fs::remove(mark_, ignored);
  if (temporary_ && !keep_) fs::remove_all(directory_, ignored);
}

}  // namespace muster
