#include "engine/log/live_log_reader.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "engine/error.h"
#include "engine/io/file_observer.h"
#include "tests/catch.h"
#include "tests/engine/log/log_writing.h"
#include "tests/sanitized.h"

namespace muster {
namespace {

using Catch::Matchers::Contains;

struct Read {
  std::vector<Lsn> lsns;
  LogEnd end;
  Lsn removed_bytes = 0;
};

Read read_on(LiveLogReader& reader) {
  Read read;
  while (const auto record = reader.next()) read.lsns.push_back(record->lsn);
  read.end = reader.end();
  read.removed_bytes = reader.removed_bytes();
  return read;
}
Read read_all(const std::filesystem::path& directory) {
  LiveLogReader reader(directory);
  return read_on(reader);
}

TEST_CASE("LiveLogReader: of a log without a writer it says what LogReader says, whatever is wrong with it") {
  const TemporaryDirectory directory;
  Lsn second = 0, last = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    second = writer.commit(2, kFirstLsn);
    for (int i = 0; i < 300; ++i) writer.commit(3, second);
    last = writer.commit(4, second);
  }
  auto kind = LogEnd::Kind::clean;
  SECTION("nothing") {}
  SECTION("the last record is torn") {
    spoil(directory.path(), last + kRecordHeaderBytes - 4);
    kind = LogEnd::Kind::torn;
  }
  SECTION("a record that was durable is wrong") {
    spoil(directory.path(), kFirstLsn);
    kind = LogEnd::Kind::damaged;
  }
  SECTION("a segment was cut") {
    const auto path = segment_at(directory.path(), last);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - kSegment + 8);
    kind = LogEnd::Kind::truncated;
  }
  const Read read = read_all(directory.path());
  const FoundLog found = read_log(directory.path());
  CHECK(read.end.kind == kind);
  CHECK(read.end.kind == found.end.kind);
  CHECK(read.end.lsn == found.end.lsn);
  CHECK(read.end.what == found.end.what);
  CHECK(read.lsns == found.lsns);
  CHECK(read.removed_bytes == 0);
}

TEST_CASE("LiveLogReader: a directory without a log is empty; one that lacks a segment is refused") {
  const TemporaryDirectory directory;
  CHECK(read_all(directory.path()).lsns.empty());
  CHECK(read_all(directory / "no").end.lsn == kFirstLsn);
  {
    LogWriter writer(directory.path());
    for (int i = 0; i < 400; ++i) writer.commit(1, kFirstLsn);
  }
  std::filesystem::remove(segment_at(directory.path(), kFirstLsn + kSegment));
  CHECK_THROWS_WITH(LiveLogReader(directory.path()), Contains("the segment before it is missing"));
}

TEST_CASE("LiveLogReader: it reads on where the log has grown, also into segments that were not there") {
  const TemporaryDirectory directory;
  LogWriter writer(directory.path());
  std::vector<Lsn> lsns{writer.commit(1, kFirstLsn)};
  LiveLogReader reader(directory.path());
  CHECK(reader.next()->lsn == lsns[0]);  // it has read ahead by now, and found zeros
  for (int i = 0; i < 60; ++i) lsns.push_back(writer.commit(2, kFirstLsn));
  for (std::size_t i = 1; i < lsns.size(); ++i) {
    const auto record = reader.next();
    REQUIRE(record);
    REQUIRE(record->lsn == lsns[i]);
  }
  const Lsn crossing = writer.update(3 * kSegment, kFirstLsn);  // begins in the segment that it knows
  const auto record = reader.next();
  REQUIRE(record);
  CHECK(record->lsn == crossing);
  CHECK(change_of(*record).after.size() == 3 * kSegment);
  CHECK_FALSE(reader.next());
  CHECK(reader.end().lsn == writer.end());
  CHECK(reader.end().kind == LogEnd::Kind::clean);
}

TEST_CASE("LiveLogReader: a log that grows faster than it is read is read up to where it ended before") {
  const TemporaryDirectory directory;
  LogWriter writer(directory.path());
  writer.commit(1, kFirstLsn);
  LiveLogReader reader(directory.path());
  const Lsn bound = list_segments(directory.path()).back().end();
  for (int i = 0; i < 1000; ++i) writer.commit(2, kFirstLsn);
  const Read read = read_on(reader);
  CHECK(read.end.kind == LogEnd::Kind::clean);
  CHECK(read.end.lsn >= bound);
  CHECK(read.lsns.back() < bound);
  CHECK_THAT(read.end.what, Contains("the log goes on"));
  CHECK(read_all(directory.path()).end.lsn == writer.end());
}

