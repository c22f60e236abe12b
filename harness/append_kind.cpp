#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "harness/config_rows.h"
#include "harness/workload_kind.h"
#include "workloads/append.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

ConfigKey bytes_key() {
  constexpr std::uint32_t kMin = sizeof(AppendHeader);
  constexpr std::uint32_t kMax = std::numeric_limits<std::uint32_t>::max();
  return {"append.bytes",
          UsedBy::own,
          fmt::format("an integer from {} (the header) to log_buffer.capacity, or a list of such", kMin),
          "size of a record; with a list each record's is drawn uniformly",
          false,
          [](const Json& value, Configuration& into) {
            auto sizes = whole_numbers(value.is_array() ? value : Json::array({value}), kMin, kMax);
            if (!sizes) return false;
            options_of<AppendOptions>(into).bytes = std::move(*sizes);
            return true;
          },
          [](const Configuration& from) {
            const auto& bytes = options_of<AppendOptions>(from).bytes;
            return bytes.size() == 1 ? Json(bytes[0]) : Json(bytes);
          }};
}

std::uint32_t largest(const Configuration& c) {
  const auto& bytes = options_of<AppendOptions>(c).bytes;
  return *std::max_element(bytes.begin(), bytes.end());
}

void check_bytes(const Configuration& c) {
  const std::size_t capacity = c.database.log_buffer.capacity;
  if (largest(c) <= capacity) return;
  refuse(c, "append.bytes",
         fmt::format("{} at most, log_buffer.capacity: a record has to fit into the ring", capacity));
}

}  // namespace

WorkloadKind append_kind() {
  return {.name = "append",
          .meaning = "the log buffer alone",
          .title = "append, records of {append.bytes} bytes",
          .options = AppendOptions{},
          .keys = {bytes_key()},
          .check = check_bytes,
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
