#include "engine/log/log_manager.h"

#include <fmt/format.h>

#include <algorithm>

#include "algorithms/registry.h"
#include "engine/error.h"
#include "engine/io/direct_log_device.h"
#include "engine/io/file_log_device.h"
#include "engine/io/memory_log_device.h"
#include "engine/log/log_reader.h"

namespace muster {
namespace {

void check(const LogOptions& options) {
  const auto refuse = [](const char* key, const auto& value, const char* want) {
    throw ConfigError(key, fmt::format("{}", value), want);
  };
  const bool file = options.device == "file";
  if (!file && options.device != "memory")
    refuse("log.device", options.device, "want \"file\" or \"memory\"");
  if (!file && options.direct) refuse("log.direct", true, "want false where log.device is \"memory\"");
  if (options.direct && options.write_each) refuse("log.write_each", true, "want false with log.direct");
  if (file && options.latency.count() != 0) {
    refuse("log.latency_us", options.latency.count(), "want 0 where log.device is \"file\": it has its own");
  }
  if (options.latency.count() < 0) refuse("log.latency_us", options.latency.count(), "want 0 or more");
  if (file && options.directory.empty()) refuse("log.directory", "\"\"", "want a directory for the segments");
  if (options.segment_bytes == 0 || options.segment_bytes % kSegmentHeaderBytes != 0) {
    refuse("log.segment_bytes", options.segment_bytes, "want a multiple of 4096");
  }
  if (options.group_commits == 0) refuse("log.group_commits", 0, "want 1 or more");
  if (options.group_timeout.count() < 0) {
    refuse("log.group_timeout_us", options.group_timeout.count(), "want 0 or more");
  }
}

void check(std::string_view algorithm) {
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.name != algorithm) continue;
    if (info.unsafe) {
      throw ConfigError("algorithm", std::string(algorithm),
                        "want one that never passes a hole (it is marked unsafe)");
    }
    if (info.stalls_on_idle) {
      throw ConfigError("algorithm", std::string(algorithm), "want one that an idle worker does not stall");
    }
  }
}

}  // namespace

void check(const LogOptions& options, std::string_view algorithm) {
  check(options);
  check(algorithm);
}

namespace {

/// The end of the log in `directory`, where the next record belongs.
Lsn find_end(const LogOptions& options) {
  LogReader reader(options.directory, options.scan_from);
  while (reader.next()) {}
  if (reader.end().kind == LogEnd::Kind::truncated || reader.end().kind == LogEnd::Kind::damaged) {
    throw DamageError(reader.end().what);
  }
  return reader.end().lsn;
}

std::unique_ptr<LogDevice> open_device(const LogOptions& options) {
  check(options);
  if (options.device == "memory") return std::make_unique<MemoryLogDevice>(options.latency);
  make_directories(options.directory);
  File lock =
      lock_log(options.directory);  // first: the end of a log that another process writes is not its end
  const Lsn end = find_end(options);
  if (options.direct) return std::make_unique<DirectLogDevice>(std::move(lock), end, options.segment_bytes);
  return std::make_unique<FileLogDevice>(std::move(lock), end, options.segment_bytes);
}

std::unique_ptr<LogBuffer> make_buffer(std::string_view algorithm, LogBufferOptions options, Lsn start) {
  check(algorithm);
  options.start = start;
  return make_log_buffer(algorithm, options);
}

/// How far above the boundary workers of this algorithm come before they wait for a drainer.
std::uint64_t reach_of(std::string_view algorithm, const LogBufferOptions& options) {
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.name == algorithm && info.reach != nullptr) return info.reach(options);
  }
  return options.capacity;
}

}  // namespace

LogManager::LogManager(const LogOptions& options, std::string_view algorithm, const LogBufferOptions& buffer)
    : LogManager(options, algorithm, buffer, (check(algorithm), open_device(options))) {}

