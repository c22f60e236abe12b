#include "engine/lsm/bloom_filter.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "engine/error.h"

namespace muster::lsm {
namespace {

// In the file: lines of 64 bytes, each a block of 512 bits, and one byte with the number of bits that a key sets.
constexpr std::size_t kLineBytes = 64;
constexpr std::uint32_t kLineBits = 512;
constexpr std::uint32_t kProbesMax = 16;

std::uint64_t hash_of(Bytes key) {
  return XXH3_64bits(key.data(), key.size());
}

/// The upper half of the hash chooses the line.
std::size_t line_of(std::uint64_t hash, std::size_t lines) {
  return static_cast<std::size_t>((hash >> 32) * lines >> 32);
}

/// The lower half chooses the bits in it. Each step multiplies it, and its upper nine bits are the next bit's number.
class Probes {
 public:
  explicit Probes(std::uint64_t hash) : state_(static_cast<std::uint32_t>(hash)) {}
  std::uint32_t next() {
    state_ *= 0x9e3779b1u;
    return state_ >> 23;
  }
  static_assert(kLineBits == 1u << (32 - 23));

 private:
  std::uint32_t state_;
};

/// ln 2 bits a key and probe are best for a filter in one piece, and near the best for one in lines.
std::uint32_t probes_for(std::uint32_t bits_per_key) {
  return std::clamp(static_cast<std::uint32_t>(std::lround(bits_per_key * 0.69)), 1u, kProbesMax);
}

}  // namespace

BloomFilterBuilder::BloomFilterBuilder(std::uint32_t bits_per_key) : bits_per_key_(bits_per_key) {
  if (bits_per_key > kBloomBitsMax)
    throw std::invalid_argument(
        fmt::format("a Bloom filter of {} bits a key: want 0 to {}", bits_per_key, kBloomBitsMax));
}

void BloomFilterBuilder::add(Bytes key) {
  if (bits_per_key_ == 0) return;
  const std::uint64_t hash = hash_of(key);
  if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
}

std::vector<std::byte> BloomFilterBuilder::finish() const {
  if (hashes_.empty()) return {};
  const std::size_t lines = (hashes_.size() * bits_per_key_ + kLineBits - 1) / kLineBits;
  const std::uint32_t probes = probes_for(bits_per_key_);
  std::vector<std::byte> bytes(lines * kLineBytes + 1);
  for (const std::uint64_t hash : hashes_) {
    std::byte* const line = bytes.data() + line_of(hash, lines) * kLineBytes;
    Probes bits(hash);
    for (std::uint32_t i = 0; i < probes; ++i) {
      const std::uint32_t bit = bits.next();
      line[bit / 8] |= static_cast<std::byte>(1u << bit % 8);
    }
  }
  bytes.back() = static_cast<std::byte>(probes);
  return bytes;
}

BloomFilter::BloomFilter(Bytes bytes) {
  static_assert(sizeof(Line) == kLineBytes);
  if (bytes.empty()) return;
  probes_ = static_cast<std::uint32_t>(bytes.back());
  if (bytes.size() % kLineBytes != 1 || bytes.size() == 1 || probes_ == 0 || probes_ > kProbesMax)
    throw DamageError("no Bloom filter");
  lines_.resize(bytes.size() / kLineBytes);
  std::memcpy(lines_.data(), bytes.data(), lines_.size() * kLineBytes);
}

bool BloomFilter::may_contain(Bytes key) const {
  if (lines_.empty()) return true;
  const std::uint64_t hash = hash_of(key);
  const Line& line = lines_[line_of(hash, lines_.size())];
  Probes bits(hash);
  for (std::uint32_t i = 0; i < probes_; ++i) {
    const std::uint32_t bit = bits.next();
    if ((line.words[bit / 64] >> bit % 64 & 1) == 0) return false;  // as in bytes: little-endian
  }
  return true;
}

}  // namespace muster::lsm
