#include "workloads/ycsb_value.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "workloads/random.h"

namespace muster {
namespace {

struct Head {
  std::uint64_t key = 0;
  std::uint64_t stamp = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Head) == YcsbValue::kMinBytes && offsetof(Head, stamp) == YcsbValue::kStampOffset);

/// A word times an odd number is a bijection of it, so that no single word can change unnoticed; each has another
/// number, so that none can change places. The products do not wait for each other.
std::uint64_t checksum(std::uint64_t key, std::uint64_t stamp, Bytes filler) {
  constexpr std::uint64_t kOdd = 0xff51afd7ed558ccd;
  constexpr std::uint64_t kStep = 2 * 0x9e3779b97f4a7c15;
  const auto scrambled = [](std::uint64_t word, std::uint64_t odd) {
    const std::uint64_t product = word * odd;
    return product ^ product >> 32;
  };
  std::uint64_t odd = kOdd;
  std::uint64_t sum = mix(key + 0x9e3779b97f4a7c15) ^ stamp;
  std::size_t at = 0;
  for (; at + 8 <= filler.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, filler.data() + at, 8);
    sum += scrambled(word, odd);
    odd += kStep;
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, filler.data() + at, filler.size() - at);
  return mix(sum + scrambled(rest, odd));
}

}  // namespace

YcsbKey ycsb_key(std::uint64_t number) {
  YcsbKey key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(number >> (56 - 8 * i));
  return key;
}

std::optional<std::uint64_t> ycsb_number(Bytes key) {
  if (key.size() != sizeof(YcsbKey)) return std::nullopt;
  std::uint64_t number = 0;
  for (const std::byte byte : key) number = number << 8 | static_cast<std::uint64_t>(byte);
  return number;
}

YcsbValue::YcsbValue(std::uint32_t bytes, std::uint64_t seed, bool is_counter)
    : bytes_(bytes), is_counter_(is_counter), filler_(kPlaces + bytes) {
  Random random(seed, ~std::uint64_t{0});  // a stream that no worker has
  std::generate(filler_.begin(), filler_.end(), [&] { return static_cast<std::byte>(random.next()); });
}

void YcsbValue::write(std::uint64_t key, std::uint64_t stamp, std::span<std::byte> into) const {
  const std::span<std::byte> filler = into.subspan(sizeof(Head));
  const std::uint64_t covered = is_counter_ ? 0 : stamp;
  std::memcpy(filler.data(), filler_.data() + mix(covered) % kPlaces, filler.size());
  const Head head{key, stamp, checksum(key, covered, filler)};
  std::memcpy(into.data(), &head, sizeof head);
}

std::optional<std::uint64_t> YcsbValue::stamp(std::uint64_t key, Bytes value) const {
  if (value.size() != bytes_) return std::nullopt;
  Head head;
  std::memcpy(&head, value.data(), sizeof head);
  const std::uint64_t covered = is_counter_ ? 0 : head.stamp;
  if (head.key != key || head.checksum != checksum(key, covered, value.subspan(sizeof head)))
    return std::nullopt;
  return head.stamp;
}

std::optional<std::uint64_t> YcsbValue::number(Bytes value) {
  Head head;
  if (value.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, value.data(), sizeof head);
  return head.key;
}

}  // namespace muster
