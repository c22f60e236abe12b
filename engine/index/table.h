#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <vector>

#include "engine/index/change_log.h"
#include "engine/number.h"
#include "engine/types.h"

namespace muster {

/// What a scan has read of a table since it showed the record before.
class ScanPosition {
 public:
  virtual bool is_current() const = 0;

 protected:
  ~ScanPosition() = default;
};

/// What a scan meets. Valid until the visitor returns.
struct TableRecord {
  Bytes key;
  Bytes value;
  bool ghost = false;  ///< removed, perhaps by a transaction that is not over yet
  /// Whether the key stays in the table for as long as a transaction has its lock. Where it does not, a scan that begins
  /// again begins at an earlier key, and the table itself takes the ghost away.
  bool stays = true;
  const ScanPosition* position = nullptr;

  /// Whether the record is still as the scan has read it, and no key lies between it and the last one that the scan has
  /// met and that stays. A scan asks once it has locked the record and its gap. False may also come of another change nearby.
  bool is_current() const { return position->is_current(); }
};

/// One table: byte strings, ordered as bytes. Isolation between transactions is not its business: callers hold record
/// locks. All operations may run in any number of threads. Errors: ConfigError where a key or value is too long,
/// DamageError, std::system_error; what the log throws passes through, and the table stays as it was.
///
/// Log       A change calls ChangeLog::change() before it takes effect, and so that the order of a key's records in the log
///           is that of its changes.
/// Gaps      An insertion of a key that is not there calls ChangeLog::may_insert() with its successor. A scan that
///           locks a gap and then asks TableRecord::is_current() either sees the key of an insertion that has asked
///           before, or the insertion finds the gap locked.
/// Ghosts    remove() leaves a ghost, which find(), update() and remove() do not see, insert() revives and scan() shows. It
///           stays as long as somebody may need its name (ChangeLog::may_reclaim).
class Table {
 public:
  static constexpr std::size_t kMaxKeyBytes = 512;
  static constexpr std::size_t kMaxValueBytes = 1024;

  virtual ~Table() = default;

  /// Fills `value` when it returns ok; otherwise its content is unspecified.
  virtual Status find(Bytes key, std::vector<std::byte>& value) const = 0;
  /// Returns Status::conflict, with nothing changed, where log.may_insert() refuses.
  virtual Status insert(Bytes key, Bytes value, ChangeLog& log) = 0;
  virtual Status update(Bytes key, Bytes value, ChangeLog& log) = 0;
  virtual Status remove(Bytes key, ChangeLog& log) = 0;
  /// Adds to the number at `what.offset` in the value. Throws ConfigError where the value ends before the number does.
  virtual Status increment(Bytes key, const Increment& what, ChangeLog& log) = 0;
  /// `key` may be a ghost that may go.
  virtual void reclaim(Bytes key, ChangeLog& log) = 0;

  /// Visits records and ghosts with key >= from in order until `visit` returns false. Each record was there, whole, at
  /// some moment during the call. `visit` runs without any latch held and may call the table. True: the scan came to the table's end.
  virtual bool scan(Bytes from, const std::function<bool(const TableRecord& record)>& visit) const = 0;
  /// The smallest key above `key`, a ghost's too, at some moment during the call. False: there is none.
  virtual bool next_key(Bytes key, std::vector<std::byte>& next) const = 0;

  /// Reads everything while no thread changes anything. Throws DamageError with what is wrong.
  virtual void verify() const = 0;

 protected:
  Table() = default;
  Table(const Table&) = default;
  Table& operator=(const Table&) = default;

  /// Throws ConfigError.
  static void check_record(Bytes key, Bytes value) {
    if (key.size() > kMaxKeyBytes || value.size() > kMaxValueBytes) refuse_record(key.size(), value.size());
  }

 private:
  static void refuse_record(std::size_t key_bytes, std::size_t value_bytes);
};

/// A table that keeps changes in memory and files of its own, and not in pages of the buffer manager.
class SelfStoredTable : public Table {
 public:
  /// Restart's redo. Applies the change if the record's newest change that the table has is older than `record_end`; else
  /// returns false. Different keys' changes may come from different threads, a key's from one thread in the log's order. A
  /// change that does not fit what the table holds is a DamageError.
  virtual bool redo(const RecordChange& change, Lsn record_end) = 0;
  /// Bytes of keys and values that redo may add before the table writes a file.
  virtual std::size_t redo_room() const = 0;

  /// Brings every change of before the call into the files, durably. Returns the LSN below which the table needs no log: at
  /// or above the log's end before the call. Beside changes.
  virtual Lsn write_back() = 0;
  /// No change in the files is newer, and the files' own account of what they hold does not go further. A log that ends below has
  /// lost its end.
  virtual Lsn newest_change() const = 0;
  /// Ends the table's own threads. No other thread uses the table any more.
  virtual void stop() noexcept = 0;
};

using SelfStoredTables = std::map<TableId, SelfStoredTable*>;

}  // namespace muster