TEST_CASE("LiveLogReader: what a checkpoint removes before it is read is counted, and the rest is read") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t kLarge = 64 << 10;
  LogWriter writer(directory.path(), kFirstLsn, kLarge);
  std::vector<Lsn> lsns;
  while (writer.end() < 20 * kLarge) lsns.push_back(writer.update(700, kFirstLsn));
  LiveLogReader reader(directory.path());
  for (int i = 0; i < 10; ++i) REQUIRE(reader.next()->lsn == lsns[i]);
  const Lsn begin = kFirstLsn + 12 * kLarge;  // behind what it has read ahead
  remove_segments_below(directory.path(), begin);
  const Read read = read_on(reader);
  CHECK(read.end.lsn == writer.end());
  CHECK(read.end.kind == LogEnd::Kind::clean);
  REQUIRE(read.removed_bytes > 0);
  REQUIRE(read.lsns.size() > 100);
  CHECK(read.lsns.back() == lsns.back());
  std::size_t skips = 0;
  Lsn expected = lsns[10];
  for (const Lsn lsn : read.lsns) {
    if (lsn != expected) {
      ++skips;
      CHECK(lsn - expected == read.removed_bytes);
    }
    expected = *std::upper_bound(lsns.begin(), lsns.end() - 1, lsn);
  }
  CHECK(skips == 1);
}

TEST_CASE(
    "LiveLogReader: where all that was there goes before it is read, it stops, and says how much went") {
  const TemporaryDirectory directory;
  constexpr std::uint64_t kLarge = 512 << 10;  // more than it reads ahead
  LogWriter writer(directory.path(), kFirstLsn, kLarge);
  writer.update(700, kFirstLsn);
  LiveLogReader reader(directory.path());
  const Lsn behind = reader.next()->end;
  while (writer.end() < 5 * kLarge) writer.update(700, kFirstLsn);
  remove_segments_below(directory.path(), kFirstLsn + 3 * kLarge);
  const Read read = read_on(reader);
  CHECK(read.lsns.empty());
  CHECK(read.end.kind == LogEnd::Kind::clean);
  CHECK(read.end.lsn >= kFirstLsn + 3 * kLarge);
  CHECK(read.removed_bytes == read.end.lsn - behind);
}

/// Calls `act` once, when the reader has read or is about to open what `when` picks.
class Meanwhile final : public FileObserver {
 public:
  using Pick = std::function<bool(const FileOperation&)>;
  Meanwhile(Pick when, std::function<void()> act) : when_(std::move(when)), act_(std::move(act)) {
    observe_files(this);
  }
  ~Meanwhile() override { observe_files(nullptr); }
  bool has_acted() const { return has_acted_; }

  FileVerdict before(const FileOperation& operation) override {
    if (operation.kind == FileOperation::Kind::open) act(operation);
    return {};
  }
  void after(const FileOperation& operation, std::int64_t) override {
    if (operation.kind == FileOperation::Kind::read) act(operation);
  }

 private:
  void act(const FileOperation& operation) {
    if (has_acted_ || !when_(operation)) return;
    has_acted_ = true;
    act_();
  }

  const Pick when_;
  const std::function<void()> act_;
  bool has_acted_ = false;
};

TEST_CASE("LiveLogReader: what is written between its readings of two places is no damage") {
  const TemporaryDirectory directory;
  LogWriter writer(directory.path(), kFirstLsn, 4 << 20);
  const Lsn first = writer.commit(1, kFirstLsn);
  const Lsn end = writer.end();
  const int looks =
      GENERATE(1, 2);  // the look at the end during which it is written; each ends with reading it again
  CAPTURE(looks);
  LiveLogReader reader(directory.path());
  REQUIRE(reader.next()->lsn == first);
  std::vector<Lsn> lsns;
  int seen = 0;
  // The reader has read the end and much behind it, all of it zeros. What proves that the end was durable lies further on.
  Meanwhile meanwhile(
      [&](const FileOperation& operation) {
        const bool is_of_the_end = operation.offset <= kSegmentHeaderBytes + (end - kFirstLsn) &&
                                   operation.size > kSegmentHeaderBytes;
        return operation.kind == FileOperation::Kind::read &&
               (looks == 1 ? operation.size > kSegmentHeaderBytes : is_of_the_end && ++seen == 2);
      },
      [&] {
        while (writer.end() < end + (512 << 10)) lsns.push_back(writer.update(1000, writer.end()));
      });
  const Read read = read_on(reader);
  CHECK(meanwhile.has_acted());
  CAPTURE(read.end.what);
  CHECK(read.end.kind == LogEnd::Kind::clean);
  CHECK(read.end.lsn == writer.end());
  CHECK(read.lsns == lsns);
}

