#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/log_buffer.h"
#include "workloads/random.h"

namespace muster {

/// What stands at the begin of every record that `append` writes.
struct AppendHeader {
  std::uint32_t bytes = 0;  ///< of the whole record
  std::uint32_t worker = 0;
  std::uint64_t sequence = 0;  ///< of this worker's records, from 0
};
static_assert(sizeof(AppendHeader) == 16);

/// A mix of sizes with a name: what the engine of the course report logs (final report, Database System, ITE2038, 2020-2),
/// where a begin, commit or rollback takes 28 bytes, an update of 120 bytes 288 and a compensation 296. Of twenty
/// transactions of four updates one rolls back: 20 begins, 19 commits and a rollback; 80 updates; 4 compensations.
/// Repeats stand for the shares. Each record's size is drawn by itself, not in a transaction's order.
std::vector<std::uint32_t> report_mix();

/// The sizes of one worker's records. Seed, worker and sequence alone decide each, so that a verifier may begin
/// anywhere.
class AppendSizes {
 public:
  AppendSizes(std::span<const std::uint32_t> choices, std::uint64_t seed, std::uint32_t worker)
      : choices_(choices), random_(seed, worker) {}
  std::uint32_t of(std::uint64_t sequence) const {
    return choices_.size() == 1 ? choices_[0] : choices_[random_.after(sequence).below(choices_.size())];
  }

 private:
  std::span<const std::uint32_t> choices_;
  Random random_;
};

/// The bytes that follow the headers: random ones, at a place that depends on worker and sequence, so that
/// what an earlier lap of the ring left behind is not taken for them.
class AppendPayload {
 public:
  AppendPayload(std::uint32_t record_bytes_max, std::uint64_t seed);

  std::span<const std::byte> of(const AppendHeader& header) const {
    return {filler_.data() + place(header), header.bytes - sizeof(AppendHeader)};
  }

  /// The header is taken by value and written word by word: one that was written in parts and is read as a whole
  /// makes the processor wait.
  void write(std::span<std::byte> record, AppendHeader header) const {
    const std::uint64_t first = header.bytes | std::uint64_t{header.worker}
                                                   << 32;  // little-endian, as all of this
    std::memcpy(record.data(), &first, sizeof first);
    std::memcpy(record.data() + sizeof first, &header.sequence, sizeof header.sequence);
    std::memcpy(record.data() + sizeof header, filler_.data() + place(header), record.size() - sizeof header);
  }

 private:
  static constexpr std::uint32_t kPlaceBits = 6;
  static constexpr std::uint64_t kPlaceBytes = 64;  // a cache line: reading across two costs more
  static constexpr std::uint64_t kPlaces = std::uint64_t{1} << kPlaceBits;

  /// The product's upper bits depend on all of the sequence: laps of a power of two of records differ as well.
  static std::uint64_t place(const AppendHeader& header) {
    return (((header.sequence + header.worker) * 0x9e3779b97f4a7c15) >> (64 - kPlaceBits)) * kPlaceBytes;
  }

  std::vector<std::byte> filler_;
};
static_assert(std::endian::native == std::endian::little);

/// Appends one record: reserve, write, publish. Returns where it begins. One for the workload and for the benchmarks
/// of muster_bench. Never a call, whatever the compiler thinks of two callers: one costs as much as Border-Collie's
/// flags.
template <LogBufferAlgorithm A>
[[gnu::always_inline]] inline Lsn append_record(A& log, WorkerId id, const AppendPayload& payload,
                                                AppendHeader header) {
  const Reservation reservation = log.reserve(id, header.bytes);
  payload.write(reservation.bytes.first(header.bytes), header);
  log.publish(id, reservation);
  return reservation.begin;
}

/// What was handed out, in sums that say whether it tiles a stretch of the log. Each worker adds up its own.
///
/// Ranges that tile [start, end) come to end - start bytes and, modulo 2^64, to end^2 - start^2 as their `squares`.
/// A gap or an overlap changes the bytes; a gap that an overlap elsewhere makes up for changes the squares.
struct AppendTally {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t squares = 0;

  void add(Lsn begin, std::uint32_t size) {
    ++records;
    bytes += size;
    squares += size * (2 * begin + size);
  }
  void add(const AppendTally& other) {
    records += other.records;
    bytes += other.bytes;
    squares += other.squares;
  }
  bool tiles(Lsn start, Lsn end) const {
    return bytes == end - start && squares == (end - start) * (end + start);
  }
};

/// What one worker appends, and its tally: records of drawn sizes.
class DrawnRecords {
 public:
  DrawnRecords(std::span<const std::uint32_t> choices, std::uint64_t seed, std::uint32_t worker)
      : sizes_(choices, seed, worker) {}
  std::uint32_t next_size() const { return sizes_.of(tally_.records); }
  void add(Lsn begin, std::uint32_t size) { tally_.add(begin, size); }
  AppendTally tally() const { return tally_; }
  std::uint64_t records() const { return tally_.records; }
  std::uint64_t bytes() const { return tally_.bytes; }

 private:
  AppendSizes sizes_;
  AppendTally tally_;
};

/// Records of one size, which is taken out of the sums: an append is to cost little more for them.
class EqualRecords {
 public:
  explicit EqualRecords(std::uint32_t size) : size_(size) {}
  std::uint32_t next_size() const { return size_; }
  void add(Lsn begin, std::uint32_t /*size*/) {
    ++records_;
    begins_ += begin;
  }
  AppendTally tally() const { return {records_, bytes(), size_ * (2 * begins_ + bytes())}; }
  std::uint64_t records() const { return records_; }
  std::uint64_t bytes() const { return records_ * size_; }

 private:
  const std::uint32_t size_;
  std::uint64_t records_ = 0;
  Lsn begins_ = 0;  // their sum
};

/// Reads the log of an `append` run and finds what no correct log buffer can have let through: a gap, a record that
/// is lost, doubled, out of its worker's order, of another size or with other bytes.
class AppendVerifier {
 public:
  AppendVerifier(std::span<const std::uint32_t> sizes, const AppendPayload& payload, std::uint64_t seed,
                 std::uint32_t workers);

  /// Compares the record at the front of `bytes`, which begin at `begin` and end at a boundary, byte by byte.
  /// Returns its size; nothing where it is not what has to be there.
  std::optional<std::uint32_t> take(Lsn begin, std::span<const std::byte> bytes);
  /// What take() found, in one line.
  const std::string& fault() const { return fault_; }

  /// The next record that is taken follows others that are not: each worker goes on with any later sequence.
  void skip();

  std::uint64_t compared() const { return compared_; }
  /// Whether what was taken of a worker that appended `records` ended with its last one.
  bool ended(std::uint32_t worker, std::uint64_t records) const;
  /// The sequence that has to come next, or may come next at the earliest after skip().
  std::uint64_t next(std::uint32_t worker) const { return expected_[worker].sequence; }

 private:
  struct Expected {
    AppendSizes sizes;
    std::uint64_t sequence = 0;
    bool skipped = false;  // any later sequence will do
  };

  std::optional<std::uint32_t> reject(std::string fault);

  const AppendPayload& payload_;
  std::vector<Expected> expected_;  // by worker
  std::uint64_t compared_ = 0;      // records
  std::string fault_;
};

}  // namespace muster
