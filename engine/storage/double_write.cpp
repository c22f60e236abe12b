#include "engine/storage/double_write.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "engine/io/crc32c.h"
#include "engine/storage/page_checksum.h"
#include "engine/storage/page_words.h"

namespace muster {
namespace {

/// The block before the copies, in words: magic, pages, their places, checksum of the words before, zeros. No
/// page begins with the magic: it would be its LSN.
constexpr std::uint64_t kMagic = 0x4254454c42554f44;  // DOUBLETB
constexpr std::size_t kPlaces = 2;                    // the word where they begin
constexpr std::size_t kBlockWords = kPageBytes / kWordBytes;
static_assert(kPlaces + WriteBatch::kPagesMax < kBlockWords);

using Block = std::array<std::uint64_t, kBlockWords>;

constexpr unsigned kPlacePageBits = 40;  // of a place; the table's id above

std::uint32_t checksum(const std::uint64_t* words, std::size_t pages) {
  return crc32c(std::as_bytes(std::span(words, kPlaces + pages)));
}

bool is_batch(const Block& block) {
  return block[0] == kMagic && block[1] <= WriteBatch::kPagesMax &&
         block[kPlaces + block[1]] == checksum(block.data(), block[1]);
}

struct Copy {
  Lsn lsn = 0;
  std::uint64_t offset = 0;
};

/// Where the newest whole copy of each page lies. Copies of an older batch may have been overwritten in part
/// by a newer one: a copy's checksum covers its place.
std::map<std::uint64_t, Copy> newest_copies(const File& area) {
  std::map<std::uint64_t, Copy> newest;
  Block block;
  alignas(kWordBytes) std::array<std::byte, kPageBytes> page;
  const auto read = [&](std::uint64_t offset, std::span<std::byte, kPageBytes> into) {
    return area.read_at(offset, into) == kPageBytes;
  };
  for (std::uint64_t at = 0; read(at, std::as_writable_bytes(std::span(block))); at += kPageBytes) {
    if (!is_batch(block)) continue;
    for (std::uint64_t n = 0; n < block[1]; ++n) {
      const std::uint64_t place = block[kPlaces + n];
      const std::uint64_t offset = at + (n + 1) * kPageBytes;
      const PageNumber number = place & ((PageNumber{1} << kPlacePageBits) - 1);
      if (!read(offset, page)) break;
      if (!unseal_page(page, static_cast<TableId>(place >> kPlacePageBits), number)) continue;
      Copy& copy = newest[place];
      const Lsn lsn = load_word(page.data());
      if (lsn >= copy.lsn) copy = {lsn, offset};
    }
  }
  return newest;
}

}  // namespace

WriteBatch::WriteBatch(std::size_t pages_max)
    : words_(std::make_unique_for_overwrite<std::uint64_t[]>((pages_max + 1) * kBlockWords)) {}

void WriteBatch::add(TableId table, PageNumber page) {
  lsn_ = std::max(lsn_, load_word(room()));
  seal_page(std::span<std::byte, kPageBytes>(room(), kPageBytes), table, page);
  words_[kPlaces + size_++] = std::uint64_t{table} << kPlacePageBits | page;
}

Bytes WriteBatch::bytes() {
  words_[0] = kMagic;
  words_[1] = size_;
  words_[kPlaces + size_] = checksum(words_.get(), size_);
  std::fill(&words_[kPlaces + size_ + 1], &words_[kBlockWords], 0);
  return {block(0), (size_ + 1) * kPageBytes};
}

std::unique_lock<std::mutex> DoubleWrite::keep(WriteBatch& batch) {
  const Bytes bytes = batch.bytes();
  std::unique_lock lock(mutex_);
  if (failed_) {
    throw std::system_error(EIO, std::generic_category(),
                            "write " + file_.path().string() + " after a failed sync");
  }
  if (position_ + bytes.size() > bytes_) {
    sync_tables_();
    position_ = 0;
  }
  file_.write_at(position_, bytes);
  bytes_written_.fetch_add(bytes.size(), std::memory_order_relaxed);
  failed_ = true;
  file_.sync_data();
  failed_ = false;
  position_ += bytes.size();
  return lock;
}

std::size_t restore_torn_pages(const File& area, std::map<TableId, File>& tables) {
  if (area.size() == 0) return 0;
  std::size_t restored = 0;
  alignas(kWordBytes) std::array<std::byte, kPageBytes> page;
  for (const auto& [place, copy] : newest_copies(area)) {
    const auto table = tables.find(static_cast<TableId>(place >> kPlacePageBits));
    if (table == tables.end()) continue;
    const PageNumber number = place & ((PageNumber{1} << kPlacePageBits) - 1);
    page.fill(std::byte{0});
    table->second.read_at(number * kPageBytes, page);
    if (unseal_page(page, table->first, number)) continue;
    area.read_at(copy.offset, page);
    table->second.write_at(number * kPageBytes, page);
    ++restored;
  }
  for (auto& [id, file] : tables) file.sync_data();
  return restored;
}

}  // namespace muster
