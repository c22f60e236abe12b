#include "workloads/append_record.h"

#include <fmt/format.h>

#include <algorithm>

namespace muster {
namespace {

constexpr std::size_t kEdge = 8;

/// Where the two first differ; nothing where they are equal.
std::optional<std::size_t> difference(std::span<const std::byte> found, std::span<const std::byte> expected) {
  if (std::memcmp(found.data(), expected.data(), found.size()) == 0) return std::nullopt;
  const auto at = std::mismatch(found.begin(), found.end(), expected.begin());
  return static_cast<std::size_t>(at.first - found.begin());
}

}  // namespace

AppendPayload::AppendPayload(std::uint32_t record_bytes_max, std::uint64_t seed)
    : filler_(kPlaces + record_bytes_max) {
  Random random(seed, ~std::uint64_t{0});  // a stream that no worker has
  std::generate(filler_.begin(), filler_.end(), [&] { return static_cast<std::byte>(random.next()); });
}

AppendVerifier::AppendVerifier(std::span<const std::uint32_t> sizes, const AppendPayload& payload,
                               std::uint64_t seed, std::uint32_t workers)
    : payload_(payload) {
  expected_.reserve(workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker) {
    AppendSizes of_worker(sizes, seed, worker);
    const std::uint32_t first = of_worker.next();
    expected_.push_back({of_worker, first});
  }
}

std::optional<std::uint32_t> AppendVerifier::take(Lsn begin, std::span<const std::byte> bytes, Depth depth) {
  AppendHeader header;
  if (bytes.size() < sizeof header) return 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.worker >= expected_.size()) {
    fault_ =
        fmt::format("LSN {}: expected a worker below {}, found {}", begin, expected_.size(), header.worker);
    return std::nullopt;
  }
  Expected& next = expected_[header.worker];
  if (header.sequence != next.sequence) {
    fault_ = fmt::format("worker {}, LSN {}: expected its record {}, found {}", header.worker, begin,
                         next.sequence, header.sequence);
    return std::nullopt;
  }
  if (header.bytes != next.bytes) {
    fault_ = fmt::format("worker {}, LSN {}: expected record {} of {} bytes, found {}", header.worker, begin,
                         next.sequence, next.bytes, header.bytes);
    return std::nullopt;
  }
  if (header.bytes > bytes.size()) return 0;
  const std::span<const std::byte> found = bytes.subspan(sizeof header, header.bytes - sizeof header);
  const std::span<const std::byte> expected = payload_.of(header);
  std::optional<std::size_t> wrong;
  if (depth == Depth::every_byte || found.size() <= 2 * kEdge) {
    wrong = difference(found, expected);
    ++compared_whole_;
  } else {
    wrong = difference(found.first(kEdge), expected.first(kEdge));
    if (!wrong && (wrong = difference(found.last(kEdge), expected.last(kEdge))))
      *wrong += found.size() - kEdge;
  }
  if (wrong) {
    fault_ =
        fmt::format("worker {}, LSN {}: expected byte {:#04x} in record {}, found {:#04x}", header.worker,
                    begin + sizeof header + *wrong, static_cast<unsigned>(expected[*wrong]), header.sequence,
                    static_cast<unsigned>(found[*wrong]));
    return std::nullopt;
  }
  ++records_;
  ++next.sequence;
  next.bytes = next.sizes.next();
  return header.bytes;
}

}  // namespace muster
