#include "harness/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>
#include <thread>

#include "engine/error.h"
#include "harness/interrupt.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{3};  // with a run that is about to end

fs::path make_temporary() {
  std::string name = fs::temp_directory_path() / "muster-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr)
    throw std::system_error(errno, std::generic_category(), "mkdtemp " + name);
  return name;
}

std::system_error unwritable(const fs::path& directory, std::error_code error) {
  return {error, "engine.directory = " + directory.string() + ": want a directory that can be written"};
}

void refuse_kept(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory / "muster.db", error) || fs::exists(directory / "muster.run", error)) return;
  throw ConfigError("engine.directory", directory.string(),
                    "want one without a muster.db that was kept, or that no run has made");
}

/// The lock of the directory, which is created if need be.
File lock_directory(const fs::path& directory) {
  try {
    fs::create_directories(directory);
    File lock = File::open(directory / "muster.lock", O_RDWR | O_CREAT);
    const auto enough = std::chrono::steady_clock::now() + kPatience;
    while (!lock.try_lock()) {
      if (interrupted() || std::chrono::steady_clock::now() > enough) {
        throw TemporaryError(fmt::format(
            "engine.directory = {}: another run is using it; want one of its own, or try again later",
            directory.string()));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return lock;
  } catch (const std::system_error& error) {
    throw unwritable(directory, error.code());
  }
}

}  // namespace

void RunDirectory::check(const fs::path& directory) {
  if (directory.empty()) return;
  refuse_kept(directory);
  fs::path existing = fs::absolute(directory);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  const int refused = !fs::is_directory(existing, error)             ? ENOTDIR
                      : ::access(existing.c_str(), W_OK | X_OK) != 0 ? errno
                                                                     : 0;
  if (refused != 0) throw unwritable(directory, std::error_code(refused, std::generic_category()));
}

RunDirectory::RunDirectory(const fs::path& directory, bool keep)
    : temporary_(directory.empty()),
      keep_(keep),
      directory_(temporary_ ? make_temporary() : directory),
      database_(directory_ / "muster.db"),
      mark_(directory_ / "muster.run"),
      lock_(lock_directory(directory_)) {
  refuse_kept(directory_);
  fs::remove_all(database_);
  static_cast<void>(File::open(mark_, O_WRONLY | O_CREAT));
}

RunDirectory::~RunDirectory() {
  std::error_code error;
  if (!keep_) fs::remove_all(database_, error);
  if (error) {  // the mark stays, so that the next run may remove it
    fmt::print(stderr, "muster: engine.directory = {}: the next run has to remove what is left there: {}\n",
               directory_.string(), error.message());
    return;
  }
  std::error_code ignored;
  fs::remove(mark_, ignored);
  if (temporary_ && !keep_) fs::remove_all(directory_, ignored);
}

}  // namespace muster
