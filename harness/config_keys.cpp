#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "algorithms/registry.h"
#include "harness/config.h"
#include "workloads/append_record.h"
#include "workloads/ycsb_value.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;
using Choices = std::vector<std::string_view>;  // by the enumerator's value

constexpr std::uint64_t kCapacityMax = std::uint64_t{1} << 36;
constexpr double kDay_s = 86'400;

// The names of each enumeration, in its order: what stands in a configuration.
const Choices kWorkloads{"append", "ycsb"};
const Choices kPlacements{"compact", "scatter", "none"};
const Choices kMixes{"A", "B", "C", "F"};
const Choices kDistributions{"uniform", "zipf"};
const Choices kPolicies{"durable", "group", "pipelined", "async"};
const Choices kDevices{"file", "memory"};
const Choices kLocks(kLockNames.begin(), kLockNames.end());

template <class Names>
std::string one_of(const Names& names) {
  std::string list;
  for (const auto& name : names) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  return list;
}

/// The index of a string among the choices; their number where it is none of them.
std::size_t choice(const Json& value, const Choices& choices) {
  if (!value.is_string()) return choices.size();
  const auto& name = value.get_ref<const std::string&>();
  return static_cast<std::size_t>(std::find(choices.begin(), choices.end(), name) - choices.begin());
}

template <class Integer>
bool take_integer(const Json& value, std::uint64_t min, std::uint64_t max, Integer& into) {
  std::uint64_t number = 0;
  if (value.is_number_unsigned()) {
    number = value.get<std::uint64_t>();
  } else {
    constexpr double kExact = 1ULL << 53;  // above it 1.0 and 1 are not always the same number
    const double real = value.is_number_float() ? value.get<double>() : -1;
    if (!(real >= 0 && real <= kExact && std::trunc(real) == real)) return false;
    number = static_cast<std::uint64_t>(real);
  }
  if (number < min || number > max) return false;
  into = static_cast<Integer>(number);
  return true;
}

// Rows by the member's type. `member` is a generic lambda from a Configuration to the member, so that one
// serves for reading and for writing.

template <class Member>
ConfigKey integer(std::string name, UsedBy used_by, Member member, std::uint64_t min, std::uint64_t max,
                  std::string meaning) {
  return {std::move(name),
          used_by,
          fmt::format("an integer from {} to {}", min, max),
          std::move(meaning),
          false,
          [=](const Json& value, Configuration& into) { return take_integer(value, min, max, member(into)); },
          [=](const Configuration& from) { return Json(member(from)); }};
}

template <class Member>
ConfigKey power_of_two(std::string name, UsedBy used_by, Member member, std::uint64_t min, std::uint64_t max,
                       std::string meaning) {
  ConfigKey key = integer(std::move(name), used_by, member, min, max, std::move(meaning));
  key.want = fmt::format("a power of two from {} to {}", min, max);
  key.take = [=](const Json& value, Configuration& into) {
    return take_integer(value, min, max, member(into)) && std::has_single_bit(member(into));
  };
  return key;
}

template <class Member>
ConfigKey microseconds(std::string name, UsedBy used_by, Member member, std::uint64_t min, std::uint64_t max,
                       std::string meaning) {
  return {std::move(name),
          used_by,
          fmt::format("an integer from {} to {}", min, max),
          std::move(meaning),
          false,
          [=](const Json& value, Configuration& into) {
            std::int64_t count = 0;
            if (!take_integer(value, min, max, count)) return false;
            member(into) = std::chrono::microseconds(count);
            return true;
          },
          [=](const Configuration& from) { return Json(static_cast<std::uint64_t>(member(from).count())); }};
}

template <class Member>
ConfigKey number(std::string name, UsedBy used_by, Member member, double min, double max,
                 std::string meaning) {
  return {std::move(name),
          used_by,
          fmt::format("a number from {} to {}", min, max),
          std::move(meaning),
          false,
          [=](const Json& value, Configuration& into) {
            if (!value.is_number()) return false;
            const auto n = value.get<double>();
            if (!(n >= min && n <= max)) return false;
            member(into) = n;
            return true;
          },
          [=](const Configuration& from) { return Json(member(from)); }};
}

template <class Member>
ConfigKey boolean(std::string name, UsedBy used_by, Member member, std::string meaning) {
  return {std::move(name),
          used_by,
          "true or false",
          std::move(meaning),
          false,
          [=](const Json& value, Configuration& into) {
            if (!value.is_boolean()) return false;
            member(into) = value.get<bool>();
            return true;
          },
          [=](const Configuration& from) { return Json(member(from)); }};
}

/// A member that is one of an enumeration.
template <class Member>
ConfigKey choice_of(std::string name, UsedBy used_by, Member member, const Choices& choices,
                    std::string meaning) {
  return {std::move(name),
          used_by,
          "one of " + one_of(choices),
          std::move(meaning),
          false,
          [=](const Json& value, Configuration& into) {
            const std::size_t index = choice(value, choices);
            if (index == choices.size()) return false;
            member(into) = static_cast<std::remove_reference_t<decltype(member(into))>>(index);
            return true;
          },
          [=](const Configuration& from) { return Json(choices[static_cast<std::size_t>(member(from))]); }};
}

