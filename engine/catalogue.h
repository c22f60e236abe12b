#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types.h"

namespace muster {

/// The tables of a database: the file `catalogue`, which is read before any table is opened and replaced as a
/// whole whenever a table is created.
class Catalogue {
 public:
  struct Table {
    TableId id = 0;
    std::string name;
    std::filesystem::path
        file;  ///< where its pages are, absolute; empty: `<id>.table` in the database's directory
    TableKind kind = TableKind::btree;
  };

  /// Throws DamageError when the file is not one.
  static Catalogue read(const std::filesystem::path& path);
  /// Durable and complete, or not there at all.
  void write(const std::filesystem::path& path) const;

  const std::vector<Table>& tables() const { return tables_; }
  /// Tables at a path of their own whose creation was cut off, or is on its way: no directory listing would tell an
  /// opening that such a file is there.
  const std::vector<Table>& unfinished() const { return unfinished_; }
  const Table* find(std::string_view name) const;
  const Table* find(TableId id) const;
  const Table* find_at(const std::filesystem::path& file) const;
  /// Whether the file can hold a table of this name: it has to be UTF-8.
  static bool can_hold(std::string_view name);
  void add(Table table) { tables_.push_back(std::move(table)); }
  void add_unfinished(Table table) { unfinished_.push_back(std::move(table)); }
  void finish(TableId id);
  void forget_unfinished() { unfinished_.clear(); }
  /// Larger than any id in use.
  TableId next_id() const;

 private:
  std::vector<Table> tables_;
  std::vector<Table> unfinished_;
};

/// Where restart begins: the file `master`, the last thing that is written when the files have become
/// independent of the log below `log_begin`.
struct Master {
  /// Restart reads the log from here: no transaction that it may have to undo began below.
  Lsn log_begin = 0;
  /// The files hold every change below. At or above log_begin.
  Lsn redo_begin = 0;
  /// A transaction may have its begin record below log_begin and others above. Then its last record lies below this
  /// point, and is durable: restart has nothing to undo of it.
  Lsn settled = 0;
  /// No smaller number is given to a transaction.
  TransactionId next_transaction = 1;
  /// The database was closed, and nothing has been written since.
  bool clean = false;

  /// Throws DamageError when the file is not one.
  static Master read(const std::filesystem::path& path);
  void write(const std::filesystem::path& path) const;
};

}  // namespace muster
