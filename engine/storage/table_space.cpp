#include "engine/storage/table_space.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "engine/storage/page_checksum.h"
#include "engine/storage/slotted_page.h"

namespace muster {

ReservedAddresses::ReservedAddresses(std::size_t bytes, const MemoryPlacement* placement)
    : bytes_(bytes), placement_(placement) {
  void* const at =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("reserve {} bytes of addresses", bytes));
  }
  data_ = static_cast<std::byte*>(at);
  try {
    if (placement_ != nullptr && placement_->reserved)
      placement_->reserved(MemoryRegion::buffers, {data_, bytes_});
  } catch (...) {
    ::munmap(data_, bytes_);
    throw;
  }
}

ReservedAddresses::~ReservedAddresses() {
  if (placement_ != nullptr && placement_->released) placement_->released({data_, bytes_});
  ::munmap(data_, bytes_);
}

namespace {

constexpr int kThisProcess = -10000;  // PIDFD_SELF
constexpr std::size_t kTogetherMax = 256;

/// How many pages, from the first on.
std::size_t release_together(std::span<std::byte* const> pages) {
  std::array<::iovec, kTogetherMax> ranges;
  std::size_t done = 0;
  while (done < pages.size()) {
    const std::size_t some = std::min(kTogetherMax, pages.size() - done);
    for (std::size_t i = 0; i < some; ++i) ranges[i] = {pages[done + i], kPageBytes};
    const long bytes = ::syscall(SYS_process_madvise, kThisProcess, ranges.data(), some, MADV_DONTNEED, 0);
    if (bytes > 0) done += static_cast<std::size_t>(bytes) / kPageBytes;
    if (bytes != static_cast<long>(some * kPageBytes)) break;
  }
  return done;
}

}  // namespace

void check_table_file(const File& file, TableId id, Lsn log_begin, bool clean) {
  const auto wrong = [&](const std::string& what) {
    return DamageError(fmt::format("{}: {}", file.path().string(), what));
  };
  const std::uint64_t bytes = file.size();
  if (bytes < kPageBytes && clean) {
    throw wrong(fmt::format("{} bytes, fewer than a table's header has: cut, or no table's file", bytes));
  }
  alignas(kWordBytes) std::array<std::byte, kPageBytes> content{};
  file.read_at(0, content);
  const bool sound = unseal_page(content, id, 0);
  const PageView header(content.data());
  const PageKind kind = header.shape().kind;
  if (!sound || (kind != PageKind::header && (clean || kind != PageKind::unused))) {
    throw wrong(fmt::format("its first page is not the header of table {}: damaged, or no table's file", id));
  }
  const PageNumber pages = header.link();
  if (header.lsn() <= log_begin && bytes / kPageBytes < pages) {
    throw wrong(fmt::format("cut: {} bytes, but its header counts {} pages of {}", bytes, pages, kPageBytes));
  }
}

TableSpace::TableSpace(TableId id, File file, std::uint64_t bytes_max, std::string name,
                       const MemoryPlacement* placement)
    : id_(id),
      name_(name.empty() ? std::to_string(id) : std::move(name)),
      file_(std::move(file)),
      pages_max_(bytes_max / kPageBytes),
      pages_(pages_max_ * kPageBytes, placement),
      states_(pages_max_ * sizeof(PageState), placement) {
  // A huge page would make one touched page resident with 511 neighbours. A kernel without them refuses:
  // fine.
  ::madvise(pages_.data(), pages_max_ * kPageBytes, MADV_NOHUGEPAGE);
}

void TableSpace::read(PageNumber number, std::span<std::byte, kPageBytes> into) const {
  const std::size_t read = file_.read_at(number * kPageBytes, into);
  std::fill(into.begin() + static_cast<std::ptrdiff_t>(read), into.end(), std::byte{0});
  if (unseal_page(into, id_, number)) return;
  throw damage(number, PageView(into.data()).lsn(), "is torn or damaged: its checksum does not fit");
}

DamageError TableSpace::damage(PageNumber number, Lsn lsn, std::string_view what) const {
  return DamageError(
      fmt::format("page {} of table {} ({}), LSN {}, {}", number, name_, file_.path().string(), lsn, what));
}

void release_memory(std::span<std::byte* const> pages) {
  static std::atomic<bool> together{true};  // relaxed: until the kernel refuses once
  if (together.load(std::memory_order_relaxed)) {
    const std::size_t done = release_together(pages);
    pages = pages.subspan(done);
    if (!pages.empty()) together.store(false, std::memory_order_relaxed);
  }
  for (std::byte* page : pages) {
    if (::madvise(page, kPageBytes, MADV_DONTNEED) != 0) {
      throw std::system_error(errno, std::generic_category(), "give a page's memory back");
    }
  }
}

}  // namespace muster
