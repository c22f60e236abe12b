#pragma once

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "engine/log/log_record.h"

namespace muster {

/// How a record lies in the log: a header, a payload, zeros up to a multiple of kRecordAlignment.
/// Little-endian.
///
/// The checksum is the CRC-32C of everything from `transaction` on, followed by the log's incarnation and the
/// record's LSN, `previous` and size. In this order, since all but the last part is known before the record's
/// place is: between reserve and publish only 32 bytes are left to be summed up.
struct RecordHeader {
  std::uint32_t crc;
  std::uint32_t size;  ///< of all of it
  Lsn previous;
  TransactionId transaction;
  std::uint64_t durable_and_type;  ///< the type in the highest byte
};
inline constexpr std::size_t kRecordHeaderBytes = 32;
inline constexpr std::size_t kRecordAlignment = 8;
/// Larger ones are refused when they are appended, and what claims to be larger is no record.
inline constexpr std::size_t kRecordBytesMax = std::size_t{64} << 20;
static_assert(sizeof(RecordHeader) == kRecordHeaderBytes);

/// The size of the record at the front of `bytes`, which is whole.
inline std::uint32_t record_bytes(Bytes bytes) {
  RecordHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  return header.size;
}

/// A record under construction, in memory that is used again by the next one. Not thread-safe.
class RecordEncoder {
 public:
  // Each forgets what was there before. std::invalid_argument: a key or value above 65535 bytes, a record
  // above kRecordBytesMax.
  void mark(RecordType type, TransactionId transaction, Lsn durable);
  void change(RecordType type, TransactionId transaction, Lsn durable, Lsn undo_next,
              const RecordChange& change);
  void begin_and_change(TransactionId transaction, Lsn durable, const RecordChange& change);
  void structure(std::span<const PageImage> pages, Lsn durable);
  void reclaim(const Reclaim& reclaim, Lsn durable);

  std::uint32_t size() const { return static_cast<std::uint32_t>(bytes_.size()); }
  /// Completes the record for its place and copies it there.
  void place(std::uint64_t incarnation, Lsn lsn, Lsn previous, std::span<std::byte> to);

 private:
  std::byte* start(std::size_t size);
  void append_change(std::size_t at, RecordType type, TransactionId transaction, Lsn durable, Lsn undo_next,
                     const RecordChange& change);
  void put_header(std::size_t at, std::size_t size, RecordType type, TransactionId transaction, Lsn durable);
  void seal(std::size_t at, std::uint64_t incarnation, Lsn lsn, Lsn previous);

  std::vector<std::byte> bytes_;
  std::size_t last_ = 0;  // where the last of one or two records begins
};

/// Makes a record of another type of one without a payload, in its place.
void retype(std::span<std::byte, kRecordHeaderBytes> record, std::uint64_t incarnation, Lsn lsn,
            RecordType type);

/// Whether these bytes may be a header at `lsn`: cheap, and wrong for few that are not.
bool plausible(const RecordHeader& header, Lsn lsn);
/// The record at the front of `bytes`, if there is a whole and undamaged one.
std::optional<LogRecord> decode_record(std::uint64_t incarnation, Lsn lsn, Bytes bytes);

}  // namespace muster
