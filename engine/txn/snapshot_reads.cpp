#include "engine/txn/transaction_session.h"

namespace muster {

// What a session does whose level reads or writes versions.

Status TransactionSession::read_version(TableId table, Bytes key, std::vector<std::byte>& value) {
  require_transaction();
  const BTree& tree = engine_.tables.get(table);
  const SessionVersions::Reading reading(*versions_);
  const Status in_page = tree.find(key, value);
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

Status TransactionSession::scan_versions(TableId table, Bytes from,
                                         const std::function<bool(Bytes key, Bytes value)>& visit) {
  require_transaction();
  using Shows = VersionStore::View::Shows;
  const BTree& tree = engine_.tables.get(table);
  const SessionVersions::Reading reading(*versions_);
  const std::uint32_t transaction = versions_->transaction();
  const auto goes_on = [&] { return active_ && versions_->transaction() == transaction; };
  tree.scan(from, [&](const TreeRecord& record) {
    const VersionStore::View view = reading.look(table, record.key);
    Bytes value = view.shows == Shows::before ? view.value : record.value;
    bool exists = view.shows == Shows::before || (view.shows == Shows::page && !record.ghost);
    if (view.shows == Shows::own) {  // visit() may have written it since the leaf was copied
      exists = tree.find(record.key, scanned_) == Status::ok;
      value = scanned_;
    }
    if (exists) return visit(record.key, value) && goes_on();
    if (record.ghost && ghosts_.size() < kForeignGhostsMax) ghosts_.add(table, record.key);
    return true;
  });
  return goes_on() ? Status::ok : Status::deadlock;  // an operation of visit() has been the victim
}

Status TransactionSession::lock_for_write(TableId table, Bytes key) {
  if (!lock(table, key, LockMode::exclusive)) return Status::deadlock;
  if (!versions_ || !versions_->comes_second(table, key)) return Status::ok;
  roll_back();
  return Status::conflict;
}

}  // namespace muster
