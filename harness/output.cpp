#include "harness/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <system_error>

#include "engine/error.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

bool is_the_same(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/// Throws now what replace_file() would throw after the run. The probe's name is new, so that no file of the
/// user's goes with it.
void check_replaceable(const fs::path& path) {
  constexpr std::size_t kMoreThanMostResults = 64 << 10;
  static constexpr std::array<std::byte, kMoreThanMostResults> kProbe{};
  std::string name = path.string() + ".XXXXXX";
  try {
    const int probe = ::mkstemp(name.data());
    if (probe < 0) throw std::system_error(errno, std::generic_category());
    ::close(probe);
    replace_file(name, kProbe);
  } catch (const std::system_error& error) {
    std::error_code ignored;
    fs::remove(name, ignored);
    throw std::system_error(error.code(),
                            fmt::format("--out = {}: want a file that can be written", path.string()));
  }
  fs::remove(name);
}

}  // namespace

Output::Output(const fs::path& path, std::FILE* standard) {
  struct stat there {};
  struct stat out {};
  if (path.empty()) {
    stream_ = standard;
  } else if (::stat(path.c_str(), &there) != 0) {
    file_ = path;
  } else if (::fstat(STDOUT_FILENO, &out) == 0 && is_the_same(there, out)) {
    stream_ = standard;  // /dev/stdout, by whichever name and wherever it leads
  } else if (S_ISDIR(there.st_mode) || S_ISBLK(there.st_mode)) {
    throw ConfigError("--out", path.string(), "want a file, not a folder or a disk");
  } else if (S_ISREG(there.st_mode)) {
    file_ = fs::canonical(path);  // what a link names is replaced, not the link
  } else {
    device_ = File::open(path, O_WRONLY);
  }
  if (!file_.empty()) check_replaceable(file_);
}

void Output::write(std::string_view text) {
  if (stream_ != nullptr) {
    fmt::print(stream_, "{}", text);
  } else if (device_) {
    device_->append(std::as_bytes(std::span(text)));
  } else {
    replace_file(file_, std::as_bytes(std::span(text)));
  }
}

void hold_standard_descriptors() {
  int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  while (descriptor >= 0 && descriptor <= STDERR_FILENO)
    descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (descriptor >= 0) ::close(descriptor);
}

void flush_standard_output() {
  errno = EIO;  // where an earlier write failed nobody remembers why
  std::cout.flush();
  const bool had_failed = std::ferror(stdout) != 0 || !std::cout;
  if (std::fflush(stdout) == 0 && !had_failed) return;
  throw std::system_error(errno, std::generic_category(), "write to the standard output");
}

}  // namespace muster