/// A member that holds the chosen name itself.
template <class Member>
ConfigKey name_of(std::string name, UsedBy used_by, Member member, const Choices& choices,
                  std::string meaning) {
  return {std::move(name),
          used_by,
          "one of " + one_of(choices),
          std::move(meaning),
          false,
          [=](const Json& value, Configuration& into) {
            const std::size_t index = choice(value, choices);
            if (index == choices.size()) return false;
            member(into) = choices[index];
            return true;
          },
          [=](const Configuration& from) { return Json(member(from)); }};
}

bool take_list(const Json& value, std::uint64_t min, std::uint64_t max, std::vector<std::uint32_t>& into) {
  std::vector<std::uint32_t> list;
  for (const Json& item : value) {
    std::uint32_t n = 0;
    if (!take_integer(item, min, max, n)) return false;
    list.push_back(n);
  }
  if (list.empty()) return false;
  into = std::move(list);
  return true;
}

ConfigKey placement_key() {
  return {
      "placement",
      UsedBy::all,
      "one of " + one_of(kPlacements) + ", or a list of processing units, the workers' first",
      "where threads are pinned: compact fills a NUMA node before the next and cores before their SMT "
      "siblings; scatter goes round the nodes, distant ones first; the flusher has the next unit after the "
      "workers', or shares the last",
      false,
      [](const Json& value, Configuration& into) {
        std::vector<unsigned> units;
        if (value.is_array() && take_list(value, 0, std::numeric_limits<unsigned>::max(), units)) {
          into.placement = std::move(units);
          return true;
        }
        const std::size_t index = choice(value, kPlacements);
        if (index == kPlacements.size()) return false;
        into.placement = static_cast<PlacementPolicy>(index);
        return true;
      },
      [](const Configuration& from) {
        if (const auto* policy = std::get_if<PlacementPolicy>(&from.placement)) {
          return Json(kPlacements[static_cast<std::size_t>(*policy)]);
        }
        return Json(std::get<std::vector<unsigned>>(from.placement));
      }};
}

ConfigKey append_bytes_key() {
  constexpr std::uint64_t kMin = sizeof(AppendHeader);
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint32_t>::max();
  return {"append.bytes",
          UsedBy::append,
          fmt::format("an integer from {} (the header) to log_buffer.capacity, or a list of such", kMin),
          "size of a record; with a list each record's is drawn uniformly",
          false,
          [](const Json& value, Configuration& into) {
            if (value.is_array()) return take_list(value, kMin, kMax, into.append.bytes);
            return take_list(Json::array({value}), kMin, kMax, into.append.bytes);
          },
          [](const Configuration& from) {
            return from.append.bytes.size() == 1 ? Json(from.append.bytes[0]) : Json(from.append.bytes);
          }};
}

ConfigKey directory_key() {
  return {"engine.directory",
          UsedBy::ycsb,
          "a path",
          "where the run's database goes, in a folder muster.db of its own; its tables only, while the run "
          "lasts, where log.device is memory (empty: a temporary one)",
          false,
          [](const Json& value, Configuration& into) {
            if (!value.is_string()) return false;
            into.database.directory = value.get<std::string>();
            return true;
          },
          [](const Configuration& from) { return Json(from.database.directory.string()); },
          true};
}

