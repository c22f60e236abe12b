#include <algorithm>
#include <string>

#include "engine/error.h"
#include "harness/config_rows.h"
#include "harness/workload_kind.h"
#include "workloads/history/history_file.h"
#include "workloads/history_workload.h"

namespace muster {
namespace {

using history::Model;

ConfigKey file_key(const std::string& name) {
  return {name,
          UsedBy::own,
          "a path that ends in .edn or .json, or \"\"",
          "file for the history, as Jepsen writes it, for muster history check (empty: the run checks it and "
          "does not keep it)",
          false,
          [](const nlohmann::ordered_json& value, Configuration& into) {
            if (!value.is_string()) return false;
            const auto& path = value.get_ref<const std::string&>();
            if (path.find('\0') != std::string::npos) return false;
            options_of<HistoryOptions>(into).file = path;
            return path.empty() || path.ends_with(".edn") || path.ends_with(".json");
          },
          [](const Configuration& from) {
            return nlohmann::ordered_json(options_of<HistoryOptions>(from).file.string());
          },
          true};
}

std::vector<ConfigKey> keys(const std::string& name) {
  // clang-format off
  return {
      integer(name + ".keys", UsedBy::own, [](auto& c) -> auto& { return options_of<HistoryOptions>(c).keys; }, 1, 1'000'000,
              "keys in use at a time; fewer: transactions meet more often"),
      integer(name + ".operations", UsedBy::own, [](auto& c) -> auto& { return options_of<HistoryOptions>(c).operations; }, 1,
              1000, "operations a transaction, at most; each has from 1 to this many"),
      number(name + ".reads", UsedBy::own, [](auto& c) -> auto& { return options_of<HistoryOptions>(c).reads; }, 0, 1,
             "share of the operations that only read"),
      integer(name + ".writes_a_key", UsedBy::own, [](auto& c) -> auto& { return options_of<HistoryOptions>(c).writes_a_key; },
              1, HistoryOptions::kWritesMax, "writes of a key before another key takes its place"),
      file_key(name + ".file"),
  };
  // clang-format on
}

WorkloadKind kind_of(Model model, std::string_view name, std::string_view meaning, std::string_view title) {
  return {.name = name,
          .meaning = meaning,
          .title = title,
          .engine = true,
          .options = HistoryOptions{.model = model},
          .keys = keys(std::string(name)),
          .make = [](const Configuration& c, const DatabaseOptions& database) {
            return make_history_workload(options_of<HistoryOptions>(c), engine_run(c, database));
          }};
}

}  // namespace

WorkloadKind list_append_kind() {
  return kind_of(
      Model::list_append, "list_append",
      "transactions that append to lists and read them, their history checked against engine.isolation",
      "list append, {list_append.keys} keys, {engine.isolation}, {engine.policy}, log on {log.device}");
}

WorkloadKind rw_register_kind() {
  return kind_of(
      Model::rw_register, "rw_register",
      "transactions that write registers and read them, their history checked against engine.isolation",
      "registers, {rw_register.keys} keys, {engine.isolation}, {engine.policy}, log on {log.device}");
}

}  // namespace muster
