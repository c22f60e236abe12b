#include "tests/engine/power/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace muster::power {
namespace {

constexpr std::size_t kDigits = 8;

std::string shown(const std::string& value) {
  return value.size() <= 24 ? value : fmt::format("{}... ({} bytes)", value.substr(0, 24), value.size());
}

}  // namespace

std::string History::journal_key(TransactionNumber number) {
  return fmt::format("{:0{}}", number, kDigits);
}

TransactionNumber History::number_in(const std::string& value) {
  TransactionNumber number = 0;
  std::from_chars(value.data(), value.data() + value.size(), number);
  return number;
}

std::int64_t History::balance_in(const std::string& value) {
  std::int64_t balance = 0;
  const std::size_t bar = value.find('|');
  if (bar != std::string::npos) std::from_chars(value.data() + bar + 1, value.data() + value.size(), balance);
  return balance;
}

void History::add(TransactionNumber number, Transaction transaction) {
  for (const auto& [record, value] : transaction.writes) writers_[record].push_back(number);
  transactions_.emplace(number, std::move(transaction));
}

TransactionNumber History::writer_of(const RecordName& record) const {
  const auto found = writers_.find(record);
  return found == writers_.end() || found->second.empty() ? 0 : found->second.back();
}

std::map<std::string, History::LastWrite> History::last_writes(const std::string& table) const {
  std::map<std::string, LastWrite> all;
  for (const auto& [record, writers] : writers_) {
    if (record.first != table || writers.empty()) continue;
    all[record.second] = {writers.back(), !transactions_.at(writers.back()).writes.at(record).has_value()};
  }
  return all;
}

nlohmann::json History::to_json() const {
  nlohmann::json all = nlohmann::json::array(), writers = nlohmann::json::array();
  for (const auto& [number, transaction] : transactions_) {
    nlohmann::json writes = nlohmann::json::array();
    for (const auto& [record, value] : transaction.writes) {
      writes.push_back({record.first, record.second, value ? nlohmann::json(*value) : nlohmann::json()});
    }
    all.push_back({number, writes, transaction.follows});
  }
  for (const auto& [record, numbers] : writers_) writers.push_back({record.first, record.second, numbers});
  return {{"transactions", all}, {"writers", writers}};
}

History History::from_json(const nlohmann::json& from) {
  History history;
  for (const auto& one : from.at("transactions")) {
    Transaction transaction;
    for (const auto& write : one.at(1)) {
      auto& value = transaction.writes[{write.at(0), write.at(1)}];
      if (!write.at(2).is_null()) value = write.at(2).get<std::string>();
    }
    one.at(2).get_to(transaction.follows);
    history.transactions_.emplace(one.at(0), std::move(transaction));
  }
  for (const auto& one : from.at("writers")) one.at(2).get_to(history.writers_[{one.at(0), one.at(1)}]);
  return history;
}

void History::forget_all_but(const std::set<TransactionNumber>& survivors) {
  std::erase_if(transactions_, [&](const auto& one) { return !survivors.contains(one.first); });
  for (auto& [record, writers] : writers_) {
    std::erase_if(writers, [&](TransactionNumber number) { return !survivors.contains(number); });
  }
}

std::set<TransactionNumber> History::transactions() const {
  std::set<TransactionNumber> all;
  for (const auto& [number, transaction] : transactions_) all.insert(number);
  return all;
}

std::string History::judge(const Contents& found, const std::set<TransactionNumber>& promised,
                           const std::set<TransactionNumber>& begun,
                           std::set<TransactionNumber>& survivors) const {
  survivors.clear();
  if (const auto journal = found.find(kJournal); journal != found.end()) {
    for (const auto& [key, value] : journal->second) survivors.insert(number_in(key));
  }
  for (const TransactionNumber number : promised) {
    if (!survivors.contains(number))
      return fmt::format("transaction {} was acknowledged and is lost", number);
  }
  for (const TransactionNumber number : survivors) {
    if (!begun.contains(number))
      return fmt::format("transaction {} is there and never asked to be committed", number);
    for (const TransactionNumber before : transactions_.at(number).follows) {
      if (!survivors.contains(before)) {
        return fmt::format("transaction {} is there, but not {}, whose writes it has seen", number, before);
      }
    }
  }
  return judge_records(found, survivors);
}

std::string History::judge_records(const Contents& found,
                                   const std::set<TransactionNumber>& survivors) const {
  Contents wanted;
  for (const auto& [record, writers] : writers_) {
    const auto last = std::find_if(writers.rbegin(), writers.rend(),
                                   [&](TransactionNumber number) { return survivors.contains(number); });
    if (last == writers.rend()) continue;
    const auto& value = transactions_.at(*last).writes.at(record);
    if (value) wanted[record.first].emplace(record.second, *value);
  }
  std::int64_t sum = 0;
  for (const auto& [table, records] : found) {
    auto& right = wanted[table];
    for (const auto& [key, value] : records) {
      if (table == kAccounts) sum += balance_in(value);
      const auto other = right.find(key);
      if (other == right.end()) return fmt::format("{}/{} is there: {}", table, key, shown(value));
      if (other->second != value) {
        return fmt::format("{}/{} holds {}, want {}", table, key, shown(value), shown(other->second));
      }
      right.erase(other);
    }
  }
  for (const auto& [table, records] : wanted) {
    if (!records.empty()) {
      return fmt::format("{}/{} is missing, want {}", table, records.begin()->first,
                         shown(records.begin()->second));
    }
  }
  if (sum != 0) return fmt::format("the balances add up to {}, want 0", sum);
  return {};
}

}  // namespace muster::power
