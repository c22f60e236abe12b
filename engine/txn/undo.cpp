#include "engine/txn/undo.h"

#include <fmt/format.h>

#include "engine/error.h"

namespace muster {

void Undo::take_back(const Tables& tables, TableId table, ChangeKind kind, Bytes key, Bytes before,
                     Lsn undo_next) {
  undo_next_ = undo_next;
  Table& records = tables.get(table);
  Status status = Status::ok;
  switch (kind) {
    case ChangeKind::insert:
      status = records.remove(key, *this);
      break;
    case ChangeKind::update:
      status = records.update(key, before, *this);
      break;
    case ChangeKind::remove:
      status = records.insert(key, before, *this);
      break;
    case ChangeKind::increment:
      status = records.increment(key, Increment::of(before), *this);
      break;
  }
  if (status != Status::ok) {
    throw DamageError(fmt::format(
        "transaction {} cannot be rolled back: a record of table {} is not as it left it (after LSN {})",
        transaction_, table, last_));
  }
  if (kind == ChangeKind::insert && session_ == nullptr) records.reclaim(key, *this);
}

void Undo::end() {
  log_.append_mark(worker_, transaction_, last_, RecordType::end);
}

Lsn Undo::change(const RecordChange& change) {
  const LogPosition position = log_.append_compensation(worker_, transaction_, last_, undo_next_, change);
  last_ = position.begin;
  return position.end;
}

Lsn Undo::restructure(std::span<const PageImage> pages) {
  return log_.append_structure(worker_, pages).end;
}

bool Undo::may_reclaim(TableId table, Bytes key) {
  return session_ == nullptr || session_->may_reclaim(table, key);
}

Lsn Undo::reclaim(const Reclaim& ghosts) {
  return log_.append_reclaim(worker_, ghosts).end;
}

}  // namespace muster
