#include "workloads/history/reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace muster::history {
namespace {

using Kind = Operation::Kind;
using Version = Versions::Version;

class Judge {
 public:
  explicit Judge(const Versions& versions) : versions_(versions), history_(versions.history()) {}

  Flaws judge() {
    const bool lists = history_.model() == Model::list_append;
    if (lists) look_at_orders();
    for (t_ = 0; t_ < history_.transactions().size(); ++t_) {
      const Transaction& transaction = history_.transactions()[t_];
      if (transaction.outcome != Outcome::ok)
        continue;  // other transactions' reads are unknown, or do not matter
      for (OperationIndex i = transaction.operations_begin; i < transaction.operations_end; ++i) {
        const Operation& o = history_.operations()[i];
        if (o.kind == Kind::write || o.kind == Kind::read_unknown) continue;
        lists ? look_at_list(i, o) : look_at_value(i, o);
      }
    }
    look_for_lost_updates();
    if (!lists) look_for_cyclic_versions();
    return std::move(flaws_);
  }

 private:
  const Operation& operation(OperationIndex i) const { return history_.operations()[i]; }
  std::string words(OperationIndex i) const { return history_.in_words(operation(i)); }
  TransactionIndex of(OperationIndex i) const { return versions_.transaction_of(i); }
  bool failed(OperationIndex write) const { return versions_.outcome_of(write) == Outcome::fail; }

  template <class Words>
  void found(Flaw flaw, std::vector<TransactionIndex> transactions, const Words& words) {
    FlawFound& place = flaws_[static_cast<std::size_t>(flaw)];
    if (place.count++ > 0) return;
    place.transactions = std::move(transactions);
    place.what = words();
  }

  // Lists.

  void look_at_orders() {
    first_failed_.assign(history_.key_names().size(), kNone);
    for (Key key = 0; key < history_.key_names().size(); ++key) {
      const auto order = versions_.order(key);
      OperationIndex dirty = kNone;
      for (std::uint32_t place = 0; place < order.size(); ++place) {
        const OperationIndex append = order[place];
        if (versions_.place(append) != place) {
          found(Flaw::duplicate_elements, {of(append)}, [&] {
            return fmt::format("{} is twice in a list that was read of {}", words(append),
                               history_.key_names()[key]);
          });
        }
        if (failed(append)) {
          first_failed_[key] = std::min(first_failed_[key], place);
          dirty = append;
        } else if (dirty != kNone && versions_.outcome_of(append) == Outcome::ok) {
          found(Flaw::dirty_update, {of(dirty), of(append)}, [&] {
            return fmt::format("T{} was rolled back, and T{}'s {} stands on its {}", of(dirty), of(append),
                               words(append), words(dirty));
          });
          dirty = kNone;
        }
      }
    }
  }

  void look_at_list(OperationIndex i, const Operation& o) {
    const std::span<const Value> list = history_.list(o);
    if (o.kind == Kind::read_other) look_at_other(i, o, list);
    if (o.kind == Kind::read && list.size() > first_failed_[o.key])
      aborted(i, versions_.order(o.key)[first_failed_[o.key]]);
    if (!list.empty()) intermediate(i, versions_.find(o.key, list.back()));
    look_within(i, o, list);
  }

  void look_at_other(OperationIndex i, const Operation& o, std::span<const Value> list) {
    found(Flaw::incompatible_order, {t_}, [&] {
      return fmt::format(
          "T{} read {}, and others read {}", t_, words(i),
          history_.in_words({Kind::read, o.key, static_cast<Value>(history_.order(o.key).size())}));
    });
    std::set<Value> seen;
    for (const Value value : list) {
      const OperationIndex append = versions_.find(o.key, value);
      if (!seen.insert(value).second)
        found(Flaw::duplicate_elements, {t_},
              [&] { return fmt::format("T{} read {} twice in {}", t_, value, words(i)); });
      if (failed(append)) aborted(i, append);
    }
  }

  /// Compares a read with what its transaction did to the key before, and does to it later.
  void look_within(OperationIndex i, const Operation& o, std::span<const Value> list) {
    const Transaction& transaction = history_.transactions()[t_];
    OperationIndex last = kNone;  // read
    std::vector<Value> own;       // appended since
    for (OperationIndex before = transaction.operations_begin; before < i; ++before) {
      const Operation& earlier = operation(before);
      if (earlier.key != o.key) continue;
      if (earlier.kind == Kind::write) {
        own.push_back(earlier.value);
      } else {
        last = before;
        own.clear();
      }
    }
    const bool ends_in_own = list.size() >= own.size() && std::equal(own.rbegin(), own.rend(), list.rbegin());
    if (!ends_in_own) {
      found(Flaw::internal, {t_}, [&] {
        return fmt::format("T{} read {}, which does not end in its own append of {}", t_, words(i),
                           own.back());
      });
    } else if (last != kNone &&
               !std::ranges::equal(list.first(list.size() - own.size()), history_.list(operation(last)))) {
      fuzzy(last, i);
    }
    for (OperationIndex later = i + 1; later < transaction.operations_end; ++later) {
      const Operation& write = operation(later);
      if (write.kind == Kind::write && write.key == o.key &&
          std::ranges::find(list, write.value) != list.end())
        future(i, later);
    }
  }

