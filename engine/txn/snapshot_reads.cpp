#include "engine/txn/transaction_session.h"

namespace muster {

// What a session does at a level that reads or writes versions.

Status TransactionSession::read_version(TableId table, Bytes key, std::vector<std::byte>& value) {
  require_transaction();
  if (is_doomed()) return Status::conflict;
  if (member_ != nullptr) engine_.serialization.read(*member_, lock_name(table, key));
  const Table& records = engine_.tables.get(table);
  const SessionVersions::Reading reading(*versions_);
  const Status in_page = records.find(key, value);
  const VersionStore::View view = reading.look(table, key);
  switch (view.shows) {
    case VersionStore::View::Shows::page:
    case VersionStore::View::Shows::own:
      return in_page;
    case VersionStore::View::Shows::absent:
      return Status::not_found;
    case VersionStore::View::Shows::before:
      value.assign(view.value.begin(), view.value.end());
      return Status::ok;
  }
  return in_page;
}

/// Shows the record that a scan has met, if the scan's snapshot has it. False: the scan ends here.
bool TransactionSession::show(const SessionVersions::Reading& reading, TableId table,
                              const TableRecord& record,
                              const std::function<bool(Bytes key, Bytes value)>& visit) {
  using Shows = VersionStore::View::Shows;
  const VersionStore::View view = reading.look(table, record.key);
  Bytes value = view.shows == Shows::before ? view.value : record.value;
  bool exists = view.shows == Shows::before || (view.shows == Shows::page && !record.ghost);
  if (view.shows == Shows::own) {  // visit() may have written it since the scan copied the leaf
    exists = engine_.tables.get(table).find(record.key, scanned_) == Status::ok;
    value = scanned_;
  }
  if (exists) {
    const std::uint32_t transaction = versions_->transaction();
    return visit(record.key, value) && active_ && versions_->transaction() == transaction;
  }
  if (record.ghost) note_ghost(table, record);
  return true;
}

Status TransactionSession::scan_versions(TableId table, Bytes from,
                                         const std::function<bool(Bytes key, Bytes value)>& visit) {
  require_transaction();
  const SessionVersions::Reading reading(*versions_);
  const std::uint32_t transaction = versions_->transaction();
  engine_.tables.get(table).scan(
      from, [&](const TableRecord& record) { return show(reading, table, record, visit); });
  // The engine may have rolled the transaction back in an operation of visit().
  return active_ && versions_->transaction() == transaction ? Status::ok : Status::deadlock;
}

Status TransactionSession::lock_for_write(TableId table, Bytes key) {
  if (is_doomed()) return Status::conflict;
  if (!lock(table, key, LockMode::exclusive)) return Status::deadlock;
  if (!versions_ || !versions_->comes_second(table, key)) return Status::ok;
  roll_back();
  return Status::conflict;
}

}  // namespace muster
