#include "tests/engine/reference/interpreter.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "engine/index/table.h"
#include "engine/number.h"

namespace muster::reference {
namespace {

bool is_too_long(const std::string& key, const std::string& value) {
  return key.size() > Table::kMaxKeyBytes || value.size() > Table::kMaxValueBytes;
}

/// Keys and values may be long, and of any bytes.
std::string shown(const std::string& bytes) {
  constexpr std::size_t most = 24;
  std::string text = std::to_string(bytes.size()) + " bytes";
  if (!bytes.empty()) text += " " + hex(bytes.substr(0, most));
  return bytes.size() > most ? text + ".." : text;
}

Result found(const std::optional<std::string>& value) {
  return value ? Result{.value = *value} : Result{.outcome = Outcome::not_found};
}

}  // namespace

std::string text_of(const Result& result) {
  constexpr std::array<std::string_view, 6> outcomes{"ok",       "not found", "already exists",
                                                     "mismatch", "refused",   "rolled back"};
  std::string text(outcomes[static_cast<std::size_t>(result.outcome)]);
  if (result.outcome == Outcome::ok) text += ", value of " + shown(result.value);
  if (!result.rows.empty()) text += ", " + std::to_string(result.rows.size()) + " rows";
  return text;
}

bool needs_transaction(Kind kind) {
  return (kind >= Kind::insert && kind <= Kind::savepoint) || kind == Kind::compare;
}

bool has_snapshots(Isolation level) {
  return level != Isolation::two_phase_locking && level != Isolation::serial;
}

std::string appended(const std::string& value, std::uint32_t number) {
  return value + value_of(number).substr(0, 50);
}

std::string modified(const std::string& value) {
  return {value.rbegin(), value.rend()};
}

std::string expected_by_compare_and_set(const std::string& value, std::uint32_t number) {
  return number % 2 == 0 ? value : value + "?";
}

bool Interpreter::has_any_snapshot() const {
  return std::ranges::any_of(snapshots_, [](bool is_there) { return is_there; });
}

void Interpreter::end_transaction() {
  is_open_ = false;
  savepoints_ = 0;
}

void Interpreter::killed() {
  end_transaction();
  std::ranges::fill(snapshots_, false);
}

Result Interpreter::replace(const std::string& key, const std::string& value) {
  if (is_too_long(key, value)) return {.outcome = Outcome::refused};
  reference_->put(key, value);
  return {};
}

Result Interpreter::change(const Operation& operation, const std::string& key) {
  const std::string value = value_of(operation.number);
  if (operation.kind == Kind::insert || operation.kind == Kind::update || operation.kind == Kind::remove) {
    if (is_too_long(key, operation.kind == Kind::remove ? "" : value)) return {.outcome = Outcome::refused};
  }
  const std::optional<std::string> before = reference_->get(key);
  if (operation.kind == Kind::insert)
    return before ? Result{.outcome = Outcome::already_exists} : replace(key, value);
  if (!before) return {.outcome = Outcome::not_found};
  switch (operation.kind) {
    case Kind::update:
      return replace(key, value);
    case Kind::remove:
      reference_->erase(key);
      return {};
    case Kind::increment: {
      if (!holds_number(before->size(), 0)) return {.outcome = Outcome::refused};
      std::string sum = *before;
      add_to_number(std::as_writable_bytes(std::span(sum)), operation.number);
      return replace(key, sum);
    }
    case Kind::append:
      return replace(key, appended(*before, operation.number));
    case Kind::modify:
      return replace(key, modified(*before));
    default:  // compare_and_set
      if (expected_by_compare_and_set(*before, operation.number) != *before)
        return {.outcome = Outcome::mismatch};
      return replace(key, value);
  }
}

Result Interpreter::expect(const Operation& operation) {
  const std::string& key = program_->keys[operation.key];
  const std::uint32_t slot = operation.number % kSnapshots;
  if (needs_transaction(operation.kind)) is_open_ = true;
  if (is_change(operation.kind)) return change(operation, key);
  switch (operation.kind) {
    case Kind::begin:
      if (is_open_) break;
      is_open_ = true;
      policy_ = operation.number % kPolicies;
      break;
    case Kind::find:
    case Kind::find_for_update:
      return found(reference_->get(key));
    case Kind::scan:
      return {.rows = reference_->scan(key, operation.number % 64)};
    case Kind::compare:
      return {.rows = reference_->scan("", 0)};
    case Kind::savepoint:
      reference_->save();
      ++savepoints_;
      break;
    case Kind::roll_back:
      if (savepoints_ == 0) break;
      reference_->roll_back(operation.number % savepoints_);
      savepoints_ = operation.number % savepoints_ + 1;
      break;
    case Kind::commit:
      if (is_open_) reference_->commit(is_durable(policy_));
      end_transaction();
      break;
    case Kind::abort:
      if (is_open_) reference_->abort();
      end_transaction();
      break;
    case Kind::snapshot:
      if (!has_snapshots(program_->setting.level) || snapshots_[slot]) break;
      reference_->take_snapshot(slot);
      snapshots_[slot] = true;
      break;
    case Kind::snapshot_find:
      if (snapshots_[slot]) return found(reference_->get_in(slot, key));
      break;
    case Kind::snapshot_scan:
      if (snapshots_[slot])
        return {.rows = reference_->scan_in(slot, key, operation.number / kSnapshots % 64)};
      break;
    case Kind::snapshot_end:
      if (snapshots_[slot]) reference_->end_snapshot(slot);
      snapshots_[slot] = false;
      break;
    case Kind::close:
      if (is_open_) reference_->abort();
      for (std::uint32_t at = 0; at < kSnapshots; ++at) {
        if (snapshots_[at]) reference_->end_snapshot(at);
      }
      killed();
      reference_->settle();
      break;
    case Kind::checkpoint:
    case Kind::flush_log:
      reference_->settle();
      break;
    default:  // changes are done above; the runner kills
      break;
  }
  return {};
}

}  // namespace muster::reference
