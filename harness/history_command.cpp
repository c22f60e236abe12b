#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "engine/error.h"
#include "harness/commands.h"
#include "harness/config_rows.h"
#include "harness/history_picture.h"
#include "harness/output.h"
#include "workloads/history/check.h"
#include "workloads/history/history_file.h"
#include "workloads/workload.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;
using history::Level;
using history::Order;

// In the order of their enumerators.
const Choices kModels{"list-append", "rw-register"};
const Choices kOrders{"none", "session", "realtime"};
const Choices kLevelNames(history::kLevels.begin(), history::kLevels.end());
const Choices kReasons{"ww", "wr", "rw", "session", "realtime"};
const Choices kOutcomes{"committed", "rolled_back", "unknown"};

template <class Value>
std::optional<Value> chosen(const std::string& option, const std::string& value, const Choices& choices) {
  if (value.empty()) return std::nullopt;
  const auto found = std::ranges::find(choices, value);
  if (found == choices.end()) throw ConfigError(option, value, "want one of " + one_of(choices));
  return static_cast<Value>(found - choices.begin());
}

Level strongest(Order order) {
  switch (order) {
    case Order::none:
      return Level::serializable;
    case Order::session:
      return Level::strong_session_serializable;
    case Order::realtime:
      break;
  }
  return Level::strict_serializable;
}

Json transaction_as_json(const history::History& history, history::TransactionIndex t) {
  const history::Transaction& transaction = history.transactions()[t];
  Json operations = Json::array();
  for (const history::Operation& o : history.operations_of(t)) operations.push_back(history.in_words(o));
  return {{"transaction", t},
          {"process", transaction.process},
          {"line", transaction.line},
          {"outcome", kOutcomes[static_cast<std::size_t>(transaction.outcome)]},
          {"operations", std::move(operations)}};
}

Json as_json(const history::Verdict& verdict, const history::History& history, Level level) {
  Json anomalies = Json::array();
  for (const history::Anomaly& a : verdict.anomalies) {
    Json transactions = Json::array();
    for (const history::TransactionIndex t : a.transactions)
      transactions.push_back(transaction_as_json(history, t));
    Json cycle = Json::array();
    for (std::size_t i = 0; i < a.cycle.size(); ++i) {
      cycle.push_back({{"from", a.cycle[i].from},
                       {"to", a.cycle[i].to},
                       {"because", kReasons[static_cast<std::size_t>(a.cycle[i].because)]},
                       {"why", a.why[i]}});
    }
    anomalies.push_back({{"name", a.name},
                         {"title", a.title},
                         {"violates", history::name_of(a.violates)},
                         {"count", a.count == 0 ? Json() : Json(a.count)},
                         {"what", a.what.empty() ? Json() : Json(a.what)},
                         {"transactions", std::move(transactions)},
                         {"cycle", std::move(cycle)}});
  }
  Json levels = Json::object();
  for (const Level one : verdict.levels())
    levels[std::string(history::name_of(one))] = verdict.satisfies(one);
  return {{"model", kModels[static_cast<std::size_t>(history.model())]},
          {"order", kOrders[static_cast<std::size_t>(verdict.order)]},
          {"level", history::name_of(level)},
          {"satisfied", verdict.satisfies(level)},
          {"transactions",
           {{"committed", verdict.committed}, {"rolled_back", verdict.failed}, {"unknown", verdict.unknown}}},
          {"dependencies", verdict.dependencies},
          {"levels", std::move(levels)},
          {"anomalies", std::move(anomalies)}};
}

/// Checks the history. A BadHistory becomes a DamageError that names the file and the line.
history::Verdict check_file(const std::string& file, const history::History& history, Order order) {
  try {
    return history::check(history, order);
  } catch (const history::BadHistory& bad) {
    throw DamageError(
        fmt::format("{}:{}: {}", file, history.transactions()[bad.transaction()].line, bad.what()));
  }
}

}  // namespace

void history_check_command(const HistoryRequest& request, std::FILE* out) {
  const auto model = chosen<history::Model>("--model", request.model, kModels);
  const auto asked_level = chosen<Level>("--level", request.level, kLevelNames);
  const auto asked_order = chosen<Order>("--order", request.order, kOrders);
  const Order order = asked_order.value_or(asked_level ? history::order_of(*asked_level) : Order::none);
  const Level level = asked_level.value_or(strongest(order));
  if (history::order_of(level) != Order::none && history::order_of(level) != order) {
    throw ConfigError(
        "--order", request.order,
        fmt::format("want \"{}\", which --level {} is about",
                    kOrders[static_cast<std::size_t>(history::order_of(level))], history::name_of(level)));
  }
  std::optional<Output> picture;
  if (!request.picture.empty()) picture.emplace(request.picture, out);
  const history::History history = history::read_history(std::filesystem::path(request.file), model);
  const history::Verdict verdict = check_file(request.file, history, order);
  if (request.json) {
    fmt::print(out, "{}\n",
               as_json(verdict, history, level).dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print(out, "{}", history::in_words(verdict, history));
  }
  if (picture) picture->write(picture_of(verdict, history));
  if (!verdict.satisfies(level))
    throw VerificationError(fmt::format("{}: {}", request.file, history::in_one_line(verdict, level)));
}

}  // namespace muster
