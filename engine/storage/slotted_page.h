#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/storage/page_words.h"
#include "engine/types.h"

namespace muster {

/// A page of 4 KiB in 64-bit words, so that every access is one atomic one (page_words.h).
///
///   word 0   LSN: end of the last log record that changed the page; 0: none ever did
///   word 1   kind 8 bits | level 8 | slots 16 | heap begin 16 | bytes used in the heap 16
///   word 2   tree page: prefix bytes 16 | lower fence bytes 16 | upper fence bytes 16 | has an upper fence
///   16
///            header page: first free page, 0: none
///   word 3   inner page: child for keys from the last separator on; free page: the next one, 0: none;
///            header page: pages of the table that have ever been in use
///   word 4   in the file: checksum (page_checksum.h); in memory: zero
///   slots    from word 5 on, in key order: head of the key 32 bits | ghost 1 | heap offset / 8: 10 | key bytes 10 |
///            value bytes 11
///   heap     from the page's end downwards: lower fence, upper fence, then cells: value, key, each padded to words
///
/// All keys in a tree page lie in [lower fence, upper fence); the prefix that the fences share is left out of
/// every key, and the head is the first four bytes after it, so that a search compares numbers in the slots.
/// What fits is decided by the bytes in use, never by where they lie: whatever fitted once fits when the same
/// changes are replayed. A ghost is a record of a leaf that was removed and whose name is still needed, for locks. It
/// keeps its cell, so that taking the removal back always fits.
enum class PageKind : std::uint8_t { unused = 0, header, leaf, inner, free };

struct PageShape {
  PageKind kind = PageKind::unused;
  std::uint32_t level = 0;  ///< 0: leaf
  std::uint32_t slots = 0;
  std::uint32_t heap_begin = 0;
  std::uint32_t used = 0;
  // Words 2, of tree pages only:
  std::uint32_t prefix = 0;
  std::uint32_t lower = 0;
  std::uint32_t upper = 0;
  bool bounded = false;  ///< has an upper fence
};

struct PagePosition {
  std::uint32_t index = 0;  ///< of the first slot whose key is not smaller
  bool equal = false;
};

inline constexpr std::size_t kPageHeaderBytes = 5 * kWordBytes;
inline constexpr std::size_t kSlotBytes = kWordBytes;
inline constexpr std::size_t kHeadBytes = sizeof(std::uint32_t);
inline constexpr std::uint32_t kSlotsMax = (kPageBytes - kPageHeaderBytes) / kSlotBytes;
inline constexpr std::size_t kPageCapacity = kPageBytes - kPageHeaderBytes;

/// What a key without its prefix takes beside its slot: nothing if the head holds all of it.
constexpr std::size_t heap_bytes_of_key(std::size_t suffix_bytes) {
  return suffix_bytes <= kHeadBytes ? 0 : padded(suffix_bytes);
}
/// What a record takes in a page, the slot included.
constexpr std::size_t record_bytes(std::size_t suffix_bytes, std::size_t value_bytes) {
  return kSlotBytes + heap_bytes_of_key(suffix_bytes) + padded(value_bytes);
}

/// Reads a page. Over one that is not latched every answer is within bounds and may be nonsense: validate.
class PageView {
 public:
  explicit PageView(const std::byte* bytes) : bytes_(bytes) {}

  Lsn lsn() const { return load_word(bytes_); }
  PageShape shape() const;
  std::uint64_t link() const { return load_word(bytes_ + 3 * kWordBytes); }        ///< word 3
  std::uint64_t first_free() const { return load_word(bytes_ + 2 * kWordBytes); }  ///< of the header page

  /// `key` is whole and lies within the fences.
  PagePosition search(const PageShape& shape, Bytes key) const;
  /// Inner page: the child for `key`, and where its pointer is (slots: in word 3).
  PageNumber child_for(const PageShape& shape, Bytes key, std::uint32_t* at = nullptr) const;
  PageNumber child_at(const PageShape& shape, std::uint32_t index) const;

  std::size_t value_size(std::uint32_t index) const { return slot(index) >> kValueShift & kValueMask; }
  std::size_t suffix_size(std::uint32_t index) const { return slot(index) >> kKeyShift & kKeyMask; }
  /// Copies value_size bytes.
  void copy_value(std::uint32_t index, std::vector<std::byte>& value) const;
  std::size_t free_bytes(const PageShape& shape) const;
  /// What the records take, ghosts and slots included, fences not.
  std::size_t content_bytes() const {
    const PageShape now = shape();
    return now.slots * kSlotBytes + now.used - padded(now.lower) - padded(now.upper);
  }
  bool is_ghost(std::uint32_t index) const { return (slot(index) & kGhost) != 0; }
  std::size_t record_bytes_at(std::uint32_t index) const {
    return record_bytes(suffix_size(index), value_size(index));
  }

