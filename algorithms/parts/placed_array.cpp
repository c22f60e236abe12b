#include "algorithms/parts/placed_array.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace muster {
namespace {

constexpr std::align_val_t kAlignment{kCacheLine};

std::byte* map(std::size_t bytes) {
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return static_cast<std::byte*>(at);
}

std::size_t whole_pages(std::size_t bytes) {
  const std::size_t page = RegionMemory::page_bytes();
  return (bytes + page - 1) / page * page;
}

}  // namespace

RegionMemory::RegionMemory(const MemoryPlacement* placement, MemoryRegion region, std::size_t bytes)
    : placement_(placement), bytes_(placement == nullptr ? bytes : whole_pages(bytes)) {
  if (placement_ == nullptr) {
    data_ = static_cast<std::byte*>(::operator new(bytes_, kAlignment));
    return;
  }
  data_ = map(bytes_);
  try {
    if (placement_->reserved) placement_->reserved(region, {data_, bytes_});
  } catch (...) {
    ::munmap(data_, bytes_);
    throw;
  }
}

RegionMemory::~RegionMemory() {
  if (placement_ == nullptr) {
    ::operator delete(data_, kAlignment);
    return;
  }
  if (placement_->released) placement_->released({data_, bytes_});
  ::munmap(data_, bytes_);
}

std::size_t RegionMemory::page_bytes() {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return page;
}

}  // namespace muster
