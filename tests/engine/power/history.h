#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/database.h"

namespace muster::power {

using TransactionNumber = std::uint64_t;  // ours, from 1; not the engine's

/// A record: the table's name and the key.
using RecordName = std::pair<std::string, std::string>;
/// What tables hold, by name; an empty table is there, too.
using Contents = std::map<std::string, std::map<std::string, std::string>>;

/// What transactions did, as their own threads saw it, and so what a database may hold after a crash.
///
/// Each transaction inserts its number into the table `journal`. So a crash's survivors are known, and with them
/// every table's exact content: each record is as the last survivor that wrote it left it. What remains to be
/// asked: are the survivors all that were promised, only ones that asked to be committed, and with each the ones
/// whose writes it read or overwrote?
class History {
 public:
  struct Transaction {
    std::map<RecordName, std::optional<std::string>> writes;  // none: removed
    std::set<TransactionNumber> follows;                      // it read or overwrote what they wrote
  };

  /// While all of its locks are held: before commit() lets them go.
  void add(TransactionNumber number, Transaction transaction);
  /// Who wrote the record last; 0: nobody. While it is locked.
  TransactionNumber writer_of(const RecordName& record) const;
  struct LastWrite {
    TransactionNumber writer = 0;
    bool removed = false;
  };
  /// Of every record that a table has ever had, by key.
  std::map<std::string, LastWrite> last_writes(const std::string& table) const;
  /// The transactions that are not in `survivors` never were.
  void forget_all_but(const std::set<TransactionNumber>& survivors);

  std::set<TransactionNumber> transactions() const;
  /// After a crash, of what was found. Empty: all is as it must be; else what is wrong. `promised` and `begun`:
  /// transactions.
  std::string judge(const Contents& found, const std::set<TransactionNumber>& promised,
                    const std::set<TransactionNumber>& begun, std::set<TransactionNumber>& survivors) const;

  nlohmann::json to_json() const;
  static History from_json(const nlohmann::json& from);

  static constexpr const char* kJournal = "journal";
  static constexpr const char* kAccounts = "accounts";
  static constexpr const char* kChurn = "churn";
  static std::string journal_key(TransactionNumber number);
  /// A record's value begins with its writer's number and a '|'. An account's goes on with its balance.
  static TransactionNumber number_in(const std::string& value);
  static std::int64_t balance_in(const std::string& value);

 private:
  std::string judge_records(const Contents& found, const std::set<TransactionNumber>& survivors) const;

  std::map<TransactionNumber, Transaction> transactions_;
  std::map<RecordName, std::vector<TransactionNumber>> writers_;  // in the order of their commits
};

}  // namespace muster::power
