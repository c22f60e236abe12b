#include "engine/log/live_log_reader.h"

#include <fmt/format.h>

#include <string>
#include <system_error>

#include "engine/error.h"
#include "engine/io/file.h"

namespace muster {
namespace {

/// Each attempt fails only because the directory has changed since the one before.
constexpr int kListingsMax = 100;

/// [Segments] of the head.
LogReader open_listed(const std::filesystem::path& directory) {
  std::string complaint;
  for (int listing = 1;; ++listing) {
    std::string what;
    try {
      LogReader reader(directory);
      if (!reader.is_empty()) return reader;
      what = "no segment";
      if (what == complaint) return reader;
    } catch (const DamageError& error) {
      what = error.what();
      if (what == complaint || listing >= kListingsMax) throw;
    } catch (const std::system_error& error) {  // a segment went between its listing and its opening
      if (!is_missing(error.code()) || listing >= kListingsMax) throw;
    }
    complaint = what;
  }
}

/// Whether the second of two looks at a place without a record settles what the place is.
bool settles(const LogEnd& first, const LogEnd& second) {
  const bool proof_came_first = first.kind == LogEnd::Kind::damaged || second.kind != LogEnd::Kind::damaged;
  return first.lsn == second.lsn && proof_came_first;  // [Damage] of the head
}

}  // namespace

LiveLogReader::LiveLogReader(std::filesystem::path directory) : directory_(std::move(directory)) {
  list();
}

/// Reads on from where it was, in the segments as they are now.
void LiveLogReader::list() {
  reader_.emplace(open_listed(directory_));
  if (position_ == 0) bound_ = reader_->end_max();
  // Else it is at the first whole record: [Removal] of the head.
  if (position_ >= reader_->begin_of_segments()) reader_->seek(position_);
}

std::optional<LogRecord> LiveLogReader::read() {
  for (;;) {
    try {
      return reader_->next();
    } catch (const std::system_error& error) {
      if (!is_missing(error.code())) throw;
      list();
    }
  }
}

std::optional<LogRecord> LiveLogReader::next() {
  std::optional<LogEnd> first_look;
  for (;;) {
    if (const auto record = read()) return take(*record);
    end_ = reader_->end();
    if (first_look && settles(*first_look, end_)) break;
    first_look = end_;
    list();
  }
  if (begin_ == 0) begin_ = end_.lsn;
  return std::nullopt;
}

std::optional<LogRecord> LiveLogReader::take(const LogRecord& record) {
  if (position_ != 0) removed_bytes_ += record.lsn - position_;
  if (record.lsn >= bound_) {  // [Bound] of the head
    end_ = {
        LogEnd::Kind::clean, record.lsn,
        fmt::format("the log goes on, but what lies behind LSN {} was written while it was read", bound_)};
    return std::nullopt;
  }
  if (begin_ == 0) begin_ = record.lsn;
  position_ = record.end;
  return record;
}

}  // namespace muster
