#include "engine/lsm/bloom_filter.h"

#include <map>
#include <string>

#include "engine/error.h"
#include "tests/engine/lsm/table_testing.h"

namespace muster::lsm {
namespace {

std::string key_of(std::uint64_t i) {
  return "user" + std::to_string(i);
}

std::vector<std::byte> filter_of(std::uint32_t bits_per_key, std::uint64_t keys) {
  BloomFilterBuilder builder(bits_per_key);
  for (std::uint64_t i = 0; i < keys; ++i) builder.add(bytes_of(key_of(i)));
  return builder.finish();
}

/// Of 10,000 absent keys.
std::uint64_t false_positives(const BloomFilter& filter, std::uint64_t keys) {
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) count += filter.may_contain(bytes_of(key_of(keys + i))) ? 1 : 0;
  return count;
}

TEST_CASE("BloomFilter: it knows every key that was added, whatever their number") {
  const auto bits = GENERATE(1u, 4u, 10u, 24u);
  const auto keys = GENERATE(1u, 2u, 50u, 1000u, 20000u);
  CAPTURE(bits, keys);
  const BloomFilter filter{filter_of(bits, keys)};
  CHECK(filter.bytes() * 8 >= std::uint64_t{keys} * bits);
  std::uint64_t missed = 0;
  for (std::uint64_t i = 0; i < keys; ++i) missed += filter.may_contain(bytes_of(key_of(i))) ? 0 : 1;
  CHECK(missed == 0);
}

TEST_CASE("BloomFilter: few absent keys are taken for present, as the header states") {
  const std::map<std::uint32_t, double> stated = {{4, 16},   {6, 6.5},  {8, 2.7},
                                                  {10, 1.2}, {12, 0.6}, {16, 0.2}};
  for (const auto& [bits, of_hundred] : stated) {
    CAPTURE(bits);
    const auto count = static_cast<double>(false_positives(BloomFilter{filter_of(bits, 50000)}, 50000));
    CHECK(count < 100 * of_hundred * 1.5 + 20);
    CHECK(count > 100 * of_hundred * 0.5 - 20);
  }
}

TEST_CASE("BloomFilter: without bits or keys every key may be there") {
  CHECK(filter_of(0, 100).empty());
  CHECK(filter_of(10, 0).empty());
  CHECK(BloomFilter{Bytes()}.may_contain(bytes_of("a")));
  CHECK(BloomFilter().may_contain({}));
}

TEST_CASE("BloomFilter: a key that comes again in a row takes no more room") {
  BloomFilterBuilder builder(10);
  for (int i = 0; i < 1000; ++i) builder.add(bytes_of("same"));
  CHECK(builder.finish().size() == filter_of(10, 1).size());
}

TEST_CASE("BloomFilter: bytes of another shape are damage, and more bits than there may be are refused") {
  CHECK_THROWS_AS(BloomFilterBuilder(kBloomBitsMax + 1), std::invalid_argument);
  std::vector<std::byte> bytes = filter_of(10, 100);
  CHECK_THROWS_AS(BloomFilter(Bytes(bytes).first(bytes.size() - 1)), DamageError);
  CHECK_THROWS_AS(BloomFilter(Bytes(bytes).last(1)), DamageError);
  for (const int probes : {0, 17, 255}) {
    bytes.back() = static_cast<std::byte>(probes);
    CHECK_THROWS_AS(BloomFilter{bytes}, DamageError);
  }
}

}  // namespace
}  // namespace muster::lsm
