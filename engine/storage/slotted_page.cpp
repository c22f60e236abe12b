#include "engine/storage/slotted_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <cstring>

#include "engine/error.h"
#include "engine/number.h"

namespace muster {
namespace {

using PageCopy = std::array<std::byte, kPageBytes>;

Bytes without_prefix(Bytes key, std::size_t prefix) {
  return key.subspan(std::min(prefix, key.size()));
}

std::uint32_t head_of_key(Bytes suffix) {
  return static_cast<std::uint32_t>(ordered_word(suffix.data(), suffix.size()) >> 32);
}

std::size_t common_prefix(Bytes a, Bytes b) {
  const std::size_t most = std::min(a.size(), b.size());
  return static_cast<std::size_t>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first - a.begin());
}

}  // namespace

/// Orders a slot's key against `suffix`. Heads are equal, so if one of the two ends within its head, the
/// other goes on as it does or is longer: their sizes decide.
int PageView::compare(std::uint64_t slot, Bytes suffix) const {
  const std::size_t size = slot >> kKeyShift & kKeyMask;
  if (size <= kHeadBytes || suffix.size() <= kHeadBytes) {
    return size == suffix.size() ? 0 : (size < suffix.size() ? -1 : 1);
  }
  const std::size_t key_offset = cell_offset(slot) + padded(slot >> kValueShift & kValueMask);
  if (key_offset + padded(size) > kPageBytes) return 0;  // torn: the reader will find out
  return compare_in_page(bytes_ + key_offset, size, suffix);
}

