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
            return make_ycsb(options_of<YcsbOptions>(c), engine_run(c, database));
          }};
}

}  // namespace muster
