#include <fcntl.h>

#include <array>
#include <cerrno>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"
#include "tests/sanitized.h"

namespace muster {
namespace {

constexpr std::uint64_t kSegmentBytes = std::uint64_t{64} << 10;

/// A test looks at one byte in so many. Odd, or it would look at one place of a word alone.
constexpr std::uint64_t kStep = kIsSanitized ? 61 : 1;

/// A log of one segment, nearly full, and the file.
struct FullSegment {
  FullSegment() {
    {
      LogManager log(file_log(directory.path(), kSegmentBytes), "border_collie", small_ring());
      const WorkerId worker = log.attach();
      for (TransactionId i = 1; log.reserved() < kFirstLsn + kSegmentBytes / 2 - 400; ++i) {
        log.wait_for_commit(worker, append_transaction(log, worker, i, std::string(i % 200, 'v')).end,
                            CommitPolicy::durable);
      }
      log.detach(worker);
    }
    whole = read_log(directory.path());
    const std::vector<Segment> segments = list_segments(directory.path());
    REQUIRE(segments.size() == 1);
    file = File::open(segments.front().path, O_RDWR);
  }

  /// Whether what is read is a first part of what was written, or refused in words.
  bool is_honest() const {
    try {
      const FoundLog found = read_log(directory.path());
      return found.lsns.size() <= whole.lsns.size() &&
             std::equal(found.lsns.begin(), found.lsns.end(), whole.lsns.begin()) &&
             std::equal(found.committed.begin(), found.committed.end(), whole.committed.begin());
    } catch (const DamageError& error) {
      return std::string(error.what()).find("log at LSN") != std::string::npos;
    }
  }

  TemporaryDirectory directory;
  FoundLog whole;
  File file;
};

}  // namespace

TEST_CASE("A damaged log: whichever byte of 64 KiB is flipped, no record is made up") {
  FullSegment log;
  REQUIRE(log.whole.committed.size() > 50);
  std::size_t wrong = 0, unseen = 0;
  const std::uint64_t end = kSegmentHeaderBytes + log.whole.end.lsn - kFirstLsn;
  for (std::uint64_t at = 0; at < kSegmentHeaderBytes + kSegmentBytes; at += kStep) {
    std::array<std::byte, 1> byte;
    log.file.read_at(at, byte);
    const std::array<std::byte, 1> flipped{~byte[0]};
    log.file.write_at(at, flipped);
    wrong += !log.is_honest();
    // A byte of a record takes at least that record away. Only the header's padding does not matter.
    if (at >= kSegmentHeaderBytes && at < end) {
      try {
        unseen += read_log(log.directory.path()).records == log.whole.records;
      } catch (const DamageError&) {}
    }
    log.file.write_at(at, byte);
  }
  CHECK(wrong == 0);
  CHECK(unseen == 0);
  CHECK(log.is_honest());
}

TEST_CASE("A damaged log: wherever a segment of 64 KiB is cut, what is before can be read or is refused") {
  FullSegment log;
  std::size_t wrong = 0, taken_for_whole = 0;
  for (std::uint64_t cut = 1; cut <= kSegmentHeaderBytes + kSegmentBytes; cut += kStep) {
    const std::uint64_t size = kSegmentHeaderBytes + kSegmentBytes - cut;
    log.file.truncate(size);
    wrong += !log.is_honest();
    try {  // no crash leaves a short segment: opening must not take it for one
      const LogEnd end = read_log(log.directory.path()).end;
      taken_for_whole += end.kind == LogEnd::Kind::clean || end.kind == LogEnd::Kind::torn;
    } catch (const DamageError&) {}
  }
  CHECK(wrong == 0);
  CHECK(taken_for_whole == 0);
}

}  // namespace muster
