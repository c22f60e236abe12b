#include "engine/log/record_codec.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>
#include <stdexcept>

#include "engine/error.h"
#include "engine/io/crc32c.h"
#include "engine/number.h"

namespace muster {
namespace {

constexpr std::uint64_t kTypeShift = 56;
constexpr std::uint64_t kDurableMask = (std::uint64_t{1} << kTypeShift) - 1;
constexpr std::size_t kSummedFrom = offsetof(RecordHeader, transaction);

struct Place {
  std::uint64_t incarnation;
  Lsn lsn;
  Lsn previous;
  std::uint64_t size;
};

struct ChangeHeader {
  PageNumber page;
  TableId table;
  std::uint16_t key;
  std::uint16_t before;
  std::uint16_t after;
  ChangeKind kind;
  std::uint8_t zero[5];
};
static_assert(sizeof(ChangeHeader) == 24);

struct ImageHeader {
  PageNumber page;
  TableId table;
  std::uint32_t bytes;
};
static_assert(sizeof(ImageHeader) == 16);

struct ReclaimHeader {
  PageNumber page;
  TableId table;
  std::uint32_t slots;
};
static_assert(sizeof(ReclaimHeader) == 16);

constexpr std::size_t aligned(std::size_t size) {
  return (size + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}

std::uint32_t finish(std::uint32_t summed, const Place& place) {
  return crc32c(std::as_bytes(std::span(&place, 1)), summed);
}

std::uint16_t length(Bytes bytes) {
  if (bytes.size() > std::numeric_limits<std::uint16_t>::max()) {
    throw std::invalid_argument(fmt::format("a key or value of {} bytes: want at most 65535", bytes.size()));
  }
  return static_cast<std::uint16_t>(bytes.size());
}

std::byte* put(std::byte* to, Bytes from) {
  if (!from.empty()) std::memcpy(to, from.data(), from.size());
  return to + from.size();
}

std::size_t payload_bytes(RecordType type, const RecordChange& change) {
  return (type == RecordType::compensation ? sizeof(Lsn) : 0) + sizeof(ChangeHeader) + change.key.size() +
         change.before.size() + change.after.size();
}

/// Takes values off the front of a payload; throws where it is too short.
class Cursor {
 public:
  explicit Cursor(const LogRecord& record) : record_(record), rest_(record.payload) {}

  Bytes bytes(std::size_t size) {
    if (size > rest_.size()) malformed();
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  template <class T>
  T value() {
    T result;
    std::memcpy(&result, bytes(sizeof(T)).data(), sizeof(T));
    return result;
  }
  [[noreturn]] void malformed() const {
    throw DamageError(fmt::format("log at LSN {}: the {} record's parts do not fit into its {} bytes",
                                  record_.lsn, to_string(record_.type), record_.payload.size()));
  }

 private:
  const LogRecord& record_;
  Bytes rest_;
};

void want_type(const LogRecord& record, bool right) {
  if (!right) {
    throw std::invalid_argument(
        fmt::format("log at LSN {}: a {} record has no such part", record.lsn, to_string(record.type)));
  }
}

}  // namespace

std::byte* RecordEncoder::start(std::size_t size) {
  if (size > kRecordBytesMax) {
    throw std::invalid_argument(
        fmt::format("a log record of {} bytes: want at most {}", size, kRecordBytesMax));
  }
  bytes_.resize(size);
  last_ = 0;
  return bytes_.data();
}

void RecordEncoder::put_header(std::size_t at, std::size_t size, RecordType type, TransactionId transaction,
                               Lsn durable) {
  const RecordHeader header{0, static_cast<std::uint32_t>(size), 0, transaction,
                            durable | (std::uint64_t{static_cast<std::uint8_t>(type)} << kTypeShift)};
  std::memcpy(bytes_.data() + at, &header, sizeof header);
}

/// Sums up what is known already; `crc` holds it until the record has its place.
static void sum_up(std::byte* record, std::size_t size) {
  const std::uint32_t summed = crc32c({record + kSummedFrom, size - kSummedFrom});
  std::memcpy(record, &summed, sizeof summed);
}

void RecordEncoder::mark(RecordType type, TransactionId transaction, Lsn durable) {
  start(kRecordHeaderBytes);
  put_header(0, kRecordHeaderBytes, type, transaction, durable);
  sum_up(bytes_.data(), kRecordHeaderBytes);
}

void RecordEncoder::append_change(std::size_t at, RecordType type, TransactionId transaction, Lsn durable,
                                  Lsn undo_next, const RecordChange& change) {
  const ChangeHeader parts{
      change.page, change.table, length(change.key), length(change.before), length(change.after), change.kind,
      {}};
  const std::size_t used = kRecordHeaderBytes + payload_bytes(type, change);
  const std::size_t size = aligned(used);
  put_header(at, size, type, transaction, durable);
  std::byte* to = bytes_.data() + at + kRecordHeaderBytes;
  if (type == RecordType::compensation) to = put(to, std::as_bytes(std::span(&undo_next, 1)));
  to = put(to, std::as_bytes(std::span(&parts, 1)));
  to = put(to, change.key);
  to = put(to, change.before);
  to = put(to, change.after);
  std::memset(to, 0, size - used);
  sum_up(bytes_.data() + at, size);
  last_ = at;
}

void RecordEncoder::change(RecordType type, TransactionId transaction, Lsn durable, Lsn undo_next,
                           const RecordChange& change) {
  start(aligned(kRecordHeaderBytes + payload_bytes(type, change)));
  append_change(0, type, transaction, durable, undo_next, change);
}

void RecordEncoder::begin_and_change(TransactionId transaction, Lsn durable, const RecordChange& change) {
  start(kRecordHeaderBytes + aligned(kRecordHeaderBytes + payload_bytes(RecordType::update, change)));
  put_header(0, kRecordHeaderBytes, RecordType::begin, transaction, durable);
  sum_up(bytes_.data(), kRecordHeaderBytes);
  append_change(kRecordHeaderBytes, RecordType::update, transaction, durable, 0, change);
}

void RecordEncoder::structure(std::span<const PageImage> pages, Lsn durable) {
  std::size_t used = kRecordHeaderBytes + sizeof(std::uint64_t);
  for (const PageImage& page : pages) used += sizeof(ImageHeader) + page.bytes.size();
  const std::size_t size = aligned(used);
  std::byte* to = start(size) + kRecordHeaderBytes;
  put_header(0, size, RecordType::structure, 0, durable);
  const std::uint64_t count = pages.size();
  to = put(to, std::as_bytes(std::span(&count, 1)));
  for (const PageImage& page : pages) {
    const ImageHeader header{page.page, page.table, static_cast<std::uint32_t>(page.bytes.size())};
    to = put(to, std::as_bytes(std::span(&header, 1)));
    to = put(to, page.bytes);
  }
  std::memset(to, 0, size - used);
  sum_up(bytes_.data(), size);
}

void RecordEncoder::reclaim(const Reclaim& reclaim, Lsn durable) {
  const Bytes slots = std::as_bytes(std::span(reclaim.slots));
  const ReclaimHeader header{reclaim.page, reclaim.table, static_cast<std::uint32_t>(reclaim.slots.size())};
  const std::size_t used = kRecordHeaderBytes + sizeof header + slots.size();
  const std::size_t size = aligned(used);
  std::byte* to = start(size) + kRecordHeaderBytes;
  put_header(0, size, RecordType::reclaim, 0, durable);
  to = put(to, std::as_bytes(std::span(&header, 1)));
  to = put(to, slots);
  std::memset(to, 0, size - used);
  sum_up(bytes_.data(), size);
}

void RecordEncoder::seal(std::size_t at, std::uint64_t incarnation, Lsn lsn, Lsn previous) {
  RecordHeader header;
  std::memcpy(&header, bytes_.data() + at, sizeof header);
  header.previous = previous;
  header.crc = finish(header.crc, {incarnation, lsn, previous, header.size});
  std::memcpy(bytes_.data() + at, &header, sizeof header);
}

void RecordEncoder::place(std::uint64_t incarnation, Lsn lsn, Lsn previous, std::span<std::byte> to) {
  if (last_ != 0) seal(0, incarnation, lsn, 0);
  seal(last_, incarnation, lsn + last_, last_ != 0 ? lsn : previous);
  std::memcpy(to.data(), bytes_.data(), bytes_.size());
}

void retype(std::span<std::byte, kRecordHeaderBytes> record, std::uint64_t incarnation, Lsn lsn,
            RecordType type) {
  RecordHeader header;
  std::memcpy(&header, record.data(), sizeof header);
  header.durable_and_type = (header.durable_and_type & kDurableMask) |
                            (std::uint64_t{static_cast<std::uint8_t>(type)} << kTypeShift);
  const Bytes summed = std::as_bytes(std::span(&header, 1)).subspan(kSummedFrom);
  header.crc = finish(crc32c(summed), {incarnation, lsn, header.previous, header.size});
  std::memcpy(record.data(), &header, sizeof header);
}

bool plausible(const RecordHeader& header, Lsn lsn) {
  const std::uint64_t type = header.durable_and_type >> kTypeShift;
  return header.size >= kRecordHeaderBytes && header.size % kRecordAlignment == 0 &&
         header.size <= kRecordBytesMax && type >= static_cast<std::uint64_t>(RecordType::begin) &&
         type <= static_cast<std::uint64_t>(RecordType::skipped) &&
         (header.durable_and_type & kDurableMask) <= lsn && header.previous < lsn;
}

std::optional<LogRecord> decode_record(std::uint64_t incarnation, Lsn lsn, Bytes bytes) {
  RecordHeader header;
  if (bytes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (!plausible(header, lsn) || header.size > bytes.size()) return std::nullopt;
  const std::uint32_t summed = crc32c(bytes.subspan(kSummedFrom, header.size - kSummedFrom));
  if (header.crc != finish(summed, {incarnation, lsn, header.previous, header.size})) return std::nullopt;
  return LogRecord{lsn,
                   lsn + header.size,
                   static_cast<RecordType>(header.durable_and_type >> kTypeShift),
                   header.transaction,
                   header.previous,
                   header.durable_and_type & kDurableMask,
                   bytes.subspan(kRecordHeaderBytes, header.size - kRecordHeaderBytes)};
}

RecordChange change_of(const LogRecord& record) {
  want_type(record, record.type == RecordType::update || record.type == RecordType::compensation);
  Cursor cursor(record);
  if (record.type == RecordType::compensation) cursor.value<Lsn>();
  const auto parts = cursor.value<ChangeHeader>();
  if (parts.kind < ChangeKind::insert || parts.kind > ChangeKind::increment) cursor.malformed();
  RecordChange change{parts.table, parts.page, parts.kind, {}, {}, {}};
  change.key = cursor.bytes(parts.key);
  change.before = cursor.bytes(parts.before);
  change.after = cursor.bytes(parts.after);
  const bool is_increment = parts.before == sizeof(Increment) && parts.after == sizeof(Increment);
  if (parts.kind == ChangeKind::increment && !is_increment) cursor.malformed();
  return change;
}

Lsn undo_next_of(const LogRecord& record) {
  want_type(record, record.type == RecordType::compensation);
  return Cursor(record).value<Lsn>();
}

std::vector<PageImage> pages_of(const LogRecord& record) {
  want_type(record, record.type == RecordType::structure);
  Cursor cursor(record);
  const auto count = cursor.value<std::uint64_t>();
  if (count > record.payload.size() / sizeof(ImageHeader)) cursor.malformed();
  std::vector<PageImage> pages;
  pages.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto header = cursor.value<ImageHeader>();
    pages.push_back({header.table, header.page, cursor.bytes(header.bytes)});
  }
  return pages;
}

Reclaim reclaim_of(const LogRecord& record) {
  want_type(record, record.type == RecordType::reclaim);
  Cursor cursor(record);
  const auto header = cursor.value<ReclaimHeader>();
  if (header.slots > record.payload.size() / sizeof(std::uint16_t)) cursor.malformed();
  Reclaim reclaim{header.table, header.page, {}};
  for (std::uint32_t i = 0; i < header.slots; ++i) reclaim.slots.push_back(cursor.value<std::uint16_t>());
  return reclaim;
}

std::string_view to_string(RecordType type) {
  switch (type) {
    case RecordType::begin:
      return "begin";
    case RecordType::update:
      return "update";
    case RecordType::compensation:
      return "compensation";
    case RecordType::structure:
      return "structure";
    case RecordType::commit:
      return "commit";
    case RecordType::abort:
      return "abort";
    case RecordType::end:
      return "end";
    case RecordType::reclaim:
      return "reclaim";
    case RecordType::skipped:
      return "skipped";
  }
  return "unknown";
}

std::string to_string(const LogRecord& record) {
  constexpr std::string_view kKinds[] = {"", "insert", "update", "remove", "increment"};
  std::string line =
      fmt::format("{} {} {} bytes transaction {} previous {}", record.lsn, to_string(record.type),
                  record.end - record.lsn, record.transaction, record.previous);
  if (record.type == RecordType::compensation) line += fmt::format(" undo-next {}", undo_next_of(record));
  if (record.type == RecordType::update || record.type == RecordType::compensation) {
    const RecordChange change = change_of(record);
    line += fmt::format(" {} table {} page {} key ", kKinds[static_cast<std::size_t>(change.kind)],
                        change.table, change.page);
    for (const std::byte byte : change.key) line += fmt::format("{:02x}", static_cast<unsigned>(byte));
    line += fmt::format(" before {} after {} bytes", change.before.size(), change.after.size());
  }
  if (record.type == RecordType::structure) {
    for (const PageImage& page : pages_of(record)) {
      line += fmt::format(" [table {} page {} {} bytes]", page.table, page.page, page.bytes.size());
    }
  }
  if (record.type == RecordType::reclaim) {
    const Reclaim reclaim = reclaim_of(record);
    line += fmt::format(" table {} page {} ghosts at {}", reclaim.table, reclaim.page,
                        fmt::join(reclaim.slots, " "));
  }
  return line;
}

}  // namespace muster
