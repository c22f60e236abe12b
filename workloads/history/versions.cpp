#include "workloads/history/versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "workloads/random.h"

namespace muster::history {

using Kind = Operation::Kind;

namespace {

std::uint64_t hash_of(Key key, Value value) {
  return mix(mix(key + 1) ^ static_cast<std::uint64_t>(value));
}

}  // namespace

Versions::Versions(const History& history) : history_(history) {
  const std::size_t operations = history.operations().size();
  transaction_of_.resize(operations);
  is_final_.resize(operations);
  for (TransactionIndex t = 0; t < history.transactions().size(); ++t) {
    const auto of = history.operations_of(t);
    const OperationIndex begin = history.transactions()[t].operations_begin;
    for (OperationIndex i = 0; i < of.size(); ++i) {
      transaction_of_[begin + i] = t;
      const auto later = of.subspan(i + 1);
      is_final_[begin + i] =
          of[i].kind == Kind::write && std::ranges::none_of(later, [&](const Operation& o) {
            return o.kind == Kind::write && o.key == of[i].key;
          });
    }
  }
  index_writes();
  want_written();
  history.model() == Model::list_append ? order_lists() : order_registers();
}

void Versions::index_writes() {
  const std::vector<Operation>& all = history_.operations();
  const auto writes = std::ranges::count_if(all, [](const Operation& o) { return o.kind == Kind::write; });
  table_.assign(std::bit_ceil(static_cast<std::size_t>(writes) * 2 + 1), kNone);
  for (OperationIndex i = 0; i < all.size(); ++i) {
    if (all[i].kind != Kind::write) continue;
    std::size_t slot = hash_of(all[i].key, all[i].value) & (table_.size() - 1);
    for (; table_[slot] != kNone; slot = (slot + 1) & (table_.size() - 1)) {
      const Operation& other = all[table_[slot]];
      if (other.key != all[i].key || other.value != all[i].value) continue;
      throw BadHistory(transaction_of_[i],
                       fmt::format("{}: the value is written twice; want values that are unique within a key",
                                   history_.in_words(all[i])));
    }
    table_[slot] = i;
  }
}

OperationIndex Versions::find(Key key, Value value) const {
  for (std::size_t slot = hash_of(key, value) & (table_.size() - 1); table_[slot] != kNone;
       slot = (slot + 1) & (table_.size() - 1)) {
    const Operation& write = history_.operations()[table_[slot]];
    if (write.key == key && write.value == value) return table_[slot];
  }
  return kNone;
}

void Versions::want_written() const {
  const auto refuse = [&](OperationIndex read, Value value) {
    throw BadHistory(
        transaction_of_[read],
        fmt::format("{}: nobody wrote {}", history_.in_words(history_.operations()[read]), value));
  };
  std::vector<std::uint32_t> looked_at(
      history_.key_names().size());  // by key: so many values of its order are known to be written
  for (OperationIndex i = 0; i < history_.operations().size(); ++i) {
    const Operation& o = history_.operations()[i];
    if (o.kind != Kind::read && o.kind != Kind::read_other) continue;
    if (history_.model() == Model::rw_register) {
      if (find(o.key, o.value) == kNone) refuse(i, o.value);
      continue;
    }
    const std::span<const Value> list = history_.list(o);
    std::uint32_t& known = looked_at[o.key];
    for (std::size_t at = o.kind == Kind::read ? known : 0; at < list.size(); ++at) {
      if (find(o.key, list[at]) == kNone) refuse(i, list[at]);
    }
    if (o.kind == Kind::read) known = std::max(known, static_cast<std::uint32_t>(list.size()));
  }
}

void Versions::order_lists() {
  place_.assign(history_.operations().size(), kNone);
  for (Key key = 0; key < history_.key_names().size(); ++key) {
    order_begin_.push_back(static_cast<std::uint32_t>(order_.size()));
    for (const Value value : history_.order(key)) {
      const OperationIndex append = find(key, value);
      if (place_[append] == kNone)
        place_[append] = static_cast<std::uint32_t>(order_.size()) - order_begin_.back();
      order_.push_back(append);
    }
  }
  order_begin_.push_back(static_cast<std::uint32_t>(order_.size()));
}

void Versions::order_registers() {
  before_.assign(history_.operations().size(), kNone);
  known_by_.assign(history_.operations().size(), kNone);
  for (const Transaction& t : history_.transactions()) {
    if (t.outcome == Outcome::fail) continue;
    for (OperationIndex write = t.operations_begin; write < t.operations_end; ++write) {
      if (!is_final_[write]) continue;
      const Key key = history_.operations()[write].key;
      before_[write] = empty(key);
      // A first operation that reads the key saw another transaction's version.
      OperationIndex first = t.operations_begin;
      while (history_.operations()[first].key != key) ++first;
      const Operation& read = history_.operations()[first];
      if (read.kind != Kind::read && read.kind != Kind::read_nothing) continue;
      const Version version = version_read(read);
      if (!is_empty(version) && (!is_final_[version] || outcome_of(version) == Outcome::fail))
        continue;  // G1b, G1a
      before_[write] = version;
      known_by_[write] = first;
    }
  }
}

}  // namespace muster::history
