#include "workloads/append_record.h"

#include <fmt/format.h>

#include <algorithm>

namespace muster {

std::vector<std::uint32_t> report_mix() {
  constexpr std::size_t kMarks = 10, kUpdates = 20, kCompensations = 1;  // a quarter of 40, 80 and 4
  std::vector<std::uint32_t> sizes(kMarks, 28);
  sizes.insert(sizes.end(), kUpdates, 288);
  sizes.insert(sizes.end(), kCompensations, 296);
  return sizes;
}

AppendPayload::AppendPayload(std::uint32_t record_bytes_max, std::uint64_t seed)
    : filler_(kPlaces * kPlaceBytes + record_bytes_max) {
  Random random(seed, ~std::uint64_t{0});  // a stream that no worker has
  std::generate(filler_.begin(), filler_.end(), [&] { return static_cast<std::byte>(random.next()); });
}

AppendVerifier::AppendVerifier(std::span<const std::uint32_t> sizes, const AppendPayload& payload,
                               std::uint64_t seed, std::uint32_t workers)
    : payload_(payload) {
  expected_.reserve(workers);
  for (std::uint32_t worker = 0; worker < workers; ++worker)
    expected_.push_back({AppendSizes(sizes, seed, worker)});
}

std::optional<std::uint32_t> AppendVerifier::reject(std::string fault) {
  fault_ = std::move(fault);
  return std::nullopt;
}

std::optional<std::uint32_t> AppendVerifier::take(Lsn begin, std::span<const std::byte> bytes) {
  AppendHeader header;
  if (bytes.size() < sizeof header) {
    return reject(
        fmt::format("LSN {}: expected a record, found {} bytes up to the boundary", begin, bytes.size()));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.worker >= expected_.size()) {
    return reject(
        fmt::format("LSN {}: expected a worker below {}, found {}", begin, expected_.size(), header.worker));
  }
  Expected& next = expected_[header.worker];
  if (next.skipped ? header.sequence < next.sequence : header.sequence != next.sequence) {
    return reject(fmt::format("worker {}, LSN {}: expected its record {}{}, found {}", header.worker, begin,
                              next.sequence, next.skipped ? " or a later one" : "", header.sequence));
  }
  const std::uint32_t size = next.sizes.of(header.sequence);
  if (header.bytes != size) {
    return reject(fmt::format("worker {}, LSN {}: expected record {} of {} bytes, found {}", header.worker,
                              begin, header.sequence, size, header.bytes));
  }
  if (size > bytes.size()) {
    return reject(
        fmt::format("worker {}, LSN {}: expected record {} of {} bytes, found the boundary after {}",
                    header.worker, begin, header.sequence, size, bytes.size()));
  }
  const std::span<const std::byte> found = bytes.subspan(sizeof header, size - sizeof header);
  const std::span<const std::byte> expected = payload_.of(header);
  if (std::memcmp(found.data(), expected.data(), found.size()) != 0) {
    const auto at = std::mismatch(found.begin(), found.end(), expected.begin());
    return reject(fmt::format("worker {}, LSN {}: expected byte {:#04x} in record {}, found {:#04x}",
                              header.worker, begin + sizeof header + (at.first - found.begin()),
                              static_cast<unsigned>(*at.second), header.sequence,
                              static_cast<unsigned>(*at.first)));
  }
  ++compared_;
  next.sequence = header.sequence + 1;
  next.skipped = false;
  return size;
}

void AppendVerifier::skip() {
  for (Expected& next : expected_) next.skipped = true;
}

bool AppendVerifier::ended(std::uint32_t worker, std::uint64_t records) const {
  const Expected& next = expected_[worker];
  return next.skipped ? next.sequence <= records : next.sequence == records;
}

}  // namespace muster
