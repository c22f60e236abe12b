#include "engine/txn/restart.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <queue>
#include <vector>

#include "engine/error.h"
#include "engine/index/redo.h"
#include "engine/storage/page_checksum.h"
#include "engine/storage/slotted_page.h"
#include "engine/txn/undo.h"

namespace muster {
namespace {

constexpr std::uint64_t kRecordsPerReport = 4096;
constexpr std::size_t kScanBytes = std::size_t{1} << 20;

}  // namespace

Restart::Restart(const std::filesystem::path& log_directory, const Master& master, const Catalogue& catalogue,
                 BufferManager& buffers, const SelfStoredTables& self_stored, RestartObserver* observer,
                 RestartLimits limits, std::uint32_t redo_workers)
    : log_directory_(log_directory),
      log_begin_(master.log_begin),
      redo_begin_(master.redo_begin),
      settled_(master.settled),
      buffers_(buffers),
      self_stored_(self_stored),
      redo_workers_(redo_workers),
      observer_(observer),
      limits_(limits),
      reader_(log_directory, master.log_begin),
      frames_left_(buffers.free_frames()),
      redone_to_(master.log_begin),
      last_record_(master.log_begin),
      next_transaction_(master.next_transaction) {
  for (const auto& [id, table] : self_stored_) room_left_[id] = table->redo_room();
  RedoWorkers workers(buffers_, self_stored_, redo_workers_);
  try {
    read_and_redo(catalogue, workers);
  } catch (...) {
    workers.drain();  // throws what is wrong with an earlier record, if anything is
    throw;
  }
  count(workers.drain());
  has_frame_ = {};
  check_end();
  reader_end_ = reader_.end().lsn;
  statistics_.log_begin = log_begin_;
  statistics_.log_end = reader_end_;
  statistics_.losers = losers_.size();
  statistics_.log_bytes_read = reader_.bytes_read();
}

void Restart::read_and_redo(const Catalogue& catalogue, RedoWorkers& workers) {
  bool in_memory = true;
  while (const auto record = reader_.next()) {
    note(*record, catalogue);
    report(RestartPhase::read, record->end - log_begin_, reader_.end_max() - log_begin_);
    in_memory = in_memory && fits_into_memory(*record) && !redo_is_cut();
    if (!in_memory) continue;
    redo(*record, workers);
    redone_to_ = record->end;
  }
}

void Restart::check_end() const {
  const LogEnd& end = reader_.end();
  if (end.kind == LogEnd::Kind::damaged || end.kind == LogEnd::Kind::truncated) throw DamageError(end.what);
  if (end.lsn >= settled_) return;
  throw DamageError(fmt::format(
      "the log ends at LSN {}, but the master was written when it was durable up to {}", end.lsn, settled_));
}

void Restart::note(const LogRecord& record, const Catalogue& catalogue) {
  ++statistics_.records;
  if (record.lsn < redo_begin_) ++statistics_.below;
  last_record_ = record.lsn;
  next_transaction_ = std::max(next_transaction_, record.transaction + 1);
  Loser* loser = nullptr;
  switch (record.type) {
    case RecordType::skipped:
      return;
    case RecordType::structure:  // of any table: it may have been under construction when the crash came
      return;
    case RecordType::reclaim:
      statistics_.reclaimed += reclaim_of(record).slots.size();
      return;
    case RecordType::begin:
      losers_[record.transaction] = {record.lsn, record.lsn, 0};
      return;
    case RecordType::commit:
    case RecordType::end:
      losers_.erase(record.transaction);
      ++statistics_.winners;
      return;
    case RecordType::update:
    case RecordType::compensation:
    case RecordType::abort: {
      const auto found = losers_.find(record.transaction);
      if (found == losers_.end() && record.lsn < settled_) return;  // it has ended; its begin lies below
      if (found == losers_.end()) {
        throw DamageError(fmt::format("log at LSN {}: a record of transaction {}, which has no begin record",
                                      record.lsn, record.transaction));
      }
      loser = &found->second;
    }
  }
  if (loser->last != record.previous) {
    throw DamageError(
        fmt::format("log at LSN {}: follows the record at {}, but the last one of transaction {} is at {}",
                    record.lsn, record.previous, record.transaction, loser->last));
  }
  loser->last = record.lsn;
  if (record.type == RecordType::update) loser->undo_next = record.lsn;
  if (record.type == RecordType::compensation) loser->undo_next = undo_next_of(record);
  if (record.type != RecordType::abort && catalogue.find(change_of(record).table) == nullptr) {
    throw DamageError(fmt::format("log at LSN {}: changes table {}, which the catalogue does not have",
                                  record.lsn, change_of(record).table));
  }
}

void Restart::check_pages(const std::filesystem::path& table_file, TableId table) const {
  const File file = File::open(table_file, O_RDONLY);
  std::vector<std::byte> buffer(kScanBytes);
  for (std::uint64_t offset = 0;; offset += buffer.size()) {
    const std::size_t got = file.read_at(offset, buffer);
    for (std::size_t at = 0; at + kPageBytes <= got; at += kPageBytes) {
      const Lsn lsn = PageView(buffer.data() + at).lsn();
      if (lsn <= reader_end_) continue;
      const PageNumber page = (offset + at) / kPageBytes;
      if (!unseal_page(std::span(buffer).subspan(at).first<kPageBytes>(), table, page)) continue;
      throw DamageError(fmt::format("the log ends at LSN {}, but page {} of {} holds a change up to LSN {}",
                                    reader_end_, page, table_file.string(), lsn));
    }
    if (got < buffer.size()) return;
  }
}

/// An eviction would write pages to the disk before the log's end is known to be no damage.
bool Restart::fits_into_memory(const LogRecord& record) {
  if (record.lsn < redo_begin_) return true;
  const auto fits = [this](const auto& change) { return has_frame(change.table, change.page); };
  if (record.type == RecordType::update || record.type == RecordType::compensation) {
    const RecordChange change = change_of(record);
    return self_stored_.contains(change.table) ? has_room(change) : fits(change);
  }
  if (record.type == RecordType::reclaim) return fits(reclaim_of(record));
  return record.type != RecordType::structure || std::ranges::all_of(pages_of(record), fits);
}

/// Each page gets one when the log first names it, and keeps it.
bool Restart::has_frame(TableId table, PageNumber page) {
  if (!buffers_.is_open(table) || page >= buffers_.space(table).pages_max()) return true;  // it needs none
  std::vector<bool>& pages = has_frame_[table];
  if (page >= pages.size()) pages.resize(std::max(page + 1, 2 * pages.size()));
  if (pages[page]) return true;
  if (frames_left_ == 0) return false;
  --frames_left_;
  pages[page] = true;
  return true;
}

bool Restart::has_room(const RecordChange& change) {
  // An increment adds a whole value.
  const std::size_t value =
      change.kind == ChangeKind::increment ? Table::kMaxValueBytes : change.after.size();
  std::size_t& left = room_left_[change.table];
  const std::size_t wanted = change.key.size() + value;
  if (wanted > left) return false;
  left -= wanted;
  return true;
}

void Restart::redo(const LogRecord& record, RedoWorkers& workers) {
  if (record.lsn < redo_begin_) return;
  ++statistics_.redo_records;
  if (record.type == RecordType::update || record.type == RecordType::compensation) {
    workers.add(change_of(record), record.end);
  } else if (record.type == RecordType::reclaim) {
    workers.add(reclaim_of(record), record.end);
  } else if (record.type == RecordType::structure) {
    for (const PageImage& image : pages_of(record)) {
      if (buffers_.is_open(image.table)) {
        workers.add(image, record.end);
      } else {
        ++statistics_.without_table;  // one whose creation the crash cut off
      }
    }
  }
}

void Restart::count(const RedoWorkers::Counts& counts) {
  statistics_.redone += counts.redone;
  statistics_.up_to_date += counts.up_to_date;
}

void Restart::report(RestartPhase phase, Lsn done, Lsn total) {
  if (observer_ == nullptr || until_report_-- > 0) return;
  until_report_ = kRecordsPerReport;
  observer_->progress({phase, done, std::max<Lsn>(total, 1)});
}

void Restart::redo() {
  if (redone_to_ != reader_end_ && !redo_is_cut()) {
    read_again(redone_to_);
    RedoWorkers workers(buffers_, self_stored_, redo_workers_);
    while (redone_to_ < reader_end_ && !redo_is_cut()) {
      const LogRecord record = expected(reader_.next());
      redo(record, workers);
      redone_to_ = record.end;
      report(RestartPhase::redo, redone_to_ - log_begin_, reader_end_ - log_begin_);
    }
    count(workers.drain());
    statistics_.log_bytes_read += reader_.bytes_read();
  }
  if (limits_.redo) throw RestartCut(RestartPhase::redo, statistics_);
}

void Restart::read_again(Lsn from) {
  reader_ = LogReader(log_directory_, from);
}

/// What the first reading has seen.
LogRecord Restart::expected(std::optional<LogRecord> record) const {
  if (!record) throw DamageError("what was read a moment ago is gone: " + reader_.end().what);
  return *record;
}

void Restart::undo(LogManager& log, const Tables& tables) {
  if (!losers_.empty()) {
    read_again(log_begin_);
    const WorkerId worker = log.attach();
    undo_losers(log, worker, tables);
    log.detach(worker);
    statistics_.log_bytes_read += reader_.bytes_read();
  }
  if (limits_.undo) {
    log.abandon();
    throw RestartCut(RestartPhase::undo, statistics_);
  }
  if (observer_ != nullptr) observer_->finished(statistics_);
}

void Restart::undo_losers(LogManager& log, WorkerId worker, const Tables& tables) {
  std::map<TransactionId, Undo> undos;
  std::priority_queue<std::pair<Lsn, TransactionId>> next;
  Lsn oldest = reader_end_;
  for (const auto& [transaction, loser] : losers_) {
    oldest = std::min(oldest, loser.begin);
    undos.try_emplace(transaction, log, worker, transaction, loser.last, nullptr);
    next.emplace(loser.undo_next, transaction);
  }
  while (!next.empty()) {
    const auto [lsn, transaction] = next.top();
    next.pop();
    Undo& undo = undos.at(transaction);
    const LogRecord record = lsn != 0 ? expected(reader_.read_backwards(lsn)) : LogRecord{};
    if (lsn == 0 || record.type == RecordType::begin) {
      undo.end();
      continue;
    }
    if (record.type == RecordType::compensation) {  // the transaction went back to a savepoint
      next.emplace(undo_next_of(record), transaction);
      continue;
    }
    if (undo_is_cut()) return;
    const RecordChange change = change_of(record);
    undo.take_back(tables, change.table, change.kind, change.key, change.before, record.previous);
    next.emplace(record.previous, transaction);
    ++statistics_.undone;
    report(RestartPhase::undo, reader_end_ - lsn, reader_end_ - oldest);
  }
  losers_.clear();
}

}  // namespace muster
