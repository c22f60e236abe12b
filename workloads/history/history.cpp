#include "workloads/history/history.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>

namespace muster::history {

using Kind = Operation::Kind;

namespace {

bool begins_alike(std::span<const Value> a, std::span<const Value> b) {
  return std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())),
                    b.begin());
}

}  // namespace

Key History::key(std::string_view name) {
  const auto [place, is_new] = keys_.try_emplace(std::string(name), static_cast<Key>(key_names_.size()));
  if (is_new) {
    key_names_.emplace_back(name);
    orders_.emplace_back();
  }
  return place->second;
}

void History::add(const Transaction& head) {
  transactions_.push_back(head);
  const auto here = static_cast<OperationIndex>(operations_.size());
  transactions_.back().operations_begin = transactions_.back().operations_end = here;
}

void History::push(const Operation& operation) {
  if (operations_.size() >= kOperationsMax)
    throw ConfigError("history", fmt::format("more than {} operations", kOperationsMax), "want fewer");
  operations_.push_back(operation);
  ++transactions_.back().operations_end;
}

void History::read_list(Key key, std::span<const Value> list) {
  std::vector<Value>& order = orders_[key];
  if (!begins_alike(list, order)) {
    push({Kind::read_other, key, static_cast<Value>(others_.size())});
    others_.emplace_back(list.begin(), list.end());
    return;
  }
  if (list.size() > order.size())
    order.insert(order.end(), list.begin() + static_cast<std::ptrdiff_t>(order.size()), list.end());
  push({Kind::read, key, static_cast<Value>(list.size())});
}

void History::read_register(Key key, std::optional<Value> value) {
  push({value ? Kind::read : Kind::read_nothing, key, value.value_or(0)});
}

std::span<const Value> History::list(const Operation& read) const {
  if (read.kind == Kind::read_other) return others_[static_cast<std::size_t>(read.value)];
  return order(read.key).first(static_cast<std::size_t>(read.value));
}

void History::seal() {
  if (others_.empty()) return;
  std::vector<std::vector<Value>> longest = orders_;
  for (const Operation& o : operations_) {
    if (o.kind != Kind::read_other) continue;
    const std::vector<Value>& other = others_[static_cast<std::size_t>(o.value)];
    if (other.size() > longest[o.key].size()) longest[o.key] = other;
  }
  std::vector<std::vector<Value>> others;
  for (Operation& o : operations_) {
    if (o.kind != Kind::read && o.kind != Kind::read_other) continue;
    const std::span<const Value> was = list(o);
    if (begins_alike(was, longest[o.key])) {  // the longest is no shorter
      o = {Kind::read, o.key, static_cast<Value>(was.size())};
    } else {
      others.emplace_back(was.begin(), was.end());
      o = {Kind::read_other, o.key, static_cast<Value>(others.size() - 1)};
    }
  }
  orders_ = std::move(longest);
  others_ = std::move(others);
}

std::string History::in_words(const Operation& o) const {
  const std::string& key = key_names_[o.key];
  const bool is_list = model_ == Model::list_append;
  switch (o.kind) {
    case Kind::write:
      return fmt::format("[:{} {} {}]", is_list ? "append" : "w", key, o.value);
    case Kind::read_unknown:
      return fmt::format("[:r {} ?]", key);
    case Kind::read_nothing:
      return fmt::format("[:r {} nil]", key);
    case Kind::read:
    case Kind::read_other:
      break;
  }
  if (is_list) return fmt::format("[:r {} [{}]]", key, fmt::join(list(o), " "));
  return fmt::format("[:r {} {}]", key, o.value);
}

}  // namespace muster::history