PagePosition PageView::search(const PageShape& shape, Bytes key) const {
  const Bytes suffix = without_prefix(key, shape.prefix);
  const std::uint32_t head = head_of_key(suffix);
  std::uint32_t low = first_head_not_below(head, shape.slots);
  if (low == shape.slots || head_of(slot(low)) != head) return {low, false};
  std::uint32_t high = low + 1;
  if (high < shape.slots && head_of(slot(high)) == head) {
    high = first_head_not_below(std::uint64_t{head} + 1, shape.slots);
  }
  while (low < high) {
    const std::uint32_t middle = low + (high - low) / 2;
    const int order = compare(slot(middle), suffix);
    if (order == 0) return {middle, true};
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {low, false};
}

PageNumber PageView::child_for(const PageShape& shape, Bytes key, std::uint32_t* at) const {
  const PagePosition position = search(shape, key);
  const std::uint32_t index = position.index + (position.equal ? 1 : 0);
  if (at != nullptr) *at = index;
  return child_at(shape, index);
}

PageNumber PageView::child_at(const PageShape& shape, std::uint32_t index) const {
  if (index >= shape.slots) return link();
  return load_word(bytes_ + std::min(cell_offset(slot(index)), kPageBytes - kWordBytes));
}

void PageView::copy_value(std::uint32_t index, std::vector<std::byte>& value) const {
  const std::uint64_t where = slot(index);
  const std::size_t size = where >> kValueShift & kValueMask;
  const std::size_t offset = cell_offset(where);
  if (offset + padded(size) > kPageBytes) return;  // torn
  value.resize(size);
  copy_from_page(value.data(), bytes_ + offset, size);
}

Bytes PageView::value(std::uint32_t index) const {
  const std::uint64_t where = slot(index);
  return {bytes_ + cell_offset(where), where >> kValueShift & kValueMask};
}

std::vector<std::byte> PageView::key(const PageShape& shape, std::uint32_t index) const {
  const std::uint64_t where = slot(index);
  const std::size_t size = where >> kKeyShift & kKeyMask;
  std::vector<std::byte> whole(shape.prefix + size);
  std::copy_n(lower_fence(shape).data(), shape.prefix, whole.data());
  std::byte* const suffix = whole.data() + shape.prefix;
  if (size > kHeadBytes) {
    std::copy_n(bytes_ + cell_offset(where) + padded(where >> kValueShift & kValueMask), size, suffix);
  } else {
    for (std::size_t i = 0; i < size; ++i) suffix[i] = static_cast<std::byte>(head_of(where) >> (24 - 8 * i));
  }
  return whole;
}

bool PageView::is_sound() const {
  const std::uint64_t first = load_word(bytes_ + kWordBytes);
  const PageShape now = shape();
  switch (now.kind) {
    case PageKind::unused:
      return first == 0;
    case PageKind::header:
    case PageKind::free:
      return now.level == 0 && now.slots == 0 && now.used == 0 && now.heap_begin == kPageBytes;
    case PageKind::leaf:
    case PageKind::inner:
      return (first >> 16 & 0xffff) == now.slots && is_sound_tree_page(now);
  }
  return false;
}

bool PageView::is_sound_tree_page(const PageShape& shape) const {
  if ((shape.kind == PageKind::leaf) != (shape.level == 0)) return false;
  const std::size_t fences = padded(shape.lower) + padded(shape.upper);
  const std::size_t heap_begin = shape.heap_begin;
  if (fences > kPageCapacity || heap_begin % kWordBytes != 0 || heap_begin < slot_offset(shape.slots) ||
      heap_begin > kPageBytes - fences) {
    return false;
  }
  if (!shape.bounded && shape.upper != 0) return false;
  if (shape.prefix != (shape.bounded ? common_prefix(lower_fence(shape), upper_fence(shape)) : 0))
    return false;

  std::bitset<kPageBytes / kWordBytes> taken;
  std::size_t used = fences;
  for (std::uint32_t index = 0; index < shape.slots; ++index) {
    const std::uint64_t where = slot(index);
    if (shape.kind == PageKind::inner && (is_ghost(index) || value_size(index) != sizeof(PageNumber)))
      return false;
    const std::size_t begin = cell_offset(where);
    const std::size_t end = begin + cell_bytes(where);
    used += end - begin;
    if (begin == end) continue;  // a short key without a value
    if (begin < heap_begin || end > kPageBytes - fences) return false;
    for (std::size_t word = begin / kWordBytes; word < end / kWordBytes; ++word) {
      if (taken.test(word)) return false;
      taken.set(word);
    }
  }
  return used == shape.used;
}

std::vector<std::byte> PageView::image() const {
  const PageShape now = shape();
  const std::size_t front = kPageHeaderBytes + now.slots * kSlotBytes;
  std::vector<std::byte> compact(front + kPageBytes - now.heap_begin);
  std::copy_n(bytes_, front, compact.data());
  std::copy_n(bytes_ + now.heap_begin, kPageBytes - now.heap_begin, compact.data() + front);
  return compact;
}

void PageEditor::set_shape(const PageShape& shape) {
  store_word(writable_ + kWordBytes, std::uint64_t{static_cast<std::uint8_t>(shape.kind)} |
                                         std::uint64_t{shape.level} << 8 | std::uint64_t{shape.slots} << 16 |
                                         std::uint64_t{shape.heap_begin} << 32 |
                                         std::uint64_t{shape.used} << 48);
}

void PageEditor::format_tree_page(std::uint32_t level, Bytes lower, std::optional<Bytes> upper) {
  PageShape shape;
  shape.kind = level == 0 ? PageKind::leaf : PageKind::inner;
  shape.level = level;
  shape.lower = static_cast<std::uint32_t>(lower.size());
  shape.upper = upper ? static_cast<std::uint32_t>(upper->size()) : 0;
  shape.used = static_cast<std::uint32_t>(padded(shape.lower) + padded(shape.upper));
  shape.heap_begin = static_cast<std::uint32_t>(kPageBytes) - shape.used;
  copy_to_page(writable_ + kPageBytes - padded(shape.lower), lower);
  if (upper) copy_to_page(writable_ + shape.heap_begin, *upper);
  const std::uint64_t prefix = upper ? common_prefix(lower, *upper) : 0;
  store_word(writable_ + 2 * kWordBytes, prefix | std::uint64_t{shape.lower} << 16 |
                                             std::uint64_t{shape.upper} << 32 |
                                             std::uint64_t{upper.has_value()} << 48);
  set_link(0);
  set_shape(shape);
}

void PageEditor::format_header(PageNumber pages, PageNumber first_free) {
  PageShape shape;
  shape.kind = PageKind::header;
  shape.heap_begin = kPageBytes;
  set_shape(shape);
  store_word(writable_ + 2 * kWordBytes, first_free);
  set_link(pages);
}

void PageEditor::format_free(PageNumber next) {
  PageShape shape;
  shape.kind = PageKind::free;
  shape.heap_begin = kPageBytes;
  set_shape(shape);
  store_word(writable_ + 2 * kWordBytes, 0);
  set_link(next);
}

void PageEditor::set_child_at(std::uint32_t index, PageNumber child) {
  if (index >= shape().slots) {
    set_link(child);
  } else {
    store_word(writable_ + cell_offset(slot(index)), child);
  }
}

/// Puts all cells side by side again, in key order, below the fences.
void PageEditor::compact(PageShape& shape) {
  alignas(kWordBytes) PageCopy old;
  std::copy_n(bytes_, kPageBytes, old.data());
  const std::size_t top = kPageBytes - padded(shape.lower) - padded(shape.upper);
  std::size_t begin = top;
  for (std::uint32_t index = 0; index < shape.slots; ++index) {
    const std::uint64_t where = load_word(old.data() + slot_offset(index));
    begin -= cell_bytes(where);
    copy_to_page(writable_ + begin, {old.data() + cell_offset(where), cell_bytes(where)});
    store_word(writable_ + slot_offset(index),
               (where & ~(kOffsetMask << kOffsetShift)) | std::uint64_t{begin / kWordBytes} << kOffsetShift);
  }
  shape.heap_begin = static_cast<std::uint32_t>(begin);
}

bool PageEditor::insert(std::uint32_t index, Bytes key, Bytes value) {
  PageShape now = shape();
  const Bytes suffix = without_prefix(key, now.prefix);
  const std::size_t needed = record_bytes(suffix.size(), value.size());
  if (free_bytes(now) < needed) return false;
  if (now.heap_begin - slot_offset(now.slots) < needed) compact(now);
  const auto cell = static_cast<std::uint32_t>(needed - kSlotBytes);
  now.heap_begin -= cell;
  now.used += cell;
  copy_to_page(writable_ + now.heap_begin, value);
  if (suffix.size() > kHeadBytes) copy_to_page(writable_ + now.heap_begin + padded(value.size()), suffix);
  for (std::uint32_t i = now.slots; i > index; --i) store_word(writable_ + slot_offset(i), slot(i - 1));
  store_word(writable_ + slot_offset(index), std::uint64_t{head_of_key(suffix)} << kHeadShift |
                                                 std::uint64_t{now.heap_begin / kWordBytes} << kOffsetShift |
                                                 std::uint64_t{suffix.size()} << kKeyShift |
                                                 std::uint64_t{value.size()} << kValueShift);
  ++now.slots;
  set_shape(now);
  return true;
}

bool PageEditor::increment(std::uint32_t index, std::size_t offset, std::int64_t by) {
  const Bytes before = value(index);
  if (!holds_number(before.size(), offset)) return false;
  std::array<std::byte, kPageBytes> after;
  std::ranges::copy(before, after.begin());
  add_to_number(std::span(after).subspan(offset), by);
  return update(index, Bytes(after).first(before.size()));
}

bool PageEditor::update(std::uint32_t index, Bytes value) {
  const std::uint64_t where = slot(index);
  if (padded(value.size()) == padded(where >> kValueShift & kValueMask)) {
    copy_to_page(writable_ + cell_offset(where), value);
    store_word(writable_ + slot_offset(index), (where & ~(kValueMask << kValueShift)) | value.size()
                                                                                            << kValueShift);
    return true;
  }
  const PageShape now = shape();
  if (free_bytes(now) + cell_bytes(where) + kSlotBytes < record_bytes(suffix_size(index), value.size()))
    return false;
  const std::vector<std::byte> whole = key(now, index);
  remove(index);
  return insert(index, whole, value);
}

void PageEditor::make_ghost(std::uint32_t index) {
  store_word(writable_ + slot_offset(index), slot(index) | kGhost);
}

bool PageEditor::revive(std::uint32_t index, Bytes value) {
  if (!update(index, value)) return false;
  store_word(writable_ + slot_offset(index), slot(index) & ~kGhost);
  return true;
}

void PageEditor::remove(std::uint32_t index) {
  PageShape now = shape();
  now.used -= static_cast<std::uint32_t>(cell_bytes(slot(index)));
  --now.slots;
  for (std::uint32_t i = index; i < now.slots; ++i) store_word(writable_ + slot_offset(i), slot(i + 1));
  set_shape(now);
}

void PageEditor::remove(std::span<const std::uint16_t> rising) {
  for (std::size_t i = rising.size(); i > 0; --i) remove(rising[i - 1]);
}

bool PageEditor::append(const PageView& source, std::uint32_t from, std::uint32_t to) {
  const PageShape there = source.shape();
  for (std::uint32_t index = from; index < to; ++index) {
    const std::uint32_t at = shape().slots;
    if (!insert(at, source.key(there, index), source.value(index))) return false;
    if (source.is_ghost(index)) make_ghost(at);
  }
  return true;
}

void PageEditor::install(Bytes image) {
  alignas(kWordBytes) PageCopy whole{};
  const bool has_header = image.size() >= kPageHeaderBytes;
  if (has_header) std::copy_n(image.data(), kPageHeaderBytes, whole.data());
  const PageShape now = PageView(whole.data()).shape();
  const std::size_t front = slot_offset(now.slots);
  if (!has_header || now.heap_begin < front || now.heap_begin > kPageBytes ||
      image.size() != front + kPageBytes - now.heap_begin) {
    throw DamageError(fmt::format("a page image of {} bytes does not describe a page", image.size()));
  }
  std::copy_n(image.data(), front, whole.data());
  std::copy(image.begin() + static_cast<std::ptrdiff_t>(front), image.end(), whole.data() + now.heap_begin);
  copy_to_page(writable_ + kWordBytes, Bytes(whole).subspan(kWordBytes));
}

}  // namespace muster
