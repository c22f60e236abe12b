#include <algorithm>
#include <limits>

#include "harness/config_rows.h"
#include "harness/workload_kind.h"
#include "workloads/ycsb.h"
#include "workloads/ycsb_value.h"

namespace muster {
namespace {

// In the order of their enumerators.
const Choices& mixes() {
  static const Choices names{"A", "B", "C", "F"};
  return names;
}
const Choices& distributions() {
  static const Choices names{"uniform", "zipf"};
  return names;
}

const Choices& arrivals() {
  static const Choices names{"constant", "poisson"};
  return names;
}

/// A tick of the processor is about as short as the interval at the most.
constexpr double kRateMax = 1e9;
constexpr const char* kClosed = "closed";

ConfigKey rate() {
  return {"load.rate",
          UsedBy::own,
          fmt::format("a number above 0, at most {:.0f}, or \"closed\"", kRateMax),
          "transactions a second over all workers, due whatever becomes of those before; closed: each worker "
          "begins the next when "
          "it is done with the last",
          false,
          [](const nlohmann::ordered_json& value, Configuration& into) {
            double& rate = options_of<YcsbOptions>(into).load.rate;
            rate = 0;
            if (value == kClosed) return true;
            if (!value.is_number()) return false;
            rate = value.get<double>();
            return rate > 0 && rate <= kRateMax;
          },
          [](const Configuration& from) {
            const LoadOptions& load = options_of<YcsbOptions>(from).load;
            if (!load.is_open()) return nlohmann::ordered_json(kClosed);
            const auto whole = static_cast<std::uint64_t>(load.rate);
            return static_cast<double>(whole) == load.rate ? nlohmann::ordered_json(whole)
                                                           : nlohmann::ordered_json(load.rate);
          }};
}

std::vector<ConfigKey> keys() {
  // clang-format off
  return {
      choice_of("ycsb.mix", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).mix; }, mixes(),
                "operations: A half reads, half updates; B 95% reads, 5% updates; C reads; F half reads, half read-modify-writes"),
      integer("ycsb.records", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).records; }, 1,
              std::numeric_limits<std::uint32_t>::max(), "records in the table, loaded before the first repetition"),
      integer("ycsb.value_bytes", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).value_bytes; },
              YcsbValue::kMinBytes, YcsbValue::kMaxBytes, "bytes of a value; its key has 8 more"),
      integer("ycsb.operations", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).operations; }, 1, 10'000,
              "operations a transaction"),
      choice_of("ycsb.distribution", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).distribution; },
                distributions(), "how keys are drawn; with zipf the hot ones are spread over the table"),
      rate(),
      choice_of("load.arrivals", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).load.arrivals; },
                arrivals(), "of an open loop: constant, equally far apart; poisson, at random, each worker's independently"),
      number("ycsb.theta", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).theta; }, 0, 10,
             "skew of zipf: the k-th hottest key is drawn with a probability like 1 / k^theta"),
  };
  // clang-format on
}

/// The stamps that are verified at the end, and the table, as far as frames hold it.
std::vector<MemoryNeed> memory(const Configuration& c) {
  const auto& options = options_of<YcsbOptions>(c);
  const std::uint64_t table = options.records * (sizeof(YcsbKey) + options.value_bytes);
  return {
      {"ycsb.records", options.records * sizeof(std::uint64_t) +
                           std::min<std::uint64_t>(table, c.database.frames * std::uint64_t{kPageBytes})}};
}

}  // namespace

WorkloadKind ycsb_kind() {
  return {.name = "ycsb",
          .meaning = "YCSB over the engine",
          .title =
              "YCSB {ycsb.mix}, {ycsb.records} records of {ycsb.value_bytes} bytes, {ycsb.distribution}, "
              "{ycsb.operations} operations a transaction, {engine.policy}, log on {log.device}",
          .engine = true,
          .options = YcsbOptions{},
          .keys = keys(),
          .memory = memory,
          .make = [](const Configuration& c, const DatabaseOptions& database) {
            return make_ycsb(options_of<YcsbOptions>(c), database, c.policy, c.threads, c.seed);
          }};
}

}  // namespace muster
