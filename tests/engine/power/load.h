#pragma once

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/engine/power/history.h"
#include "tests/engine/power/trace.h"

namespace muster::power {

/// Which kinds of tables a database under test has.
enum class TableMix : std::uint8_t {
  btree,
  lsm,
  mixed,  ///< records that change are in an LSM tree, the accounts and the journal in B+ trees
};
inline constexpr std::array<std::string_view, 3> kTableMixes{"btree", "lsm", "mixed"};
constexpr std::string_view name_of(TableMix mix) {
  return kTableMixes[static_cast<std::size_t>(mix)];
}

/// One setting of a database under test.
struct Setting {
  std::string algorithm = "border_collie";
  CommitPolicy policy = CommitPolicy::durable;
  bool early_lock_release = false;
  bool direct = false;
  std::uint32_t redo_workers = 1;
  BeginRecord begin_record = BeginRecord::lazy;
  Isolation level = Isolation::two_phase_locking;  ///< or snapshot
  TableMix tables = TableMix::btree;
};

/// Small everything: pages are evicted, the ring wraps, segments follow each other within a few dozen commits. LSM trees have
/// the smallest memtables.
DatabaseOptions options_of(const Setting& setting, const std::filesystem::path& directory);

/// What a session was told cannot be.
struct WrongAnswer : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Sessions at work on one database, which write down what they did.
///
/// One transaction in eight only scans a table: whose insertions, changes and removals it has seen is thereby promised,
/// too, once it is acknowledged. Any other moves an amount between two accounts (their sum is always 0), reads a third, inserts, changes
/// or removes a few records of any length, and inserts its number into the journal; one in four is rolled back. Under
/// Isolation::snapshot a scan of the accounts has to show the sum 0, and a transaction that reads what another wrote may not
/// outlive it. Where there is an LSM tree, transactions change more records, and checkpoints are rarer: so memtables become full
/// between them, and files enough for compactions.
class Load {
 public:
  /// Told of every transaction that asks to be committed, and of every promise. Called by any thread.
  using Note = std::function<void(Event::Kind begun_or_promised, TransactionNumber number)>;

  /// `history` is continued.
  Load(Database& database, History& history, Note note, TransactionNumber next, TableMix tables)
      : database_(database), history_(history), note_(std::move(note)), tables_(tables), next_(next) {}

  /// The tables that are missing.
  void create_tables();
  /// Runs `transactions` on each of `threads` sessions. Throws what a session has thrown.
  void run(CommitPolicy policy, std::uint32_t threads, std::uint32_t transactions, std::uint64_t seed,
           Isolation level = Isolation::two_phase_locking);

  TransactionNumber next() const { return next_; }

 private:
  struct Promise {
    const Note& note;
    std::set<TransactionNumber> numbers;
  };
  class Worker;

  Database& database_;
  History& history_;
  const Note note_;
  const TableMix tables_;
  std::mutex mutex_;  // guards history_ and promises_
  std::deque<Promise> promises_;
  std::atomic<TransactionNumber> next_;
};

/// What every table holds, after a check of every tree.
Contents read_all(Database& database);

}  // namespace muster::power
