#include "engine/storage/table_space.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace muster {
namespace {

void* reserve_addresses(std::size_t bytes) {
  void* at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("reserve {} bytes of addresses", bytes));
  }
  return at;
}

}  // namespace

TableSpace::TableSpace(TableId id, File file, std::uint64_t bytes_max)
    : id_(id), file_(std::move(file)), pages_max_(bytes_max / kPageBytes) {
  pages_ = static_cast<std::byte*>(reserve_addresses(pages_max_ * kPageBytes));
  try {
    states_ = static_cast<PageState*>(reserve_addresses(pages_max_ * sizeof(PageState)));
  } catch (...) {
    ::munmap(pages_, pages_max_ * kPageBytes);
    throw;
  }
  // A huge page would make one touched page resident with 511 neighbours. A kernel without them refuses:
  // fine.
  ::madvise(pages_, pages_max_ * kPageBytes, MADV_NOHUGEPAGE);
}

TableSpace::~TableSpace() {
  ::munmap(states_, pages_max_ * sizeof(PageState));
  ::munmap(pages_, pages_max_ * kPageBytes);
}

void TableSpace::read(PageNumber number, std::span<std::byte, kPageBytes> into) const {
  const std::size_t read = file_.read_at(number * kPageBytes, into);
  std::fill(into.begin() + static_cast<std::ptrdiff_t>(read), into.end(), std::byte{0});
}

void TableSpace::write(PageNumber number) {
  file_.write_at(number * kPageBytes, {page(number), kPageBytes});
}

void TableSpace::release_memory(PageNumber number) {
  if (::madvise(page(number), kPageBytes, MADV_DONTNEED) != 0) {
    throw std::system_error(errno, std::generic_category(), "give a page's memory back");
  }
}

}  // namespace muster
