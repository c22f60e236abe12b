#include "engine/io/direct_log_device.h"

#include <fcntl.h>
#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>
#include <system_error>
#include <utility>

namespace muster {
namespace {

constexpr unsigned kQueueDepth = 4;

[[noreturn]] void fail(const char* operation, const std::filesystem::path& path, int error) {
  throw std::system_error(error, std::generic_category(), std::string(operation) + " " + path.string());
}

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
  if (error < 0) fail("io_uring_queue_init for", segments_.directory(), -error);
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
  unsigned entries = 0;
  const bool unwritten = staged_end_ > written_;
  if (unwritten) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_write(entry, segments_.file().descriptor(), staging_.get(), static_cast<unsigned>(blocks),
                        segments_.offset(staged_begin_));
    if (and_sync) io_uring_sqe_set_flags(entry, IOSQE_IO_LINK);  // the sync starts when the write is complete
    io_uring_sqe_set_data64(entry, blocks);
    ++entries;
  }
  if (and_sync) {
    io_uring_sqe* entry = next_entry();
    io_uring_prep_fsync(entry, segments_.file().descriptor(), IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(entry, 0);
    ++entries;
  }
  complete(entries);
  written_ = staged_end_;
  const std::size_t whole = staged / kBlock * kBlock;
  std::memmove(staging_.get(), staging_.get() + whole, staged - whole);
  staged_begin_ += whole;
}

io_uring_sqe* DirectLogDevice::next_entry() {
  io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
  if (entry == nullptr) fail("io_uring_get_sqe for", segments_.file().path(), EAGAIN);
  return entry;
}

/// Submits `entries` and waits for all of them, whatever becomes of each; then throws the first error.
void DirectLogDevice::complete(unsigned entries) {
  if (entries == 0) return;
  int submitted;
  do {
    submitted = io_uring_submit_and_wait(ring_.get(), entries);
  } while (submitted == -EINTR);
  if (submitted != static_cast<int>(entries)) {
    fail("io_uring_submit for", segments_.file().path(), submitted < 0 ? -submitted : EAGAIN);
  }
  int write_error = 0;
  int sync_error = 0;
  for (unsigned i = 0; i < entries; ++i) {
    io_uring_cqe* completion = nullptr;
    int error;
    do {
      error = io_uring_wait_cqe(ring_.get(), &completion);
    } while (error == -EINTR);
    if (error < 0) fail("io_uring_wait_cqe for", segments_.file().path(), -error);
    const std::uint64_t wanted = io_uring_cqe_get_data64(completion);
    const int result = completion->res;
    io_uring_cqe_seen(ring_.get(), completion);
    if (wanted == 0) {
      if (result < 0) sync_error = -result;
    } else if (result < 0) {
      write_error = -result;
    } else if (static_cast<std::uint64_t>(result) < wanted) {
      write_error = EIO;  // part of it: the device says no more
    }
  }
  if (write_error != 0) fail("write", segments_.file().path(), write_error);  // the sync was cancelled for it
  if (sync_error != 0) fail("fdatasync", segments_.file().path(), sync_error);
}

}  // namespace muster
