#include "engine/io/direct_log_device.h"

#include <fcntl.h>
#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "engine/io/file.h"
#include "engine/io/file_observer.h"

namespace muster {
namespace {

constexpr unsigned kQueueDepth = 4;
// What a completion belongs to; indices of the results.
constexpr std::uint64_t kWrite = 0;
constexpr std::uint64_t kSync = 1;

}  // namespace

DirectLogDevice::DirectLogDevice(File lock, Lsn start, std::uint64_t segment_bytes)
    : start_(start),
      segments_(std::move(lock), start, segment_bytes, O_RDWR | O_DIRECT),
      staging_(static_cast<std::byte*>(std::aligned_alloc(kBlock, kStagingBytes))),
      staged_begin_(start),
      staged_end_(start),
      written_(start),
      ring_(std::make_unique<io_uring>()) {
  if (!staging_) throw std::bad_alloc();
  const int error = io_uring_queue_init(kQueueDepth, ring_.get(), 0);
  if (error < 0) throw_file_error("io_uring_queue_init for", segments_.directory(), -error);
}

DirectLogDevice::~DirectLogDevice() {
  io_uring_queue_exit(ring_.get());
}

void DirectLogDevice::write(Lsn begin, Bytes bytes) {
  while (!bytes.empty()) {
    if (begin == segments_.end()) {
      submit(true);
      segments_.advance();
      staged_begin_ = staged_end_ = begin;
    } else if (staged_end_ == staged_begin_ + kStagingBytes) {
      submit(false);
    }
    const Lsn room_end = std::min<Lsn>(segments_.end(), staged_begin_ + kStagingBytes);
    const std::size_t part = std::min<std::size_t>(bytes.size(), room_end - begin);
    std::memcpy(staging_.get() + (begin - staged_begin_), bytes.data(), part);
    bytes = bytes.subspan(part);
    begin += part;
    staged_end_ = begin;
    segments_.written(begin);
  }
}

void DirectLogDevice::sync() {
  submit(true);
}

void DirectLogDevice::remove_below(Lsn lsn) {
  remove_segments_below(segments_.directory(), lsn);
}

void DirectLogDevice::submit(bool and_sync) {
  const std::size_t staged = staged_end_ - staged_begin_;
  const std::size_t blocks = (staged + kBlock - 1) / kBlock * kBlock;
  std::memset(staging_.get() + staged, 0, blocks - staged);
  std::size_t done = staged_end_ > written_ ? 0 : blocks;
  do {
    done += submit(done, blocks, and_sync);
  } while (done < blocks);
  written_ = staged_end_;
  const std::size_t whole = staged / kBlock * kBlock;
  std::memmove(staging_.get(), staging_.get() + whole, staged - whole);
  staged_begin_ += whole;
}

/// Writes [done, blocks) of the staged bytes and syncs. Returns how many were written: where it is not all, the
/// sync was cancelled.
std::size_t DirectLogDevice::submit(std::size_t done, std::size_t blocks, bool and_sync) {
  const File& file = segments_.file();
  const std::uint64_t offset = segments_.offset(staged_begin_) + done;
  std::optional<ObservedOperation> write, sync;
  if (done < blocks) {
    write.emplace(FileOperation{.kind = FileOperation::Kind::write,
                                .path = file.path(),
                                .descriptor = file.descriptor(),
                                .offset = offset,
                                .size = blocks - done,
                                .bytes = staging_.get() + done});
  }
  // A write that the observer cuts short or refuses has no sync behind it, as the kernel would have it.
  const bool in_full = !write || !write->is_wanted() || write->bytes() == blocks - done;
  if (and_sync && in_full) {
    sync.emplace(FileOperation{
        .kind = FileOperation::Kind::sync, .path = file.path(), .descriptor = file.descriptor()});
  }
  unsigned entries = 0;
  if (write && write->is_wanted()) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_write(entry, file.descriptor(), staging_.get() + done,
                        static_cast<unsigned>(write->bytes()), offset);
    if (sync && sync->is_wanted())
      io_uring_sqe_set_flags(entry, IOSQE_IO_LINK);  // the sync waits for the write
    io_uring_sqe_set_data64(entry, kWrite);
    ++entries;
  }
  if (sync && sync->is_wanted()) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_fsync(entry, file.descriptor(), IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(entry, kSync);
    ++entries;
  }
  const Results results = complete(entries);
  const std::int64_t written = write ? write->conclude(results[kWrite]) : 0;
  const std::int64_t synced = sync ? sync->conclude(results[kSync]) : 0;
  if (written == -EINTR) return 0;
  if (written < 0) throw_file_error("write", file.path(), static_cast<int>(-written));
  const std::size_t whole =
      static_cast<std::size_t>(written) / kBlock * kBlock;  // a direct write begins at a block
  if (done + whole < blocks) {
    if (write && whole == 0) throw_file_error("write", file.path(), EIO);  // the device does not get on
    return whole;
  }
  if (synced < 0) throw_file_error("fdatasync", file.path(), static_cast<int>(-synced));
  return whole;
}

io_uring_sqe* DirectLogDevice::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (entry == nullptr) throw_file_error("io_uring_get_sqe for", segments_.file().path(), EAGAIN);
  return entry;
}

/// Submits `entries` and waits for all of them, whatever becomes of each.
DirectLogDevice::Results DirectLogDevice::complete(unsigned entries) {
  Results results{};
  if (entries == 0) return results;
  int submitted;
  do {
    submitted = io_uring_submit_and_wait(ring_.get(), entries);
  } while (submitted == -EINTR);
  if (submitted != static_cast<int>(entries)) {
    throw_file_error("io_uring_submit for", segments_.file().path(), submitted < 0 ? -submitted : EAGAIN);
  }
  for (unsigned i = 0; i < entries; ++i) {
    io_uring_cqe* completion = nullptr;
    int error;
    do {
      error = io_uring_wait_cqe(ring_.get(), &completion);
    } while (error == -EINTR);
    if (error < 0) throw_file_error("io_uring_wait_cqe for", segments_.file().path(), -error);
    results[io_uring_cqe_get_data64(completion)] = completion->res;
    io_uring_cqe_seen(ring_.get(), completion);
  }
  return results;
}

}  // namespace muster
