#pragma once

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

/// The sizes of one worker's records, one after the other; whoever knows seed and worker can repeat them.
class AppendSizes {
 public:
  AppendSizes(std::span<const std::uint32_t> choices, std::uint64_t seed, std::uint32_t worker)
      : choices_(choices), random_(seed, worker) {}
  std::uint32_t next() {
    return choices_.size() == 1 ? choices_[0] : choices_[random_.below(choices_.size())];
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
    const std::uint64_t place = (header.sequence * 1009 + header.worker * std::uint64_t{2203}) % kPlaces;
    return {filler_.data() + place, header.bytes - sizeof(AppendHeader)};
  }

  void write(std::span<std::byte> record, const AppendHeader& header) const {
    std::memcpy(record.data(), &header, sizeof header);
    const std::span<const std::byte> payload = of(header);
    std::memcpy(record.data() + sizeof header, payload.data(), payload.size());
  }

 private:
  static constexpr std::uint64_t kPlaces = 4096;
  std::vector<std::byte> filler_;
};

/// Reads the log of an `append` run from its start and finds what no correct log buffer can have let through:
/// a gap, a record that is lost, doubled, out of its worker's order, of another size or with other bytes.
class AppendVerifier {
 public:
  enum class Depth : std::uint8_t {
    edges,  ///< the header, and the payload's first and last bytes
    every_byte,
  };

  AppendVerifier(std::span<const std::uint32_t> sizes, const AppendPayload& payload, std::uint64_t seed,
                 std::uint32_t workers);

  /// Takes the record at the front of `bytes`, which begin at `begin` and end at the boundary. Returns its
  /// size; 0 where the boundary lies inside it (Eleda hops by ranges, not by records), so that it is to be
  /// taken later; or nothing where it is not what has to be there.
  std::optional<std::uint32_t> take(Lsn begin, std::span<const std::byte> bytes, Depth depth);
  /// What take() found, in one line.
  const std::string& fault() const { return fault_; }

  std::uint64_t records() const { return records_; }
  std::uint64_t compared_whole() const { return compared_whole_; }
  std::uint64_t records_of(std::uint32_t worker) const { return expected_[worker].sequence; }

 private:
  struct Expected {
    AppendSizes sizes;
    std::uint32_t bytes;  // of the next record
    std::uint64_t sequence = 0;
  };

  const AppendPayload& payload_;
  std::vector<Expected> expected_;  // by worker
  std::uint64_t records_ = 0;
  std::uint64_t compared_whole_ = 0;
  std::string fault_;
};

}  // namespace muster
