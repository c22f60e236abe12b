#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "tests/catch.h"
#include "workloads/ycsb_operations.h"
#include "workloads/ycsb_value.h"
#include "workloads/zipf.h"

namespace {

using namespace muster;

/// Chi-square of drawn counts against Zipf's exact probabilities; the statistic's own mean is n - 1.
double chi_square(std::uint64_t n, double theta, std::uint64_t draws, std::uint64_t seed) {
  const Zipf zipf(n, theta);
  Random random(seed);
  std::vector<double> counts(n, 0);
  for (std::uint64_t i = 0; i < draws; ++i) counts[zipf.draw(random) - 1] += 1;
  double sum = 0;
  for (std::uint64_t k = 1; k <= n; ++k) sum += std::pow(static_cast<double>(k), -theta);
  double statistic = 0;
  for (std::uint64_t k = 1; k <= n; ++k) {
    const double expected = static_cast<double>(draws) * std::pow(static_cast<double>(k), -theta) / sum;
    statistic += (counts[k - 1] - expected) * (counts[k - 1] - expected) / expected;
  }
  return statistic;
}

TEST_CASE("Zipf: draws follow the exact distribution for every skew") {
  for (const double theta : {0.0, 0.5, 0.99, 1.0, 1.5}) {
    // 99 degrees of freedom: mean 99, standard deviation 14; above 168 with a probability of 1e-5.
    INFO("theta " << theta);
    CHECK(chi_square(100, theta, 200'000, 11) < 168);
  }
}

TEST_CASE("Zipf: a skew that differs by a twentieth is told apart, so that the test above means something") {
  const Zipf zipf(100, 0.94);
  Random random(11);
  std::vector<double> counts(100, 0);
  for (int i = 0; i < 200'000; ++i) counts[zipf.draw(random) - 1] += 1;
  double sum = 0;
  for (int k = 1; k <= 100; ++k) sum += std::pow(k, -0.99);
  double statistic = 0;
  for (int k = 1; k <= 100; ++k) {
    const double expected = 200'000 * std::pow(k, -0.99) / sum;
    statistic += std::pow(counts[static_cast<std::size_t>(k - 1)] - expected, 2) / expected;
  }
  CHECK(statistic > 168);
}

TEST_CASE("Zipf: one record is always drawn, and a large range stays in it") {
  Random random(3);
  CHECK(Zipf(1, 0.99).draw(random) == 1);
  const Zipf large(std::uint64_t{1} << 40, 0.99);
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t k = large.draw(random);
    REQUIRE((k >= 1 && k <= std::uint64_t{1} << 40));
  }
}

TEST_CASE("Scatter: every key comes once, and the hottest are far apart") {
  for (const std::uint64_t n : {1, 2, 3, 10, 97, 1000, 4096}) {
    const Scatter scatter(n);
    std::set<std::uint64_t> keys;
    for (std::uint64_t rank = 0; rank < n; ++rank) keys.insert(scatter(rank));
    CHECK(keys.size() == n);
    CHECK(*keys.rbegin() == n - 1);
  }
  const Scatter scatter(1000);
  for (std::uint64_t a = 0; a < 8; ++a) {
    for (std::uint64_t b = 0; b < a; ++b) {
      CHECK(std::abs(static_cast<double>(scatter(a)) - static_cast<double>(scatter(b))) > 40);
    }
  }
}

TEST_CASE("YcsbOperations: each mix has its share of reads, and one seed repeats it") {
  const auto share_of_reads = [](YcsbMix mix, std::optional<double> reads_asked = {}) {
    YcsbOptions options;
    options.mix = mix;
    options.reads = reads_asked;
    options.operations = 10'000;
    std::vector<YcsbOperation> transaction;
    YcsbOperations(options, 5, 1).next(transaction);
    double reads = 0;
    for (const auto& operation : transaction) reads += operation.kind == YcsbOperation::Kind::read ? 1 : 0;
    return reads / 10'000;
  };
  CHECK(std::abs(share_of_reads(YcsbMix::a) - 0.5) < 0.03);
  CHECK(std::abs(share_of_reads(YcsbMix::b) - 0.95) < 0.02);
  CHECK(share_of_reads(YcsbMix::c) == 1.0);
  CHECK(std::abs(share_of_reads(YcsbMix::f) - 0.5) < 0.03);
  CHECK(share_of_reads(YcsbMix::load) == 0);
  CHECK(share_of_reads(YcsbMix::a, 0) == 0);
  CHECK(std::abs(share_of_reads(YcsbMix::b, 0.2) - 0.2) < 0.03);
  CHECK(share_of_reads(YcsbMix::f, 1) == 1);

  YcsbOptions scans;
  scans.mix = YcsbMix::e;
  scans.operations = 10'000;
  scans.scan_records = 7;
  std::vector<YcsbOperation> of_e;
  YcsbOperations(scans, 5, 1).next(of_e);
  std::array<int, 8> lengths{};
  for (const YcsbOperation& one : of_e) ++lengths.at(one.kind == YcsbOperation::Kind::scan ? one.records : 0);
  CHECK(std::abs(lengths[0] - 500) < 100);  // insertions
  for (int records = 1; records <= 7; ++records) CHECK(std::abs(lengths.at(records) - 9500 / 7) < 200);

  YcsbOptions options;
  options.operations = 100;
  std::vector<YcsbOperation> first, again, other;
  YcsbOperations(options, 5, 1).next(first);
  YcsbOperations(options, 5, 1).next(again);
  YcsbOperations(options, 5, 2).next(other);
  const auto keys = [](const std::vector<YcsbOperation>& operations) {
    std::vector<std::uint64_t> list;
    for (const auto& operation : operations) list.push_back(operation.key);
    return list;
  };
  CHECK(keys(first) == keys(again));
  CHECK(keys(first) != keys(other));
}

TEST_CASE("YcsbOperations: partitioned keys are each one worker's, and all of them are somebody's") {
  YcsbOptions options;
  options.records = 10;
  options.operations = 1000;
  options.distribution = KeyDistribution::partitioned;
  std::vector<YcsbOperation> drawn;
  std::map<std::uint64_t, std::uint32_t> owners;
  for (std::uint32_t worker = 0; worker < 3; ++worker) {
    YcsbOperations(options, 5, worker + 1, worker, 3).next(drawn);
    for (const YcsbOperation& operation : drawn) {
      CHECK(owners.try_emplace(operation.key, worker).first->second == worker);
    }
  }
  CHECK(owners.size() == 10);
}

TEST_CASE("YcsbValue: a value is read back, and any changed byte, key or length is noticed") {
  for (const std::uint32_t bytes : {24u, 25u, 31u, 100u, 1024u}) {
    const YcsbValue values(bytes, 9);
    std::vector<std::byte> value(bytes);
    values.write(17, 42, value);
    CHECK(values.stamp(17, value) == 42u);
    CHECK_FALSE(values.stamp(18, value));
    CHECK_FALSE(values.stamp(17, std::span(value).first(bytes - 1)));
    std::size_t unnoticed = 0;
    for (std::byte& byte : value) {
      byte ^= std::byte{0x10};
      if (values.stamp(17, value)) ++unnoticed;
      byte ^= std::byte{0x10};
    }
    CHECK(unnoticed == 0);
  }
}

TEST_CASE("ycsb_key: keys sort as their numbers and are read back") {
  const std::vector<std::uint64_t> numbers{0, 1, 255, 256, 65535, 1ull << 32, ~0ull};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    CHECK(ycsb_number(ycsb_key(numbers[i])) == numbers[i]);
    if (i > 0) CHECK(ycsb_key(numbers[i - 1]) < ycsb_key(numbers[i]));
  }
}

}  // namespace
