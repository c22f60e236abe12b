#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "workloads/history/history.h"

namespace muster::history {

/// Which transaction wrote which value, and which version of a key follows which, as far as a history proves it. Values are
/// unique within a key, so that a value that is read names its write.
///
/// Lists      The longest list that was read of a key is the order of its versions. An append that no transaction read comes
///            after all of it.
/// Registers  The empty register comes before all. A transaction that reads a key and then writes it makes a version after
///            the one it read. If it were otherwise, the two transactions would form a cycle of kind G1c, so that this
///            assumption hides none. The check assumes nothing else: neither that registers are linearizable, nor that
///            they follow the order of sessions.
///
/// Throws BadHistory where a value is written twice, or read and never written.
class Versions {
 public:
  explicit Versions(const History& history);

  const History& history() const { return history_; }
  TransactionIndex transaction_of(OperationIndex operation) const { return transaction_of_[operation]; }
  bool is_of(OperationIndex operation, TransactionIndex t) const { return transaction_of_[operation] == t; }
  Outcome outcome_of(OperationIndex operation) const {
    return history_.transactions()[transaction_of_[operation]].outcome;
  }
  /// The write of a value; kNone: there is none.
  OperationIndex find(Key key, Value value) const;
  /// Whether the transaction does not write the key again after it.
  bool is_final(OperationIndex write) const { return is_final_[write]; }

  /// Of lists: the appends in the order of a key's versions.
  std::span<const OperationIndex> order(Key key) const {
    return std::span(order_).subspan(order_begin_[key], order_begin_[key + 1] - order_begin_[key]);
  }
  /// Of lists: where an append stands in that order; kNone: no transaction read it.
  std::uint32_t place(OperationIndex append) const { return place_[append]; }

  /// Of registers: a version is the write that made it, or a key's empty register.
  using Version = std::uint32_t;
  Version empty(Key key) const { return static_cast<Version>(history_.operations().size()) + key; }
  bool is_empty(Version version) const { return version >= history_.operations().size(); }
  std::uint32_t version_count() const {
    return static_cast<std::uint32_t>(history_.operations().size() + history_.key_names().size());
  }
  /// Of a read whose value is known.
  Version version_read(const Operation& read) const {
    return read.kind == Operation::Kind::read_nothing ? empty(read.key) : find(read.key, read.value);
  }
  /// The version before the one that a write makes; the empty one where no other is known. kNone: the transaction wrote the
  /// key again later, or was rolled back.
  Version before(OperationIndex write) const { return before_[write]; }
  /// The read that proves before(); kNone: no read does.
  OperationIndex known_by(OperationIndex write) const { return known_by_[write]; }

 private:
  void index_writes();
  void order_lists();
  void order_registers();
  void want_written() const;

  const History& history_;
  std::vector<TransactionIndex> transaction_of_;
  std::vector<OperationIndex> table_;  // open addressing by key and value; kNone: free
  std::vector<bool> is_final_;
  std::vector<OperationIndex> order_;  // of all keys
  std::vector<std::uint32_t> order_begin_;
  std::vector<std::uint32_t> place_;
  std::vector<Version> before_;
  std::vector<OperationIndex> known_by_;
};

}  // namespace muster::history