  // Registers.

  void look_at_value(OperationIndex i, const Operation& o) {
    const Transaction& transaction = history_.transactions()[t_];
    const Version version = versions_.version_read(o);
    OperationIndex last = kNone;  // of the key
    for (OperationIndex before = transaction.operations_begin; before < i; ++before) {
      if (operation(before).key == o.key) last = before;
    }
    if (last != kNone) {
      const Operation& earlier = operation(last);
      if (earlier.kind == Kind::write && version != last) {
        found(Flaw::internal, {t_},
              [&] { return fmt::format("T{} read {} after its own {}", t_, words(i), words(last)); });
      } else if (earlier.kind != Kind::write && version != versions_.version_read(earlier)) {
        fuzzy(last, i);
      }
    }
    if (versions_.is_empty(version)) return;
    if (failed(version)) aborted(i, version);
    intermediate(i, version);
    if (of(version) == t_ && version > i) future(i, version);
  }

  void look_for_cyclic_versions() {
    std::vector<std::uint32_t> walk_of(history_.operations().size(),
                                       kNone);  // by operation: the start of the walk that reached it first
    for (OperationIndex start = 0; start < history_.operations().size(); ++start) {
      OperationIndex at = start;
      const auto goes_on = [&] {
        return operation(at).kind == Kind::write && versions_.before(at) != kNone &&
               !versions_.is_empty(versions_.before(at));
      };
      while (walk_of[at] == kNone) {
        walk_of[at] = start;
        if (!goes_on()) break;
        at = versions_.before(at);
      }
      if (walk_of[at] != start || !goes_on()) continue;  // the walk ended, or met an earlier walk
      std::vector<TransactionIndex> transactions;
      std::string values = std::to_string(operation(at).value);
      const OperationIndex first = at;
      do {
        transactions.push_back(of(at));
        at = versions_.before(at);
        values = fmt::format("{} < {}", operation(at).value, values);
      } while (at != first);
      found(Flaw::cyclic_versions, transactions, [&] {
        return fmt::format("of {}, each made by a transaction that had read the one before: {}",
                           history_.key_names()[operation(first).key], values);
      });
    }
  }

  // Both.

  void aborted(OperationIndex read, OperationIndex write) {
    found(Flaw::aborted_read, {t_, of(write)}, [&] {
      return fmt::format("T{} read {}; T{}, which was rolled back, had written {}", t_, words(read),
                         of(write), operation(write).value);
    });
  }
  void intermediate(OperationIndex read, OperationIndex write) {
    if (of(write) == t_ || versions_.is_final(write)) return;
    found(Flaw::intermediate_read, {t_, of(write)}, [&] {
      return fmt::format("T{} read {}; T{} wrote {} and then wrote {} again", t_, words(read), of(write),
                         operation(write).value, history_.key_names()[operation(write).key]);
    });
  }
  void fuzzy(OperationIndex first, OperationIndex second) {
    found(Flaw::fuzzy_read, {t_},
          [&] { return fmt::format("T{} read {}, and then {}", t_, words(first), words(second)); });
  }
  void future(OperationIndex read, OperationIndex write) {
    found(Flaw::future_read, {t_},
          [&] { return fmt::format("T{} read {} before its own {}", t_, words(read), words(write)); });
  }

  /// Two committed transactions that read one version of a key before they write it.
  void look_for_lost_updates() {
    struct Update {
      std::uint64_t version;
      TransactionIndex transaction;
      OperationIndex read;
    };
    std::vector<Update> updates;
    for (TransactionIndex t = 0; t < history_.transactions().size(); ++t) {
      const Transaction& transaction = history_.transactions()[t];
      if (transaction.outcome != Outcome::ok) continue;
      for (OperationIndex write = transaction.operations_begin; write < transaction.operations_end; ++write) {
        if (operation(write).kind != Kind::write || !versions_.is_final(write)) continue;
        OperationIndex first = transaction.operations_begin;
        while (operation(first).key != operation(write).key) ++first;
        const Operation& read = operation(first);
        if (read.kind != Kind::read && read.kind != Kind::read_nothing) continue;
        const std::uint64_t version =
            history_.model() == Model::list_append
                ? std::uint64_t{read.key} << 32 | static_cast<std::uint64_t>(read.value)
                : versions_.version_read(read);
        updates.push_back({version, t, first});
      }
    }
    std::ranges::sort(updates, {}, [](const Update& u) { return std::pair(u.version, u.transaction); });
    for (std::size_t i = 1; i < updates.size(); ++i) {
      const Update& a = updates[i - 1];
      const Update& b = updates[i];
      if (a.version != b.version) continue;
      found(Flaw::lost_update, {a.transaction, b.transaction}, [&] {
        return fmt::format("T{} and T{} both read {} and then wrote {}", a.transaction, b.transaction,
                           words(a.read), history_.key_names()[operation(a.read).key]);
      });
    }
  }

  const Versions& versions_;
  const History& history_;
  TransactionIndex t_ = 0;                   // whose reads are judged now
  std::vector<std::uint32_t> first_failed_;  // by key: where in its order the first rolled back append is
  Flaws flaws_;
};

}  // namespace

Flaws find_flaws(const Versions& versions) {
  return Judge(versions).judge();
}

}  // namespace muster::history
