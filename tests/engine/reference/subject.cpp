#include "tests/engine/reference/subject.h"

#include <stdexcept>
#include <utility>

#include "engine/error.h"
#include "tests/engine/txn/database_testing.h"

namespace muster::reference {
namespace {

constexpr std::array<CommitPolicy, kPolicies> kCommitPolicies{CommitPolicy::durable, CommitPolicy::async,
                                                              CommitPolicy::pipelined, CommitPolicy::async};

Outcome outcome_of(Status status) {
  switch (status) {
    case Status::ok:
      return Outcome::ok;
    case Status::not_found:
      return Outcome::not_found;
    case Status::already_exists:
      return Outcome::already_exists;
    case Status::mismatch:
      return Outcome::mismatch;
    default:
      return Outcome::rolled_back;
  }
}

DatabaseOptions options_of(const Setting& setting, const std::filesystem::path& directory) {
  DatabaseOptions options = small_database(directory);
  options.lsm = setting.lsm;
  options.checkpoint_bytes = options.log.segment_bytes;  // many, beside the program's own
  options.redo_workers = 2;
  options.frames = 96;  // pages are evicted
  return options;
}

}  // namespace

Subject::Subject(const Program& program, std::filesystem::path directory)
    : program_(program), directory_(std::move(directory)) {
  open();
}

Subject::~Subject() {
  detach();
}

void Subject::open() {
  database_ = Database::open(options_of(program_.setting, directory_));
  const auto found = database_->find_table("t");
  table_ = found ? *found : database_->create_table("t", program_.setting.table);
}

void Subject::detach() {
  open_ = nullptr;
  savepoints_.clear();
  for (auto& reader : readers_) reader.reset();
  for (auto& session : writers_) session.reset();
}

void Subject::close() {
  detach();
  database_->check();
  database_->close();
  database_.reset();
}

void Subject::open_copy() {
  database_->log().flush(database_->log().reserved());
  std::filesystem::path copy = directory_;
  copy += "+";
  copy_as_killed(directory_, copy);
  detach();
  database_.reset();
  std::filesystem::remove_all(directory_);
  directory_ = std::move(copy);
  open();
}

Session& Subject::writer(std::uint32_t policy) {
  auto& session = writers_[policy];
  if (!session) session = database_->attach(kCommitPolicies[policy], program_.setting.level);
  return *session;
}

Rows Subject::scan(Session& session, Bytes from, std::size_t limit) const {
  Rows rows;
  const Status status = session.scan(table_, from, [&](Bytes key, Bytes value) {
    rows.emplace_back(as_text(key), as_text(value));
    return rows.size() != limit;
  });
  if (status != Status::ok) throw std::runtime_error("a scan was rolled back");
  return rows;
}

Rows Subject::content() {
  Session& session = writer(0);
  session.begin();
  Rows rows = scan(session, {}, 0);
  session.commit();
  return rows;
}

Result Subject::read(Session& session, Bytes key, bool for_update) const {
  std::vector<std::byte> value;
  const Status status =
      for_update ? session.read_for_update(table_, key, value) : session.read(table_, key, value);
  if (status != Status::ok) return {.outcome = outcome_of(status)};
  return {.value = as_text(value)};
}

Result Subject::change(const Operation& operation, Bytes key) {
  const std::string value = value_of(operation.number);
  const auto rewrite = [&](const auto& change) {
    return open_->modify(table_, key, [&](std::vector<std::byte>& bytes) {
      const std::string changed = change(as_text(bytes));
      const Bytes all = as_bytes(changed);
      bytes.assign(all.begin(), all.end());
    });
  };
  const auto perform = [&] {
    switch (operation.kind) {
      case Kind::insert:
        return open_->insert(table_, key, as_bytes(value));
      case Kind::update:
        return open_->update(table_, key, as_bytes(value));
      case Kind::remove:
        return open_->remove(table_, key);
      case Kind::increment:
        return open_->increment(table_, key, 0, operation.number);
      case Kind::append:
        return open_->append(table_, key, as_bytes(value.substr(0, 50)));
      case Kind::modify:
        return rewrite(modified);
      default: {  // compare_and_set
        const Result now = read(*open_, key, false);
        const std::string expected = expected_by_compare_and_set(now.value, operation.number);
        return open_->compare_and_set(table_, key, as_bytes(expected), as_bytes(value));
      }
    }
  };
  try {
    return {.outcome = outcome_of(perform())};
  } catch (const ConfigError&) {
    return {.outcome = Outcome::refused};
  }
}

Result Subject::perform(const Operation& operation, const Interpreter& before) {
  const Bytes key = as_bytes(program_.keys[operation.key]);
  const std::uint32_t slot = operation.number % kSnapshots;
  if (open_ == nullptr && needs_transaction(operation.kind)) {
    open_ = &writer(before.policy());
    open_->begin();
  }
  if (is_change(operation.kind)) return change(operation, key);
  switch (operation.kind) {
    case Kind::begin:
      if (open_ != nullptr) break;
      open_ = &writer(operation.number % kPolicies);
      open_->begin();
      break;
    case Kind::find:
    case Kind::find_for_update:
      return read(*open_, key, operation.kind == Kind::find_for_update);
    case Kind::scan:
      return {.rows = scan(*open_, key, operation.number % 64)};
    case Kind::compare:
      return {.rows = scan(*open_, {}, 0)};
    case Kind::savepoint:
      savepoints_.push_back(open_->savepoint());
      break;
    case Kind::roll_back:
      if (savepoints_.empty()) break;
      savepoints_.resize(operation.number % savepoints_.size() + 1);
      open_->roll_back_to(savepoints_.back());
      break;
    case Kind::commit:
    case Kind::abort: {
      savepoints_.clear();
      Session* const session = std::exchange(open_, nullptr);
      if (session == nullptr) break;
      if (operation.kind == Kind::abort) {
        session->abort();
      } else if (!session->commit()) {
        return {.outcome = Outcome::rolled_back};
      }
      break;
    }
    case Kind::snapshot:
      if (!has_snapshots(program_.setting.level) || before.has_snapshot(slot)) break;
      readers_[slot] = database_->attach(CommitPolicy::async, Isolation::snapshot);
      slot % 2 == 0 ? readers_[slot]->begin() : readers_[slot]->begin_read_only();
      break;
    case Kind::snapshot_find:
      if (before.has_snapshot(slot)) return read(*readers_[slot], key, false);
      break;
    case Kind::snapshot_scan:
      if (before.has_snapshot(slot))
        return {.rows = scan(*readers_[slot], key, operation.number / kSnapshots % 64)};
      break;
    case Kind::snapshot_end:
      if (before.has_snapshot(slot)) readers_[slot]->commit();
      readers_[slot].reset();
      break;
    case Kind::close:
      close();
      open();
      break;
    case Kind::checkpoint:
      database_->checkpoint();
      break;
    case Kind::flush_log:
      database_->log().flush(database_->log().reserved());
      break;
    default:  // changes are done above; the runner kills
      break;
  }
  return {};
}

}  // namespace muster::reference
