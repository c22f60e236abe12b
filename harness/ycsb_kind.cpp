#include <algorithm>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "harness/config_rows.h"
#include "harness/workload_kind.h"
#include "workloads/ycsb.h"
#include "workloads/ycsb_value.h"

namespace muster {
namespace {

// In the order of their enumerators.
const Choices& mixes() {
  static const Choices names{"A", "B", "C", "E", "F", "load"};
  return names;
}
const Choices& distributions() {
  static const Choices names{"uniform", "zipf", "partitioned", "same_page"};
  return names;
}
const Choices& modifications() {
  static const Choices names{"update", "increment"};
  return names;
}
const Choices& latencies() {
  static const Choices names{"commit", "begin"};
  return names;
}

constexpr const char* kOfTheMix = "mix";

ConfigKey reads() {
  return {"ycsb.reads",
          UsedBy::own,
          "a number from 0 to 1, or \"mix\"",
          "share of the operations of A, B, E or F that only read (0: none); mix: as the mix says",
          false,
          [](const nlohmann::ordered_json& value, Configuration& into) {
            std::optional<double>& reads = options_of<YcsbOptions>(into).reads;
            reads.reset();
            if (value == kOfTheMix) return true;
            if (!value.is_number()) return false;
            reads = value.get<double>();
            return *reads >= 0 && *reads <= 1;
          },
          [](const Configuration& from) {
            const std::optional<double>& reads = options_of<YcsbOptions>(from).reads;
            return reads ? nlohmann::ordered_json(*reads) : nlohmann::ordered_json(kOfTheMix);
          }};
}

std::vector<ConfigKey> keys() {
  // clang-format off
  return {
      choice_of("ycsb.mix", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).mix; }, mixes(),
                "operations: A half reads, half updates; B 95% reads, 5% updates; C reads; E 95% scans, 5% insertions; F half reads, half read-modify-writes; load insertions of new records at random places"),
      reads(),
      integer("ycsb.records", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).records; }, 1,
              std::numeric_limits<std::uint32_t>::max(), "records in the table, loaded before the first repetition"),
      integer("ycsb.value_bytes", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).value_bytes; },
              YcsbValue::kMinBytes, YcsbValue::kMaxBytes, "bytes of a value; its key has 8 more"),
      integer("ycsb.operations", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).operations; }, 1, 10'000,
              "operations a transaction"),
      integer("ycsb.scan_records", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).scan_records; }, 1, 1'000'000,
              "records that a scan of E reads at most; each reads a number that is drawn from 1 on"),
      choice_of("ycsb.distribution", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).distribution; },
                distributions(), "how keys are drawn; with zipf the hot ones are spread over the table, with partitioned each worker has its own share of the keys, with same_page all are on one leaf page"),
      number("ycsb.theta", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).theta; }, 0, 10,
             "skew of zipf: the k-th hottest key is drawn with a probability like 1 / k^theta"),
      duration<std::chrono::microseconds>("ycsb.think_us", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).think; }, 0, 10'000'000,
              "microseconds that a transaction sleeps after its reads and before its writes; 0: it reads and writes in the order drawn"),
      choice_of("ycsb.latency_from", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).latency_from; }, latencies(),
                "what commit_latency of a closed loop covers: commit the call, of transactions that wrote; begin all transactions from their first begin on, tries that were rolled back included"),
      choice_of("ycsb.modify", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).modify; }, modifications(),
                "how F's read-modify-writes add 1: update, they read for update and then update; increment, the engine adds, and two on one record need not wait for each other"),
      integer("ycsb.readers", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).readers; }, 0, 4096,
              "of the threads, the first so many run long transactions that only read; throughput counts them, too"),
      integer("ycsb.reader_operations", UsedBy::own, [](auto& c) -> auto& { return options_of<YcsbOptions>(c).reader_operations; }, 1, 10'000'000,
              "reads in each transaction of such a reader; ycsb.readers"),
  };
  // clang-format on
}

