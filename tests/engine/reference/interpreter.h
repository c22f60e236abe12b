#pragma once

#include <string>

#include "tests/engine/reference/program.h"
#include "tests/engine/reference/reference.h"

namespace muster::reference {

enum class Outcome : std::uint8_t { ok, not_found, already_exists, mismatch, refused, rolled_back };

/// What an operation came to, and what it has read.
struct Result {
  Outcome outcome = Outcome::ok;
  std::string value{};
  Rows rows{};
  bool operator==(const Result&) const = default;
};
std::string text_of(const Result& result);

/// How commits are acknowledged; only the first is durable once it returns.
inline constexpr std::uint32_t kPolicies = 4;
inline bool is_durable(std::uint32_t policy) {
  return policy == 0;
}

/// Says what each operation of a program must come to, by a reference. Both sides of the comparison ask it whether a
/// transaction or a snapshot is open.
class Interpreter {
 public:
  Interpreter(const Program& program, Reference& reference) : program_(&program), reference_(&reference) {}

  Result expect(const Operation& operation);
  /// The process was killed.
  void killed();

  bool is_open() const { return is_open_; }
  std::uint32_t policy() const { return policy_; }
  std::size_t savepoints() const { return savepoints_; }
  bool has_snapshot(std::uint32_t slot) const { return snapshots_[slot]; }
  bool has_any_snapshot() const;

 private:
  Result change(const Operation& operation, const std::string& key);
  Result replace(const std::string& key, const std::string& value);
  void end_transaction();

  const Program* program_;
  Reference* reference_;
  bool is_open_ = false;
  std::uint32_t policy_ = 1;
  std::size_t savepoints_ = 0;
  bool snapshots_[kSnapshots] = {};
};

/// Whether the operation begins a transaction where none is open.
bool needs_transaction(Kind kind);
/// Whether the operation puts, changes or removes one record.
constexpr bool is_change(Kind kind) {
  return (kind >= Kind::insert && kind <= Kind::remove) ||
         (kind >= Kind::increment && kind <= Kind::compare_and_set);
}
/// The level's readers can read old versions beside writers.
bool has_snapshots(Isolation level);

// What the operations of these kinds make of a value; for both sides.
std::string appended(const std::string& value, std::uint32_t number);
std::string modified(const std::string& value);
std::string expected_by_compare_and_set(const std::string& value, std::uint32_t number);

}  // namespace muster::reference