std::vector<ConfigKey> make_keys() {
  Choices algorithm_names;
  std::vector<std::string_view> with_lock, handing_on;
  for (const AlgorithmInfo& info : algorithms()) {
    algorithm_names.push_back(info.name);
    if (info.lock_use != LockUse::none) with_lock.push_back(info.name);
    if (info.lock_use == LockUse::handed_on) handing_on.push_back(info.name);
  }
  constexpr std::uint64_t kMany = std::numeric_limits<std::uint32_t>::max();

  // clang-format off
  std::vector<ConfigKey> keys{
      choice_of("workload", UsedBy::all, [](auto& c) -> auto& { return c.workload; }, kWorkloads,
                "what is run: append drives the log buffer alone, ycsb the engine over it"),
      name_of("algorithm", UsedBy::all, [](auto& c) -> auto& { return c.database.algorithm; }, algorithm_names,
              "the log buffer's; `muster list` says more"),
      integer("threads", UsedBy::all, [](auto& c) -> auto& { return c.threads; }, 1, 4096,
              "workers"),
      placement_key(),
      boolean("oversubscribe", UsedBy::all, [](auto& c) -> auto& { return c.oversubscribe; },
              "allow more workers than processing units: they go round the units"),
      integer("seed", UsedBy::all, [](auto& c) -> auto& { return c.seed; }, 0,
              std::numeric_limits<std::uint64_t>::max(), "of every random number of the run"),
      number("warmup_s", UsedBy::all, [](auto& c) -> auto& { return c.warmup_s; }, 0, kDay_s,
             "seconds that run before the first window"),
      number("window_s", UsedBy::all, [](auto& c) -> auto& { return c.window_s; }, 0.001, kDay_s,
             "seconds of one measured window"),
      integer("windows", UsedBy::all, [](auto& c) -> auto& { return c.windows; }, 1, 100'000,
              "measured windows; the result has their median and spread"),
      integer("repetitions", UsedBy::all, [](auto& c) -> auto& { return c.repetitions; }, 1, 100'000,
              "times that threads are started anew, each with its own warm-up and windows, over the same data"),
      power_of_two("log_buffer.capacity", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.capacity; },
                   4096, kCapacityMax, "bytes in the ring"),
      integer("log_buffer.consolidation_slots", UsedBy::all,
              [](auto& c) -> auto& { return c.database.log_buffer.consolidation_slots; }, 1, 64,
              "slots that arriving threads may join; algorithms consolidation, consolidation_decoupled, consolidation_delegated"),
      power_of_two("log_buffer.delegation_chain", UsedBy::all,
                   [](auto& c) -> auto& { return c.database.log_buffer.delegation_chain; }, 1, 1024,
                   "every so many ranges one is not left to its predecessor's release; algorithm consolidation_delegated"),
      power_of_two("log_buffer.slot_pool", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.slot_pool; }, 2, 65536,
              "slots, one of which is active; algorithm wiredtiger_slots"),
      integer("log_buffer.insert_locks", UsedBy::all,
              [](auto& c) -> auto& { return c.database.log_buffer.insert_locks; }, 1, 256,
              "locks of which a worker holds one while it appends; algorithm postgres_insert_locks"),
      power_of_two("log_buffer.link_window", UsedBy::all,
                   [](auto& c) -> auto& { return c.database.log_buffer.link_window; }, 1, 1 << 30,
                   "bytes that a published record may begin above the first hole; algorithm mysql_link_buf"),
      integer("log_buffer.hop_bits", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.hop_bits; }, 0, 36,
              "log2 of the bytes that a hop skips, 1 to log2(capacity), or 0: 14, less in a ring below 1 MiB; algorithm eleda"),
      choice_of("log_buffer.lock", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.lock; }, kLocks,
                fmt::format("the lock of an algorithm that takes one, not std_mutex with {}; algorithms {}",
                            fmt::join(handing_on, ", "), fmt::join(with_lock, ", "))),
      append_bytes_key(),
      choice_of("ycsb.mix", UsedBy::ycsb, [](auto& c) -> auto& { return c.ycsb.mix; }, kMixes,
                "operations: A half reads, half updates; B 95% reads, 5% updates; C reads; F half reads, half read-modify-writes"),
      integer("ycsb.records", UsedBy::ycsb, [](auto& c) -> auto& { return c.ycsb.records; }, 1, kMany,
              "records in the table, loaded before the first repetition"),
      integer("ycsb.value_bytes", UsedBy::ycsb, [](auto& c) -> auto& { return c.ycsb.value_bytes; }, YcsbValue::kMinBytes,
              YcsbValue::kMaxBytes, "bytes of a value; its key has 8 more"),
      integer("ycsb.operations", UsedBy::ycsb, [](auto& c) -> auto& { return c.ycsb.operations; }, 1, 10'000,
              "operations a transaction"),
      choice_of("ycsb.distribution", UsedBy::ycsb, [](auto& c) -> auto& { return c.ycsb.distribution; }, kDistributions,
                "how keys are drawn; with zipf the hot ones are spread over the table"),
      number("ycsb.theta", UsedBy::ycsb, [](auto& c) -> auto& { return c.ycsb.theta; }, 0, 10,
             "skew of zipf: the k-th hottest key is drawn with a probability like 1 / k^theta"),
      directory_key(),
      integer("engine.frames", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.frames; }, 64, kMany,
              "pages of 4 KiB that may be in memory at a time"),
      boolean("engine.early_lock_release", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.early_lock_release; },
              "release locks once the commit record is in the log buffer, not once it is durable"),
      choice_of("engine.policy", UsedBy::ycsb, [](auto& c) -> auto& { return c.policy; }, kPolicies,
                "commit: durable waits; group waits for a group; pipelined goes on and is acknowledged later; async is not durable"),
      name_of("log.device", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.log.device; }, kDevices,
              "where the log goes"),
      boolean("log.direct", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.log.direct; },
              "O_DIRECT through io_uring; log.device file only"),
      microseconds("log.latency_us", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.log.latency; }, 0, 10'000'000,
                   "microseconds that a sync takes; log.device memory only"),
      integer("log.segment_bytes", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.log.segment_bytes; }, 65'536,
              std::uint64_t{1} << 40, "size of a segment file; log.device file"),
      integer("log.group_commits", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.log.group_commits; }, 1, 1'000'000,
              "commits that a flush waits for; engine.policy group"),
      microseconds("log.group_timeout_us", UsedBy::ycsb, [](auto& c) -> auto& { return c.database.log.group_timeout; }, 1,
                   10'000'000, "microseconds after which it waits no longer; engine.policy group"),
  };
  // clang-format on
  for (ConfigKey& key : keys) key.required = key.name == "workload" || key.name == "algorithm";
  return keys;
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

}  // namespace muster
