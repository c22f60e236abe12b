#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/error.h"

namespace muster::history {

/// What a key holds, and which operations there are.
enum class Model : std::uint8_t {
  list_append,  ///< a list: append a value, read all of it
  rw_register,  ///< a value: write it, read it
};

using Key = std::uint32_t;  ///< an index into History::key_names()
using Value = std::int64_t;
using TransactionIndex = std::uint32_t;
using OperationIndex = std::uint32_t;
inline constexpr std::uint32_t kNone = ~std::uint32_t{0};

enum class Outcome : std::uint8_t {
  ok,    ///< committed
  fail,  ///< rolled back: no transaction may ever see what it wrote
  info,  ///< unknown: the database may have committed it, or may yet do so
};

struct Operation {
  enum class Kind : std::uint8_t {
    write,         ///< `value` is written, or appended
    read,          ///< register: of `value`. list: of the first `value` of the key's order()
    read_nothing,  ///< register: it had not been written
    read_other,    ///< list: of others()[value], with which the key's order() does not begin
    read_unknown,  ///< what it returned is not known
  };
  Kind kind = Kind::write;
  Key key = 0;
  Value value = 0;
};

/// Events, invocations and completions, are numbered in the order in which they happened.
struct Transaction {
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  std::uint32_t process = 0;  ///< one transaction at a time
  Outcome outcome = Outcome::ok;
  std::uint64_t invoked = 0;
  std::uint64_t completed = kNever;  ///< never, of info
  std::uint32_t line = 0;            ///< of the file that it was read from, from 1
  OperationIndex operations_begin = 0;
  OperationIndex operations_end = 0;
};

/// No database can have such a history: a value is written twice, or read and never written.
class BadHistory : public DamageError {
 public:
  BadHistory(TransactionIndex transaction, const std::string& reason)
      : DamageError(reason), transaction_(transaction) {}
  TransactionIndex transaction() const { return transaction_; }

 private:
  TransactionIndex transaction_;
};

/// Transactions that ran, and what they saw of each other. One thread fills it: add(), then its operations; seal() ends it.
///
/// Memory  The longest list that was read of a key is the order of its appends, as far as any read proves it. A list with which
///         that one begins is kept as a length.
class History {
 public:
  explicit History(Model model) : model_(model) {}

  Model model() const { return model_; }
  Key key(std::string_view name);

  /// The operations that are added from now on are this transaction's.
  void add(const Transaction& head);
  void write(Key key, Value value) { push({Operation::Kind::write, key, value}); }
  void read_list(Key key, std::span<const Value> list);
  void read_register(Key key, std::optional<Value> value);
  void read_unknown(Key key) { push({Operation::Kind::read_unknown, key, 0}); }
  /// Takes the longest list that was read of a key for its order. Nothing is added afterwards.
  void seal();

  const std::vector<Transaction>& transactions() const { return transactions_; }
  const std::vector<Operation>& operations() const { return operations_; }
  std::span<const Operation> operations_of(TransactionIndex transaction) const {
    const Transaction& t = transactions_[transaction];
    return std::span(operations_).subspan(t.operations_begin, t.operations_end - t.operations_begin);
  }
  const std::vector<std::string>& key_names() const { return key_names_; }

  /// Of lists: the values of a key in the order of their appends, as far as they were read.
  std::span<const Value> order(Key key) const { return orders_[key]; }
  const std::vector<std::vector<Value>>& others() const { return others_; }
  /// Of a list: what the read returned. Not of read_unknown.
  std::span<const Value> list(const Operation& read) const;

  /// The operation as Jepsen writes it, such as [:append 3 1].
  std::string in_words(const Operation& operation) const;

 private:
  /// A dependency names an operation in 28 bits.
  static constexpr std::size_t kOperationsMax = std::size_t{1} << 28;

  void push(const Operation& operation);

  const Model model_;
  std::vector<Transaction> transactions_;
  std::vector<Operation> operations_;
  std::vector<std::string> key_names_;
  std::unordered_map<std::string, Key> keys_;
  std::vector<std::vector<Value>> orders_;  // by key
  std::vector<std::vector<Value>> others_;
};

}  // namespace muster::history