/// Throws ConfigError for options that do not fit the mix or each other.
void check_mix(const Configuration& c) {
  const auto& options = options_of<YcsbOptions>(c);
  const std::string_view mix = mixes()[static_cast<std::size_t>(options.mix)];
  if (options.reads && (options.mix == YcsbMix::c || options.mix == YcsbMix::load)) {
    throw ConfigError(
        "ycsb.reads", nlohmann::json(*options.reads).dump(),
        fmt::format("want \"mix\", or \"ycsb.mix\" one of A, B, E, F: {} has operations of one kind", mix));
  }
  if (options.latency_from == LatencyFrom::begin && c.load.is_open()) {
    throw ConfigError("ycsb.latency_from", "\"begin\"",
                      "want \"commit\": in an open loop latency counts from when a transaction was due");
  }
  if (options.modify == YcsbModify::increment && options.mix != YcsbMix::f) {
    throw ConfigError("ycsb.modify", "\"increment\"",
                      fmt::format("want \"update\", or \"ycsb.mix\": \"F\": {} adds nothing up", mix));
  }
  if (options.readers >= c.threads && options.readers != 0) {
    throw ConfigError(
        "ycsb.readers", std::to_string(options.readers),
        fmt::format("want less than threads, {}: a worker that writes is left then", c.threads));
  }
  const std::string_view distribution = distributions()[static_cast<std::size_t>(options.distribution)];
  const bool is_of_places = options.distribution == KeyDistribution::partitioned ||
                            options.distribution == KeyDistribution::same_page;
  if (options.mix == YcsbMix::e && is_of_places) {
    throw ConfigError("ycsb.distribution", fmt::format("\"{}\"", distribution),
                      "want \"uniform\" or \"zipf\": ycsb.mix E inserts at random places");
  }
  if (options.mix == YcsbMix::e && c.isolation == Isolation::serial) {
    throw ConfigError("engine.isolation", "\"serial\"",
                      "want another one: a scan of ycsb.mix E begins in one partition and ends in another");
  }
  if (options.distribution != KeyDistribution::uniform && options.mix == YcsbMix::load) {
    throw ConfigError("ycsb.distribution", fmt::format("\"{}\"", distribution),
                      "want \"uniform\": of ycsb.mix load every key is new");
  }
  if (options.distribution == KeyDistribution::partitioned && options.records < c.threads) {
    throw ConfigError(
        "ycsb.records", std::to_string(options.records),
        fmt::format("want {} at least, one for each worker: ycsb.distribution is partitioned", c.threads));
  }
}

/// The stamps that are verified at the end, and the table, as far as frames hold it: where it grows, all they hold.
std::vector<MemoryNeed> memory(const Configuration& c) {
  const auto& options = options_of<YcsbOptions>(c);
  const std::uint64_t frames = c.database.frames * std::uint64_t{kPageBytes};
  const std::uint64_t table = options.records * (sizeof(YcsbKey) + options.value_bytes);
  return {
      {"ycsb.records",
       options.records * sizeof(std::uint64_t) +
           (options.mix == YcsbMix::load || options.mix == YcsbMix::e ? frames : std::min(table, frames))}};
}

}  // namespace

WorkloadKind ycsb_kind() {
  return {.name = "ycsb",
          .meaning = "YCSB over the engine",
          .title =
              "YCSB {ycsb.mix}, reads: {ycsb.reads}, {ycsb.records} records of {ycsb.value_bytes} bytes, "
              "{ycsb.distribution}, "
              "{ycsb.operations} operations a transaction, {engine.policy}, log on {log.device}",
          .engine = true,
          .options = YcsbOptions{},
          .keys = keys(),
          .check = check_mix,
          .memory = memory,
          .make = [](const Configuration& c, const DatabaseOptions& database) {
            return make_ycsb(options_of<YcsbOptions>(c), engine_run(c, database));
          }};
}

}  // namespace muster