  // Only over a page that is latched or private:
  Bytes value(std::uint32_t index) const;
  Bytes lower_fence(const PageShape& shape) const {
    return {bytes_ + kPageBytes - padded(shape.lower), shape.lower};
  }
  Bytes upper_fence(const PageShape& shape) const {
    return {bytes_ + kPageBytes - padded(shape.lower) - padded(shape.upper), shape.upper};
  }
  std::vector<std::byte> key(const PageShape& shape, std::uint32_t index) const;
  /// Whether the bytes can be a page: what header and slots point to lies where it may, nothing overlaps, and it adds
  /// up. What is not, such as a page that the power failed in the middle of, must neither be read further nor changed.
  bool is_sound() const;
  /// The page without its gap: header, slots, heap.
  std::vector<std::byte> image() const;
  const std::byte* bytes() const { return bytes_; }

 protected:
  bool is_sound_tree_page(const PageShape& shape) const;

  static constexpr unsigned kValueShift = 0, kKeyShift = 11, kOffsetShift = 21, kHeadShift = 32;
  static constexpr std::uint64_t kGhost = std::uint64_t{1} << 31;
  static constexpr std::uint64_t kValueMask = 0x7ff, kKeyMask = 0x3ff, kOffsetMask = 0x3ff;

  std::uint64_t slot(std::uint32_t index) const { return load_word(bytes_ + slot_offset(index)); }
  static std::size_t slot_offset(std::uint32_t index) { return kPageHeaderBytes + index * kSlotBytes; }
  static std::size_t cell_offset(std::uint64_t slot) {
    return (slot >> kOffsetShift & kOffsetMask) * kWordBytes;
  }
  static std::size_t cell_bytes(std::uint64_t slot) {
    return padded(slot >> kValueShift & kValueMask) + heap_bytes_of_key(slot >> kKeyShift & kKeyMask);
  }
  static std::uint32_t head_of(std::uint64_t slot) { return static_cast<std::uint32_t>(slot >> kHeadShift); }
  std::uint32_t first_head_not_below(std::uint64_t head, std::uint32_t slots) const;
  int compare(std::uint64_t slot, Bytes suffix) const;

  const std::byte* bytes_;
};

/// Changes a page, which is latched exclusively or private.
class PageEditor : public PageView {
 public:
  explicit PageEditor(std::byte* bytes) : PageView(bytes), writable_(bytes) {}

  /// An empty tree page for keys in [lower, upper), without `upper` for all from `lower` on.
  void format_tree_page(std::uint32_t level, Bytes lower, std::optional<Bytes> upper);
  void format_header(PageNumber pages, PageNumber first_free);
  void format_free(PageNumber next);

  void set_lsn(Lsn lsn) { store_word(writable_, lsn); }
  void set_link(std::uint64_t link) { store_word(writable_ + 3 * kWordBytes, link); }
  void set_child_at(std::uint32_t index, PageNumber child);

  /// Puts a record at `index`, `key` whole; false, with nothing changed, if it does not fit.
  bool insert(std::uint32_t index, Bytes key, Bytes value);
  bool update(std::uint32_t index, Bytes value);
  /// Adds to the number at `offset` in the value; false, with nothing changed, if the value ends before the number does.
  bool increment(std::uint32_t index, std::size_t offset, std::int64_t by);
  void make_ghost(std::uint32_t index);
  /// As update, and the record is no ghost any more.
  bool revive(std::uint32_t index, Bytes value);
  void remove(std::uint32_t index);
  void remove(std::span<const std::uint16_t> rising);
  /// Copies records [from, to) of another page, ghosts as ghosts, behind those of this one; false if they do not fit.
  bool append(const PageView& source, std::uint32_t from, std::uint32_t to);
  /// Makes the page what image() was taken of, but for the LSN. Throws DamageError, changing nothing, if it
  /// cannot be one.
  void install(Bytes image);

 private:
  void set_shape(const PageShape& shape);
  void compact(PageShape& shape);

  std::byte* writable_;
};

inline PageShape PageView::shape() const {
  const std::uint64_t first = load_word(bytes_ + kWordBytes);
  const std::uint64_t second = load_word(bytes_ + 2 * kWordBytes);
  const auto field = [](std::uint64_t word, unsigned shift, std::uint64_t mask) {
    return static_cast<std::uint32_t>(word >> shift & mask);
  };
  PageShape shape;
  shape.kind = static_cast<PageKind>(first & 0xff);
  shape.level = field(first, 8, 0xff);
  shape.slots = std::min<std::uint32_t>(field(first, 16, 0xffff), kSlotsMax);
  shape.heap_begin = field(first, 32, 0xffff);
  shape.used = field(first, 48, 0xffff);
  shape.prefix = field(second, 0, 0xffff);
  shape.lower = field(second, 16, 0xffff);
  shape.upper = field(second, 32, 0xffff);
  shape.bounded = (second >> 48) != 0;
  return shape;
}

inline std::size_t PageView::free_bytes(const PageShape& shape) const {
  const std::size_t taken = shape.slots * kSlotBytes + shape.used;
  return taken > kPageCapacity ? 0 : kPageCapacity - taken;
}

/// Binary search without a branch that could be mispredicted.
inline std::uint32_t PageView::first_head_not_below(std::uint64_t head, std::uint32_t slots) const {
  std::uint32_t base = 0;
  for (std::uint32_t count = slots; count > 0;) {
    const std::uint32_t half = (count + 1) / 2;
    base += head_of(slot(base + half - 1)) < head ? half : 0;
    count -= half;
  }
  return base;
}

}  // namespace muster