LogManager::LogManager(const LogOptions& options, std::string_view algorithm, const LogBufferOptions& buffer,
                       std::unique_ptr<LogDevice> device)
    : device_(std::move(device)),
      incarnation_(device_->incarnation()),
      force_each_(options.force_each),
      buffer_(make_buffer(algorithm, buffer, device_->start())),
      workers_(buffer.memory, MemoryRegion::workers, buffer.max_workers, Spacing::by_worker),
      retractions_(options.retract ? std::make_unique<Retractions>(buffer.max_workers) : nullptr),
      flusher_(std::make_unique<Flusher>(*buffer_, *device_,
                                         FlusherOptions{.max_workers = buffer.max_workers,
                                                        .memory = buffer.memory,
                                                        .reach = reach_of(algorithm, buffer),
                                                        .group_commits = options.group_commits,
                                                        .group_timeout = options.group_timeout,
                                                        .write_each = options.write_each,
                                                        .on_start = options.on_flusher_start,
                                                        .before_write = before_write()})) {}

LogManager::~LogManager() = default;

WorkerId LogManager::attach() {
  const WorkerId worker = buffer_->attach();
  workers_.owned(worker);
  flusher_->attach(worker);
  return worker;
}

void LogManager::detach(WorkerId worker) {
  buffer_->detach(worker);
}

LogManager::Appended LogManager::append_there(WorkerId worker, Lsn previous, std::size_t last) {
  RecordEncoder& encoder = workers_[worker].encoder;
  const Reservation reservation = buffer_->reserve(worker, encoder.size());
  encoder.place(incarnation_, reservation.begin, previous, reservation.bytes);
  buffer_->publish(worker, reservation);
  flusher_->appended(reservation.end());
  if (force_each_) flusher_->flush(reservation.end());
  return {{reservation.begin + last, reservation.end()}, reservation.bytes.data()};
}

std::function<void(Lsn, Lsn)> LogManager::before_write() {
  if (!retractions_) return {};
  return [this](Lsn begin, Lsn end) {
    retractions_->apply(begin, end, [this](Lsn record, std::byte* place) {
      retype(std::span<std::byte, kRecordHeaderBytes>(place, kRecordHeaderBytes), incarnation_, record,
             RecordType::skipped);
    });
  };
}

LogPosition LogManager::append_begin(WorkerId worker, TransactionId transaction) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.mark(RecordType::begin, transaction, flusher_->durable());
  const Appended begun = append_there(worker, 0, 0);
  workers_[worker].begin_place = begun.place;
  return begun.position;
}

LogPosition LogManager::append_begin_and_change(WorkerId worker, TransactionId transaction,
                                                const RecordChange& change) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.begin_and_change(transaction, flusher_->durable(), change);
  return append(worker, 0, kRecordHeaderBytes);
}

LogPosition LogManager::append_change(WorkerId worker, TransactionId transaction, Lsn previous,
                                      const RecordChange& change) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.change(RecordType::update, transaction, flusher_->durable(), 0, change);
  return append(worker, previous, 0);
}

LogPosition LogManager::append_compensation(WorkerId worker, TransactionId transaction, Lsn previous,
                                            Lsn undo_next, const RecordChange& change) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.change(RecordType::compensation, transaction, flusher_->durable(), undo_next,
                                  change);
  return append(worker, previous, 0);
}

LogPosition LogManager::append_structure(WorkerId worker, std::span<const PageImage> pages) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.structure(pages, flusher_->durable());
  return append(worker, 0, 0);
}

LogPosition LogManager::append_reclaim(WorkerId worker, const Reclaim& reclaim) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.reclaim(reclaim, flusher_->durable());
  return append(worker, 0, 0);
}

LogPosition LogManager::append_mark(WorkerId worker, TransactionId transaction, Lsn previous,
                                    RecordType commit_abort_or_end) {
  flusher_->throw_if_failed();
  workers_[worker].encoder.mark(commit_abort_or_end, transaction, flusher_->durable());
  return append(worker, previous, 0);
}

}  // namespace muster
