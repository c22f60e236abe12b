#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "engine/database.h"
#include "tests/engine/reference/interpreter.h"

namespace muster::reference {

/// The database that a program runs on. One thread uses it; a Subject that is destroyed closes its database.
class Subject {
 public:
  /// Opens or creates the database, with one table.
  Subject(const Program& program, std::filesystem::path directory);
  ~Subject();

  /// `before`: what was open before the operation.
  Result perform(const Operation& operation, const Interpreter& before);
  /// All that the table has. No transaction is open.
  Rows content();
  /// As after a kill -9, in a copy of the files. What was committed is durable.
  void open_copy();
  /// Aborts what is open, reads every table for damage, and closes.
  void close();

 private:
  void open();
  void detach();
  Session& writer(std::uint32_t policy);
  Result change(const Operation& operation, Bytes key);
  Rows scan(Session& session, Bytes from, std::size_t limit) const;
  Result read(Session& session, Bytes key, bool for_update) const;

  const Program& program_;
  std::filesystem::path directory_;
  std::unique_ptr<Database> database_;
  TableId table_ = 0;
  std::array<std::unique_ptr<Session>, kPolicies> writers_;
  Session* open_ = nullptr;  // with a transaction
  std::vector<Savepoint> savepoints_;
  std::array<std::unique_ptr<Session>, kSnapshots> readers_;
};

}  // namespace muster::reference
