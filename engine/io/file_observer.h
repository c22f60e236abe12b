#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>

namespace muster {

/// One call of the engine to the file system: the ones that change what a crash may leave, and reads, which may
/// fail as well.
struct FileOperation {
  enum class Kind : std::uint8_t {
    open,
    read,
    write,
    truncate,
    allocate,  ///< [0, size) gets its place on the disk, and the file at least this size
    sync,
    rename,
    remove,
    make_directory,
    sync_directory,
    forget_cached,  ///< what the kernel caches and holds for written is to be read from the disk again
  };
  Kind kind = Kind::open;
  const std::filesystem::path& path;              ///< an open file's: the one it was opened under
  int descriptor = -1;                            ///< of what is done to an open file
  int flags = 0;                                  ///< open: as in open(2)
  std::uint64_t offset = 0;                       ///< read, write
  std::uint64_t size = 0;                         ///< read, write: bytes; truncate, allocate: the file's
  const std::byte* bytes = nullptr;               ///< write
  const std::filesystem::path* target = nullptr;  ///< rename
};

/// What becomes of an operation.
struct FileVerdict {
  int error = 0;      ///< not 0: it is not done and fails with this errno
  bool skip = false;  ///< it is not done and succeeds; not for open and read
  std::size_t bytes_max = std::numeric_limits<std::size_t>::max();  ///< a transfer ends here, successfully
};

/// Sees every file operation of the engine and may stand in its way. For tests: records what a run does to its
/// files, drops a sync, lets the n-th write fail. Called by all threads at once.
class FileObserver {
 public:
  virtual ~FileObserver() = default;
  virtual FileVerdict before(const FileOperation& operation) = 0;
  /// `result`: of open, the descriptor; of a transfer, its bytes; of the others, 0; on failure, -errno.
  virtual void after(const FileOperation& operation, std::int64_t result) = 0;
};

namespace detail {
inline std::atomic<FileObserver*> file_observer{nullptr};
}

/// One observer a process, nullptr for none. While no other thread is at work on files.
inline void observe_files(FileObserver* observer) {
  detail::file_observer.store(observer, std::memory_order_release);  // pairs with ObservedOperation
}

/// One operation under the observer's eyes, where there is one. Without, this is one load.
class ObservedOperation {
 public:
  // acquire: the observer's own state, as observe_files() found it
  explicit ObservedOperation(const FileOperation& operation)
      : observer_(detail::file_observer.load(std::memory_order_acquire)), operation_(operation) {
    if (observer_ != nullptr) [[unlikely]]
      verdict_ = observer_->before(operation_);
  }

  bool is_wanted() const { return verdict_.error == 0 && !verdict_.skip; }
  /// Of a transfer that is wanted.
  std::size_t bytes() const { return std::min<std::size_t>(operation_.size, verdict_.bytes_max); }
  /// What the caller is told, `result` being what the system said if it was asked; 0 or more, or -errno.
  std::int64_t conclude(std::int64_t result) {
    if (observer_ == nullptr) [[likely]]
      return result;
    const bool transfer = operation_.kind == FileOperation::Kind::write;
    if (verdict_.error != 0) result = -verdict_.error;
    if (verdict_.error == 0 && verdict_.skip)
      result = transfer ? static_cast<std::int64_t>(operation_.size) : 0;
    observer_->after(operation_, result);
    return result;
  }

 private:
  FileObserver* const observer_;
  const FileOperation operation_;
  FileVerdict verdict_;
};

/// `call(bytes)` makes the system call, which returns -1 and sets errno when it fails.
template <class Call>
std::int64_t observed(const FileOperation& operation, Call call) {
  ObservedOperation watched(operation);
  std::int64_t result = 0;
  if (watched.is_wanted()) {
    result = call(watched.bytes());
    if (result < 0) result = -errno;
  }
  return watched.conclude(result);
}

}  // namespace muster
