#include "algorithms/mirrored_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace muster {
namespace {

[[noreturn]] void fail(const char* operation, std::size_t capacity, int error) {
  throw std::system_error(error, std::generic_category(),
                          std::string(operation) + " for a ring of " + std::to_string(capacity) + " bytes");
}

/// The file that both mappings show. Memory of its own, no name in any file system.
class RingFile {
 public:
  explicit RingFile(std::size_t capacity) : descriptor_(::memfd_create("muster-ring", MFD_CLOEXEC)) {
    if (descriptor_ < 0) fail("memfd_create", capacity, errno);
    if (::ftruncate(descriptor_, static_cast<off_t>(capacity)) != 0) {
      const int error = errno;
      ::close(descriptor_);
      fail("ftruncate", capacity, error);
    }
  }
  RingFile(const RingFile&) = delete;
  RingFile& operator=(const RingFile&) = delete;
  ~RingFile() { ::close(descriptor_); }  // the mappings keep the memory

  bool map_at(std::byte* address, std::size_t capacity) const {
    return ::mmap(address, capacity, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor_, 0) !=
           MAP_FAILED;
  }

 private:
  int descriptor_;
};

}  // namespace

MirroredMemory::MirroredMemory(std::size_t capacity) : mask_(capacity - 1) {
  if (const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); capacity < page) {
    throw std::invalid_argument("capacity = " + std::to_string(capacity) + ": want " + std::to_string(page) +
                                " at least, this machine's page");
  }
  const RingFile file(capacity);
  void* const range =
      ::mmap(nullptr, 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) fail("mmap", capacity, errno);
  base_ = static_cast<std::byte*>(range);
  if (!file.map_at(base_, capacity) || !file.map_at(base_ + capacity, capacity)) {
    const int error = errno;
    ::munmap(base_, 2 * capacity);
    fail("mmap", capacity, error);
  }
}

MirroredMemory::~MirroredMemory() {
  ::munmap(base_, 2 * capacity());
}

}  // namespace muster
