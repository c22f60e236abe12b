#include <sys/resource.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <random>
#include <thread>

#include "engine/error.h"
#include "engine/io/direct_log_device.h"
#include "engine/io/faulty_log_device.h"
#include "engine/io/file_log_device.h"
#include "engine/io/memory_log_device.h"
#include "tests/catch.h"
#include "tests/engine/file_judge.h"
#include "tests/temporary_directory.h"

namespace muster {
namespace {

constexpr std::uint64_t kSegment = 64 << 10;

std::unique_ptr<LogDevice> open_device(const std::filesystem::path& directory, bool direct, Lsn start) {
  if (direct) return std::make_unique<DirectLogDevice>(lock_log(directory), start, kSegment);
  return std::make_unique<FileLogDevice>(lock_log(directory), start, kSegment);
}

std::vector<std::byte> random_bytes(std::size_t size) {
  std::mt19937 random(static_cast<unsigned>(size));
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// The stream's bytes from `begin`, put together from the segments.
std::vector<std::byte> read_stream(const std::filesystem::path& directory, Lsn begin, std::size_t size) {
  std::vector<std::byte> result(size);
  for (const Segment& segment : list_segments(directory)) {
    std::vector<std::byte> part(segment.bytes);
    File::open(segment.path, 0).read_at(kSegmentHeaderBytes, part);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const Lsn lsn = segment.first + i;
      if (lsn >= begin && lsn < begin + size) result[lsn - begin] = part[i];
    }
  }
  return result;
}

}  // namespace

TEST_CASE("Log devices: what was written in pieces of any size is read back, over many segments") {
  for (const bool direct : {false, true}) {
    CAPTURE(direct);
    TemporaryDirectory directory;
    const std::vector<std::byte> stream = random_bytes(3 << 20);
    {
      const auto device = open_device(directory.path(), direct, kFirstLsn);
      std::mt19937 random(1);
      for (std::size_t at = 0; at < stream.size();) {
        // Mostly a few blocks, now and then more than a segment and than the staging memory.
        const std::size_t most = random() % 50 == 0 ? std::size_t{2} << 20 : std::size_t{9000};
        const std::size_t size = std::min<std::size_t>(stream.size() - at, 1 + random() % most);
        device->write(kFirstLsn + at, Bytes(stream).subspan(at, size));
        device->sync();
        at += size;
        // Everything is on the disk at every sync, also the bytes of an unfinished block.
        if (random() % 40 == 0) {
          const std::size_t tail = std::min<std::size_t>(at, 5000);
          const auto found = read_stream(directory.path(), kFirstLsn + at - tail, tail);
          REQUIRE(std::memcmp(found.data(), stream.data() + at - tail, tail) == 0);
        }
      }
    }
    CHECK(read_stream(directory.path(), kFirstLsn, stream.size()) == stream);
    CHECK(list_segments(directory.path()).size() >= stream.size() / kSegment);
  }
}

TEST_CASE("Log devices: a reopened one goes on where it is told, in a segment of a new incarnation") {
  for (const bool direct : {false, true}) {
    TemporaryDirectory directory;
    const std::vector<std::byte> stream = random_bytes(10000);
    std::uint64_t first = 0;
    {
      const auto device = open_device(directory.path(), direct, kFirstLsn);
      first = device->incarnation();
      device->write(kFirstLsn, stream);
      device->sync();
    }
    const Lsn end = kFirstLsn + 7777;
    const auto device = open_device(directory.path(), direct, end);
    CHECK(device->start() == end);
    CHECK(device->incarnation() != first);
    device->write(end, Bytes(stream).subspan(7777));
    device->sync();
    const auto segments = list_segments(directory.path());
    REQUIRE(segments.size() == 2);
    CHECK(segments[1].first == end);
    CHECK(segments[1].incarnation == device->incarnation());
  }
}

TEST_CASE("Log devices: a directory whose log is open is refused") {
  TemporaryDirectory directory;
  const FileLogDevice device(lock_log(directory.path()), kFirstLsn, kSegment);
  CHECK_THROWS_AS(lock_log(directory.path()), ConfigError);
}

TEST_CASE("Log devices: only what lies wholly below is removed, and never the newest segment") {
  TemporaryDirectory directory;
  FileLogDevice device(lock_log(directory.path()), kFirstLsn, kSegment);
  const std::vector<std::byte> stream = random_bytes(kSegment * 3 + 10);
  device.write(kFirstLsn, stream);
  device.sync();
  const Lsn third = kFirstLsn + 2 * kSegment;
  device.remove_below(third - 1);
  CHECK(list_segments(directory.path()).front().first == kFirstLsn + kSegment);
  device.remove_below(third);
  CHECK(list_segments(directory.path()).front().first == third);
  device.remove_below(third + 100 * kSegment);
  CHECK(list_segments(directory.path()).size() == 1);
}

TEST_CASE("Log devices: what cannot be preallocated is an error of the write that needs it") {
  TemporaryDirectory directory;
  FileLogDevice device(lock_log(directory.path()), kFirstLsn, kSegment);
  const std::vector<std::byte> stream = random_bytes(kSegment + 1);
  device.write(kFirstLsn, Bytes(stream).first(100));
  device.sync();
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = kSegment;  // less than a segment with its header: no further one
  setrlimit(RLIMIT_FSIZE, &small);
  std::error_code code;
  try {
    device.write(kFirstLsn + 100, Bytes(stream).subspan(100));
  } catch (const std::system_error& error) {
    code = error.code();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(code == std::errc::file_too_large);
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    CHECK(entry.path().extension() == ".log");  // nothing unfinished stays
  }
}

TEST_CASE("Log devices: a segment that found no room is tried for again when it is needed") {
  for (const bool direct : {false, true}) {
    CAPTURE(direct);
    TemporaryDirectory directory;
    const auto device = open_device(directory.path(), direct, kFirstLsn);
    const std::vector<std::byte> stream = random_bytes(kSegment + 100);
    std::atomic<int> refused{0};
    {
      const Judge full([&](const FileOperation& operation) {
        if (operation.kind != FileOperation::Kind::allocate) return FileVerdict{};
        ++refused;
        return FileVerdict{.error = ENOSPC};
      });
      device->write(kFirstLsn, Bytes(stream).first(kSegment - 100));  // the helper begins at half of it
      device->sync();
      while (refused == 0) std::this_thread::yield();
    }
    device->write(kFirstLsn + kSegment - 100, Bytes(stream).subspan(kSegment - 100));
    device->sync();
    CHECK(refused == 1);
    CHECK(read_stream(directory.path(), kFirstLsn, stream.size()) == stream);
  }
}

TEST_CASE("Log devices: an I/O error of the next segment is not tried again") {
  TemporaryDirectory directory;
  const auto device = open_device(directory.path(), false, kFirstLsn);
  const std::vector<std::byte> stream = random_bytes(kSegment + 100);
  std::atomic<int> refused{0};
  {
    const Judge broken([&](const FileOperation& operation) {
      if (operation.kind != FileOperation::Kind::allocate) return FileVerdict{};
      ++refused;
      return FileVerdict{.error = EIO};
    });
    device->write(kFirstLsn, Bytes(stream).first(kSegment - 100));
    while (refused == 0) std::this_thread::yield();
  }
  CHECK_THROWS_AS(device->write(kFirstLsn + kSegment - 100, Bytes(stream).subspan(kSegment - 100)),
                  std::system_error);
}

TEST_CASE("Log devices: a memory device's sync takes the stated latency") {
  MemoryLogDevice device(std::chrono::milliseconds(2));
  const auto begin = std::chrono::steady_clock::now();
  device.write(device.start(), random_bytes(100));
  device.sync();
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(2));
}

TEST_CASE("Log devices: an injected fault hits the call it names, and no other") {
  FaultyLogDevice device(std::make_unique<MemoryLogDevice>(std::chrono::nanoseconds(0)),
                         {.write = 2, .write_bytes = 5, .sync = 2, .error = ENOSPC});
  const std::vector<std::byte> bytes = random_bytes(10);
  device.write(kFirstLsn, bytes);
  device.sync();
  CHECK_THROWS_AS(device.write(kFirstLsn + 10, bytes), std::system_error);
  CHECK_THROWS_AS(device.sync(), std::system_error);
  device.write(kFirstLsn + 10, bytes);
  device.sync();
  CHECK(device.writes() == 3);
  CHECK(device.syncs() == 3);
}

}  // namespace muster
