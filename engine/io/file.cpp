#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace muster {
namespace {

[[noreturn]] void fail(std::string_view operation, const std::filesystem::path& path, int error) {
  throw std::system_error(error, std::generic_category(), std::string(operation) + " " + path.string());
}

}  // namespace

File File::open(const std::filesystem::path& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) fail("open", path, errno);
  File file;
  file.fd_ = fd;
  file.path_ = path;
  return file;
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);  // what must last was synced before; a close cannot be retried
}

std::size_t File::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t n = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path_, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void File::write_at(std::uint64_t offset, std::span<const std::byte> from) {
  std::size_t done = 0;
  while (done < from.size()) {
    const ssize_t n =
        ::pwrite(fd_, from.data() + done, from.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path_, errno);
    if (n == 0) fail("write", path_, EIO);
    done += static_cast<std::size_t>(n);
  }
}

std::string File::read_to_end(std::size_t most) const {
  std::string text;
  std::array<char, 4096> some;
  for (;;) {
    const ssize_t n = ::read(fd_, some.data(), some.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path_, errno);
    if (n == 0) return text;
    text.append(some.data(), static_cast<std::size_t>(n));
    if (text.size() > most) fail("read", path_, EFBIG);
  }
}

void File::append(std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t n = ::write(fd_, from.data(), from.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path_, errno);
    from = from.subspan(static_cast<std::size_t>(n));
  }
}

void File::sync_data() {
  if (::fdatasync(fd_) != 0) fail("fdatasync", path_, errno);
}

void File::preallocate(std::uint64_t size) {
  int error;
  do {
    error = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
  } while (error == EINTR);
  if (error != 0) fail("fallocate", path_, error);
}

void File::truncate(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail("truncate", path_, errno);
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail("stat", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

bool File::try_lock() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK) fail("lock", path_, errno);
  return false;
}

void sync_directory(const std::filesystem::path& directory) {
  File handle = File::open(directory.empty() ? "." : directory, O_RDONLY | O_DIRECTORY);
  if (::fsync(handle.descriptor()) != 0) fail("fsync", directory, errno);
}

void replace_file(const std::filesystem::path& path, std::span<const std::byte> content) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  try {
    File file = File::open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    file.write_at(0, content);
    file.sync_data();
    std::filesystem::rename(temporary, path);
  } catch (...) {
    std::error_code ignored;  // the first error is the one to report
    std::filesystem::remove(temporary, ignored);
    throw;
  }
  sync_directory(path.parent_path());
}

}  // namespace muster
