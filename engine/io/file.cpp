#include "engine/io/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>
#include <vector>

#include "engine/io/file_observer.h"

namespace muster {
namespace {

using Kind = FileOperation::Kind;

}  // namespace

void throw_file_error(std::string_view operation, const std::filesystem::path& path, int error) {
  throw std::system_error(error, std::generic_category(), std::string(operation) + " " + path.string());
}

File File::open(const std::filesystem::path& path, int flags) {
  const FileOperation operation{.kind = Kind::open, .path = path, .flags = flags};
  std::int64_t result;
  do {
    result = observed(operation, [&](std::size_t) { return ::open(path.c_str(), flags | O_CLOEXEC, 0644); });
  } while (result == -EINTR);
  if (result < 0) throw_file_error("open", path, static_cast<int>(-result));
  File file;
  file.fd_ = static_cast<int>(result);
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
    const FileOperation operation{.kind = Kind::read,
                                  .path = path_,
                                  .descriptor = fd_,
                                  .offset = offset + done,
                                  .size = into.size() - done};
    const std::int64_t n = observed(operation, [&](std::size_t bytes) {
      return ::pread(fd_, into.data() + done, bytes, static_cast<off_t>(offset + done));
    });
    if (n == -EINTR) continue;
    if (n < 0) throw_file_error("read", path_, static_cast<int>(-n));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void File::write_at(std::uint64_t offset, std::span<const std::byte> from) {
  std::size_t done = 0;
  while (done < from.size()) {
    const FileOperation operation{.kind = Kind::write,
                                  .path = path_,
                                  .descriptor = fd_,
                                  .offset = offset + done,
                                  .size = from.size() - done,
                                  .bytes = from.data() + done};
    const std::int64_t n = observed(operation, [&](std::size_t bytes) {
      return ::pwrite(fd_, from.data() + done, bytes, static_cast<off_t>(offset + done));
    });
    if (n == -EINTR) continue;
    if (n < 0) throw_file_error("write", path_, static_cast<int>(-n));
    if (n == 0) throw_file_error("write", path_, EIO);
    done += static_cast<std::size_t>(n);
  }
}

std::string File::read_to_end(std::size_t most) const {
  std::string text;
  std::array<char, 4096> some;
  for (;;) {
    const ssize_t n = ::read(fd_, some.data(), some.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_file_error("read", path_, errno);
    if (n == 0) return text;
    text.append(some.data(), static_cast<std::size_t>(n));
    if (text.size() > most) throw_file_error("read", path_, EFBIG);
  }
}

void File::append(std::span<const std::byte> from) {
  while (!from.empty()) {
    const ssize_t n = ::write(fd_, from.data(), from.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_file_error("write", path_, errno);
    from = from.subspan(static_cast<std::size_t>(n));
  }
}

void File::sync_data() {
  const FileOperation operation{.kind = Kind::sync, .path = path_, .descriptor = fd_};
  const std::int64_t result = observed(operation, [&](std::size_t) { return ::fdatasync(fd_); });
  if (result < 0) throw_file_error("fdatasync", path_, static_cast<int>(-result));
}

void File::preallocate(std::uint64_t size) {
  const FileOperation operation{.kind = Kind::allocate, .path = path_, .descriptor = fd_, .size = size};
  std::int64_t result;
  do {
    result = observed(operation, [&](std::size_t) {
      errno = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
      return errno == 0 ? 0 : -1;
    });
  } while (result == -EINTR);
  if (result < 0) throw_file_error("fallocate", path_, static_cast<int>(-result));
}

void File::truncate(std::uint64_t size) {
  const FileOperation operation{.kind = Kind::truncate, .path = path_, .descriptor = fd_, .size = size};
  const std::int64_t result =
      observed(operation, [&](std::size_t) { return ::ftruncate(fd_, static_cast<off_t>(size)); });
  if (result < 0) throw_file_error("truncate", path_, static_cast<int>(-result));
}

void File::forget_cached() const {
  const FileOperation operation{.kind = Kind::forget_cached, .path = path_, .descriptor = fd_};
  const std::int64_t result = observed(operation, [&](std::size_t) {
    errno = ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
    return errno == 0 ? 0 : -1;
  });
  if (result < 0) throw_file_error("fadvise", path_, static_cast<int>(-result));
}

void File::will_need(std::uint64_t offset, std::uint64_t size) const noexcept {
  static_cast<void>(
      ::posix_fadvise(fd_, static_cast<off_t>(offset), static_cast<off_t>(size), POSIX_FADV_WILLNEED));
}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) throw_file_error("stat", path_, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

bool File::try_lock() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK) throw_file_error("lock", path_, errno);
  return false;
}

void make_directories(const std::filesystem::path& directory) {
  if (directory.empty() || std::filesystem::is_directory(directory)) return;
  make_directories(directory.parent_path());
  const FileOperation operation{.kind = Kind::make_directory, .path = directory};
  const std::int64_t result =
      observed(operation, [&](std::size_t) { return ::mkdir(directory.c_str(), 0777); });
  if (result < 0 && !(result == -EEXIST && std::filesystem::is_directory(directory))) {  // another was faster
    throw_file_error("create the directory", directory, static_cast<int>(-result));
  }
  sync_directory(directory.parent_path());
}

void remove_file(const std::filesystem::path& path) {
  const FileOperation operation{.kind = Kind::remove, .path = path};
  const std::int64_t result = observed(operation, [&](std::size_t) { return ::unlink(path.c_str()); });
  if (result < 0 && result != -ENOENT) throw_file_error("remove", path, static_cast<int>(-result));
}

void remove_tree(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return remove_file(path);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path)) files.push_back(entry.path());
  for (const std::filesystem::path& file : files) remove_file(file);
  std::filesystem::remove(path);
}

void rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  const FileOperation operation{.kind = Kind::rename, .path = from, .target = &to};
  const std::int64_t result =
      observed(operation, [&](std::size_t) { return std::rename(from.c_str(), to.c_str()); });
  if (result < 0) throw_file_error("rename", from, static_cast<int>(-result));
}

bool is_lack_of_room(const std::error_code& code) {
  return code.value() == ENOSPC || code.value() == EDQUOT || code.value() == EFBIG;
}

bool is_missing(const std::error_code& code) {
  return code == std::errc::no_such_file_or_directory;
}

void sync_directory(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory.empty() ? "." : directory;
  const File handle = File::open(path, O_RDONLY | O_DIRECTORY);
  const FileOperation operation{
      .kind = Kind::sync_directory, .path = path, .descriptor = handle.descriptor()};
  const std::int64_t result = observed(operation, [&](std::size_t) { return ::fsync(handle.descriptor()); });
  if (result < 0) throw_file_error("fsync", directory, static_cast<int>(-result));
}

void remove_leftover(const std::filesystem::path& path) noexcept {
  try {
    remove_file(path);
  } catch (const std::exception&) {  // the error that made it one is what matters
  }
}

void replace_file(const std::filesystem::path& path, std::span<const std::byte> content) {
  std::filesystem::path temporary = path;
  temporary += ".new";
  try {
    File file = File::open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
    file.write_at(0, content);
    file.sync_data();
    rename_file(temporary, path);
  } catch (...) {
    remove_leftover(temporary);
    throw;
  }
  sync_directory(path.parent_path());
}

}  // namespace muster
