#include "engine/log/log_reader.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "engine/io/log_device.h"
#include "engine/log/record_codec.h"

namespace muster {
namespace {

constexpr std::size_t kWindowBytes = std::size_t{256} << 10;
/// What a window that is read backwards holds from the wanted record on: more than any change of one record takes.
constexpr std::size_t kTailBytes = std::size_t{8} << 10;

/// How many bytes in front can hold no record's beginning since every size there is 0: most of a new segment.
std::size_t blank_bytes(const std::byte* bytes, std::size_t size) {
  std::size_t blank = 0;
  for (; blank + kRecordAlignment <= size; blank += kRecordAlignment) {
    std::uint32_t record_size;
    std::memcpy(&record_size, bytes + blank + offsetof(RecordHeader, size), sizeof record_size);
    if (record_size != 0) break;
  }
  return blank;
}

}  // namespace

LogReader::LogReader(std::filesystem::path directory, Lsn from)
    : directory_(std::move(directory)), segments_(list_segments(directory_)) {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = segments_[i];
    if (runs_.empty() || segments_[runs_.back().last_segment].incarnation != segment.incarnation) {
      if (!runs_.empty()) runs_.back().end = segment.first;
      runs_.push_back({i, i, segment.first, segment.end()});
    } else {
      runs_.back().last_segment = i;
      runs_.back().end = segment.end();
    }
  }
  if (from == 0) {
    begin_ = position_ = find_first_record();
  } else {
    seek(from);
    begin_ = from;
  }
}

/// A segment whose predecessors were removed may begin in the middle of a record.
Lsn LogReader::find_first_record() {
  if (runs_.empty()) return kFirstLsn;
  const Run& run = runs_.front();
  if (run.begin == segments_.front().incarnation_begin) return run.begin;
  const auto record = next_valid(run, run.begin);
  return record ? record->lsn : run.begin;
}

void LogReader::seek(Lsn lsn) {
  if (run_of(lsn) == nullptr && !(runs_.empty() && lsn == kFirstLsn)) {
    throw DamageError(runs_.empty()
                          ? fmt::format("log at LSN {}: {} holds no log", lsn, directory_.string())
                          : fmt::format("log at LSN {}: {} holds the log from LSN {} to LSN {} only", lsn,
                                        directory_.string(), runs_.front().begin, runs_.back().end));
  }
  position_ = lsn;
}

const LogReader::Run* LogReader::run_of(Lsn lsn) const {
  for (const Run& run : runs_) {
    if (run.begin <= lsn && (lsn < run.end || &run == &runs_.back()) && lsn <= run.end) return &run;
  }
  return nullptr;
}

std::optional<LogRecord> LogReader::next() {
  const Run* run = run_of(position_);
  if (run == nullptr) {
    end_ = {LogEnd::Kind::clean, position_,
            fmt::format("the log is empty: {} holds no segment", directory_.string())};
    return std::nullopt;
  }
  const auto record = record_at(*run, position_);
  if (record) {
    position_ = record->end;
  } else {
    conclude(*run);
  }
  return record;
}

std::optional<LogRecord> LogReader::read_backwards(Lsn lsn) {
  seek(lsn);
  backwards_ = true;
  auto record = next();
  backwards_ = false;
  return record;
}

/// Why there is no record at position_.
void LogReader::conclude(const Run& run) {
  end_.lsn = position_;
  const Lsn readable = readable_end(run, position_);
  const auto follower = next_valid(run, position_ + kRecordAlignment);
  Lsn witness = follower ? follower->durable : 0;
  for (auto record = follower; record; record = next_valid(run, record->end)) {
    witness = std::max(witness, record->durable);
  }
  const std::string at = fmt::format("the log ends at LSN {}", position_);
  if (&run != &runs_.back()) {
    end_.kind = LogEnd::Kind::damaged;
    end_.what =
        fmt::format("the log is damaged at LSN {}: no record there, but the log was opened again at LSN {}",
                    position_, run.end);
  } else if (witness > position_) {
    end_.kind = LogEnd::Kind::damaged;
    end_.what = fmt::format(
        "the log is damaged at LSN {}: no record there, but records follow at LSN {}; "
        "all below LSN {} was durable once",
        position_, follower->lsn, witness);
  } else if (readable < run.end) {
    // A segment has its size before it has its name: no crash leaves a shorter one, wherever the cut is.
    end_.kind = LogEnd::Kind::truncated;
    end_.what =
        fmt::format("{}: a segment there was cut at LSN {}, it should reach LSN {}", at, readable, run.end);
  } else {
    const Bytes bytes = fetch(run, position_, kRecordHeaderBytes);
    const bool blank =
        std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
    const bool is_blank_to_end = blank && !follower;
    end_.kind = is_blank_to_end ? LogEnd::Kind::clean : LogEnd::Kind::torn;
    end_.what = at;
    if (!is_blank_to_end) {
      end_.what +=
          ": what follows is not whole and was never durable; it is being written, or was when the log broke "
          "off";
    }
  }
}

