#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "harness/config_rows.h"
#include "harness/workload_kind.h"
#include "workloads/append.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kIdleWorkersMax = 4096;
constexpr std::uint64_t kStragglerMaxUs = 1'000'000;
constexpr const char* kReport = "report";  // the name of report_mix()

ConfigKey bytes_key() {
  constexpr std::uint32_t kMin = sizeof(AppendHeader);
  constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
  return {"append.bytes",
          UsedBy::own,
          fmt::format("an integer from {} (the header) to log_buffer.capacity, a list of such, or \"{}\"",
                      kMin, kReport),
          "size of a record; with a list each record's is drawn uniformly; report, a course report's mix: 10 "
          "of 28 "
          "(begins, commits), 20 of 288 (updates), 1 of 296 (a compensation)",
          false,
          [](const Json& value, Configuration& into) {
            if (value == kReport) {
              options_of<AppendOptions>(into).bytes = report_mix();
              return true;
            }
            auto sizes = whole_numbers(value.is_array() ? value : Json::array({value}), kMin, kMax);
            if (!sizes) return false;
            options_of<AppendOptions>(into).bytes = std::move(*sizes);
            return true;
          },
          [](const Configuration& from) {
            const auto& bytes = options_of<AppendOptions>(from).bytes;
            if (bytes == report_mix()) return Json(kReport);
            return bytes.size() == 1 ? Json(bytes[0]) : Json(bytes);
          }};
}

ConfigKey idle_workers_key() {
  return integer(
      "append.idle_workers", UsedBy::own,
      [](auto& c) -> auto& { return options_of<AppendOptions>(c).idle_workers; }, 0, kIdleWorkersMax,
      "workers beside `threads` that are attached, have appended a record each, and do nothing");
}

ConfigKey straggler_key() {
  return duration<std::chrono::microseconds>(
      "append.straggler_us", UsedBy::own,
      [](auto& c) -> auto& { return options_of<AppendOptions>(c).straggler; }, 0, kStragglerMaxUs,
      "microseconds that the first worker sleeps between writing and publishing each record; the system's "
      "timer adds "
      "about 50");
}

std::uint32_t largest(const Configuration& c) {
  const auto& bytes = options_of<AppendOptions>(c).bytes;
  return *std::max_element(bytes.begin(), bytes.end());
}

void check_append(const Configuration& c) {
  const std::size_t capacity = c.database.log_buffer.capacity;
  const auto& options = options_of<AppendOptions>(c);
  if (largest(c) > capacity) {
    refuse(c, "append.bytes",
           fmt::format("{} at most, log_buffer.capacity: a record has to fit into the ring", capacity));
  }
  if (const std::size_t fit = capacity / 2 / largest(c); options.idle_workers > fit) {
    refuse(c, "append.idle_workers", fmt::format("{} at most: their records fill half of the ring", fit));
  }
  if (options.straggler.count() != 0 && c.threads < 2) {
    refuse(c, "append.straggler_us", "0, or threads = 2 at least: beside a straggler others append");
  }
}

}  // namespace

WorkloadKind append_kind() {
  return {.name = "append",
          .meaning = "the log buffer alone",
          .title = "append, records of {append.bytes} bytes",
          .options = AppendOptions{},
          .keys = {bytes_key(), idle_workers_key(), straggler_key()},
          .check = check_append,
          .memory =
              [](const Configuration& c) {
                return std::vector<MemoryNeed>{{"append.bytes", largest(c)}};
              },
          .make =
              [](const Configuration& c, const DatabaseOptions& database) {
                return make_append(database.algorithm, database.log_buffer, options_of<AppendOptions>(c),
                                   c.threads, c.seed);
              }};
}

}  // namespace muster