TEST_CASE("LiveLogReader: segments that come and go while they are listed are no damage") {
  const TemporaryDirectory directory;
  Lsn end = 0;
  {
    LogWriter writer(directory.path());
    for (int i = 0; i < 600; ++i) writer.commit(1, kFirstLsn);
    end = writer.end();
  }  // its helper thread has ended before files are observed
  const auto segment = [&](int n) { return segment_at(directory.path(), kFirstLsn + n * kSegment); };
  const auto opens = [](const std::filesystem::path& path) {
    return [=](const FileOperation& operation) {
      return operation.kind == FileOperation::Kind::open && operation.path == path;
    };
  };
  SECTION("two are removed before they are opened") {
    const auto second = segment(1);
    Meanwhile meanwhile(opens(second),
                        [&] { remove_segments_below(directory.path(), kFirstLsn + 2 * kSegment); });
    const Read read = read_all(directory.path());
    CHECK(meanwhile.has_acted());
    REQUIRE(!read.lsns.empty());
    CHECK(read.lsns.front() >= kFirstLsn + 2 * kSegment);
    CHECK(read.end.lsn == end);
  }
  SECTION("one is not in the first listing") {
    const auto first = segment(0), second = segment(1), hidden = directory / "hidden";
    std::filesystem::rename(second, hidden);
    Meanwhile meanwhile(opens(first), [&] { std::filesystem::rename(hidden, second); });
    const Read read = read_all(directory.path());
    CHECK(meanwhile.has_acted());
    CHECK(read.lsns.size() == 600);
  }
}

/// A log that two threads write at full speed until the end; checkpoints, if wanted, remove all but the newest of it.
class BusyLog {
 public:
  BusyLog(const std::filesystem::path& directory, bool direct, bool checkpoints,
          std::uint64_t segment_bytes = 64 << 10) {
    LogOptions options = file_log(directory, segment_bytes);
    options.direct = direct;
    log_ = std::make_unique<LogManager>(options, "border_collie", small_ring());
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { write(); });
    if (checkpoints) threads_.emplace_back([this] { remove(); });
  }
  ~BusyLog() {
    over_.store(true, std::memory_order_relaxed);  // [over]
    threads_.clear();
  }
  LogManager& log() { return *log_; }

 private:
  void write() {
    const WorkerId worker = log_->attach();
    const std::string value(300, 'v');
    for (TransactionId n = 1; !over_.load(std::memory_order_relaxed); ++n) {  // [over]
      append_transaction(*log_, worker, n, std::string_view(value).substr(0, n % value.size()));
    }
    log_->detach(worker);
  }
  void remove() {
    while (!over_.load(std::memory_order_relaxed)) {  // [over]
      const Lsn durable = log_->durable();
      if (durable > (kFirstLsn + (1 << 20))) log_->remove_below(durable - (1 << 20));
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  std::unique_ptr<LogManager> log_;
  std::atomic<bool> over_{false};  // [over] relaxed: it ends loops and publishes nothing
  std::vector<std::jthread> threads_;
};

constexpr int kReads = kIsSanitized ? 5 : 40;  // each takes a second there

TEST_CASE("LiveLogReader: a log under full load, segments made and removed, never looks damaged or shorter") {
  const bool direct = GENERATE(false, true);
  const std::uint64_t segment_bytes =
      GENERATE(64 << 10, 1 << 20);  // less, and more, than a reader reads at a time
  CAPTURE(direct, segment_bytes);
  const TemporaryDirectory directory;
  BusyLog busy(directory.path(), direct, true, segment_bytes);
  Lsn end = 0, bound = 0;
  std::uint64_t records = 0;
  for (int i = 0; i < kReads; ++i) {
    const Lsn durable = busy.log().durable();
    const Read read = read_all(directory.path());
    CAPTURE(i, read.end.what, end, durable);
    REQUIRE((read.end.kind == LogEnd::Kind::clean || read.end.kind == LogEnd::Kind::torn));
    REQUIRE(read.end.lsn >= end);
    REQUIRE(read.end.lsn >= durable);
    end = read.end.lsn;
    records += read.lsns.size();
    while (busy.log().durable() < bound + (1 << 18)) std::this_thread::yield();
    bound = busy.log().durable();
  }
  CHECK(records > 1000);
}

TEST_CASE("LiveLogReader: damage in the middle of a log under full load is found by every reader") {
  // A log anew each time: a reader of damage looks at all that follows, and nothing is removed here, so that the log may
  // grow faster than it is read.
  const int log = GENERATE(range(0, kReads / 5));
  const TemporaryDirectory directory;
  BusyLog busy(directory.path(), false, false);
  while (busy.log().durable() < kFirstLsn + (1 << 18)) std::this_thread::yield();
  LiveLogReader reader(directory.path());
  Lsn victim = 0;
  while (victim < kFirstLsn + 100'000) victim = reader.next()->lsn;
  spoil(directory.path(), victim);
  while (busy.log().durable() < kFirstLsn + (1 << 19)) std::this_thread::yield();
  for (int i = 0; i < 2; ++i) {
    const Read read = read_all(directory.path());
    CAPTURE(log, i, read.end.what);
    REQUIRE(read.end.kind == LogEnd::Kind::damaged);
    REQUIRE(read.end.lsn == victim);
    REQUIRE_THAT(read.end.what, Contains("damaged at LSN " + std::to_string(victim)));
  }
}

}  // namespace
}  // namespace muster