std::optional<LogRecord> LogReader::record_at(const Run& run, Lsn lsn) {
  const Bytes front = fetch(run, lsn, kRecordHeaderBytes);
  if (front.size() < kRecordHeaderBytes) return std::nullopt;
  RecordHeader header;
  std::memcpy(&header, front.data(), sizeof header);
  if (!plausible(header, lsn) || header.size > run.end - lsn) return std::nullopt;
  return decode_record(segments_[run.first_segment].incarnation, lsn, fetch(run, lsn, header.size));
}

/// The first whole record at or behind `from`, wherever it begins.
std::optional<LogRecord> LogReader::next_valid(const Run& run, Lsn from) {
  const Lsn readable = readable_end(run, from);
  for (Lsn lsn = from; lsn + kRecordHeaderBytes <= readable;) {
    const Lsn blank = lsn + blank_bytes(fetch(run, lsn, kRecordHeaderBytes).data(), window_end_ - lsn);
    if (blank == lsn) {
      if (auto record = record_at(run, lsn)) return record;
    }
    lsn = std::max(blank, lsn + kRecordAlignment);
  }
  return std::nullopt;
}

/// Where the bytes end that can be read from `lsn` on.
Lsn LogReader::readable_end(const Run& run, Lsn lsn) const {
  for (std::size_t i = run.first_segment; i <= run.last_segment; ++i) {
    const Segment& segment = segments_[i];
    if (segment.end() > lsn && segment.file_end() < segment.end())
      return std::min(run.end, segment.file_end());
  }
  return run.end;
}

/// Up to `size` bytes at `lsn`: fewer where the run or a file ends.
Bytes LogReader::fetch(const Run& run, Lsn lsn, std::size_t size) {
  if (lsn < window_begin_ || lsn + size > window_end_ || lsn >= run.end) {
    window_.resize(std::max(size, kWindowBytes));
    window_begin_ = window_for(run, lsn, size);
    // behind a run's end lie stale bytes
    window_end_ = std::min(run.end, window_begin_ + read(run, window_begin_, window_));
  }
  const Lsn end = std::min({lsn + size, window_end_, run.end});
  return Bytes(window_).subspan(lsn - window_begin_, end > lsn ? end - lsn : 0);
}

/// Where a window begins that holds `size` bytes at `lsn`.
Lsn LogReader::window_for(const Run& run, Lsn lsn, std::size_t size) const {
  if (!backwards_ || size > kTailBytes) return lsn;
  return std::max(run.begin + kWindowBytes, lsn + kTailBytes) - kWindowBytes;
}

std::size_t LogReader::read(const Run& run, Lsn lsn, std::span<std::byte> into) {
  std::size_t done = 0;
  for (std::size_t i = run.first_segment; i <= run.last_segment && done < into.size(); ++i) {
    const Segment& segment = segments_[i];
    const Lsn at = lsn + done;
    if (at >= segment.end()) continue;
    if (!file_.is_open() || file_segment_ != i) {
      file_ = File::open(segment.path, O_RDONLY);
      file_segment_ = i;
    }
    const std::size_t wanted = std::min<std::size_t>(into.size() - done, segment.end() - at);
    const std::size_t got =
        file_.read_at(kSegmentHeaderBytes + (at - segment.first), into.subspan(done, wanted));
    done += got;
    bytes_read_ += got;
    if (got < wanted) break;
  }
  return done;
}

}  // namespace muster
