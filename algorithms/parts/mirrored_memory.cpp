#include "algorithms/parts/mirrored_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

namespace muster {
namespace {

[[noreturn]] void fail(const char* operation, std::size_t capacity, int error) {
  throw std::system_error(error, std::generic_category(),
                          std::string(operation) + " for a ring of " + std::to_string(capacity) + " bytes");
}

/// Of the size that memfd_create() and transparent huge pages have on this machine; 0: it has none.
std::size_t huge_page_bytes(RingPages pages) {
  std::size_t bytes = 0;
  if (pages == RingPages::transparent) {
    std::ifstream("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") >> bytes;
    return bytes;
  }
  constexpr std::size_t kKibibyte = 1024;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string word; meminfo >> word;) {
    if (word == "Hugepagesize:" && meminfo >> bytes) return bytes * kKibibyte;
  }
  return 0;
}

/// What the ring has to be a multiple of.
std::size_t page_bytes(RingPages pages) {
  if (pages == RingPages::small) return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t bytes = huge_page_bytes(pages);
  if (bytes == 0)
    throw std::system_error(ENOTSUP, std::generic_category(), "huge pages, which this machine lacks");
  return bytes;
}

void check_capacity(std::size_t capacity, std::size_t page, RingPages pages) {
  if (capacity >= page) return;  // both are powers of two
  throw std::invalid_argument("capacity = " + std::to_string(capacity) + ": want " + std::to_string(page) +
                              " at least, this machine's " +
                              (pages == RingPages::small ? "page" : "huge page"));
}

/// The file that both mappings show. Memory of its own, no name in any file system.
class RingFile {
 public:
  RingFile(std::size_t capacity, RingPages pages)
      : descriptor_(
            ::memfd_create("muster-ring", MFD_CLOEXEC | (pages == RingPages::huge ? MFD_HUGETLB : 0u))) {
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

/// Addresses for both mappings that begin at a multiple of `page`; what lies around them is given back.
std::byte* reserve_addresses(std::size_t capacity, std::size_t page) {
  const std::size_t bytes = 2 * capacity + page;
  void* const range = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) fail("mmap", capacity, errno);
  auto* const begin = static_cast<std::byte*>(range);
  const std::size_t before = (page - reinterpret_cast<std::uintptr_t>(begin) % page) % page;
  if (before != 0) ::munmap(begin, before);
  ::munmap(begin + before + 2 * capacity, page - before);
  return begin + before;
}

}  // namespace

MirroredMemory::MirroredMemory(std::size_t capacity, RingPages pages, const MemoryPlacement* placement)
    : mask_(capacity - 1), placement_(placement) {
  const std::size_t page = page_bytes(pages);
  check_capacity(capacity, page, pages);
  const RingFile file(capacity, pages);
  base_ = reserve_addresses(capacity, page);
  try {
    if (!file.map_at(base_, capacity) || !file.map_at(base_ + capacity, capacity))
      fail("mmap", capacity, errno);
    // Small ones also where every process gets huge ones. A kernel that has none refuses: fine.
    const int advice = pages == RingPages::transparent ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
    if (pages != RingPages::huge) ::madvise(base_, 2 * capacity, advice);
    if (placement_ != nullptr && placement_->reserved)
      placement_->reserved(MemoryRegion::ring, {base_, capacity});
  } catch (...) {
    ::munmap(base_, 2 * capacity);
    throw;
  }
}

MirroredMemory::~MirroredMemory() {
  if (placement_ != nullptr && placement_->released) placement_->released({base_, capacity()});
  ::munmap(base_, 2 * capacity());
}

}  // namespace muster
