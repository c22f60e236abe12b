#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace muster {

/// An open file. Every call throws std::system_error that names the operation and the path; short reads and
/// writes and EINTR are handled here and nowhere else. Calls on one File from several threads do not
/// interfere. What changes a file system goes through this header, where a test's FileObserver
/// (file_observer.h) sees it; read_to_end and append are for pipes and devices and
/// are not observed, and will_need is advice.
class File {
 public:
  /// `flags` as in open(2); O_CLOEXEC is added. A created file has mode 0644.
  static File open(const std::filesystem::path& path, int flags);

  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  /// Reads until `into` is full or the file ends; returns how many bytes were read.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> into) const;
  void write_at(std::uint64_t offset, std::span<const std::byte> from);
  /// What is left of a file, a pipe or a device. Throws EFBIG where that is more than `most` bytes.
  std::string read_to_end(std::size_t most) const;
  /// Writes to the end, or into a pipe or a device, which has no other place.
  void append(std::span<const std::byte> from);
  /// fdatasync. After an error nothing may be assumed about what is on the disk; the caller must not retry.
  void sync_data();
  /// Allocates [0, size) on the disk and sets the file's size.
  void preallocate(std::uint64_t size);
  void truncate(std::uint64_t size);
  /// Asks the kernel to drop what it caches of the file and does not still have to write, so that the next read is
  /// the disk's. After a failed sync that is not the same: the kernel keeps the pages and calls them written.
  void forget_cached() const;
  /// Asks the kernel to begin to read. Only advice: says nothing of errors, which the read itself meets again.
  void will_need(std::uint64_t offset, std::uint64_t size) const noexcept;
  std::uint64_t size() const;
  /// Takes the advisory lock on the whole file, exclusively; false if another process has it.
  bool try_lock();

  bool is_open() const { return fd_ >= 0; }
  int descriptor() const { return fd_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  int fd_ = -1;
  std::filesystem::path path_;
};

/// Throws std::system_error, which names the operation and the path. `error` is an errno.
[[noreturn]] void throw_file_error(std::string_view operation, const std::filesystem::path& path, int error);
/// No room on the disk, in a quota, or below the limit of a file's size: there may be room later.
bool is_lack_of_room(const std::error_code& code);
/// There is no such file or directory.
bool is_missing(const std::error_code& code);

/// Creates what is missing of `directory` and of those that it lies in. Their names are durable when it returns.
void make_directories(const std::filesystem::path& directory);
/// A file that is not there is removed already.
void remove_file(const std::filesystem::path& path);
/// A file, or a directory with the files in it.
void remove_tree(const std::filesystem::path& path);
/// In an error's path: what is left of a file that was not finished. Says nothing of an error of its own.
void remove_leftover(const std::filesystem::path& path) noexcept;
void rename_file(const std::filesystem::path& from, const std::filesystem::path& to);

/// Makes created, renamed and removed names in `directory` durable.
void sync_directory(const std::filesystem::path& directory);

/// Replaces `path` so that after a crash either the old or the new content is there: temporary, sync, rename.
void replace_file(const std::filesystem::path& path, std::span<const std::byte> content);

}  // namespace muster
