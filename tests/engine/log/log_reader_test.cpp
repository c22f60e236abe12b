#include "engine/log/log_reader.h"

#include <fcntl.h>

#include <map>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/engine/log/log_writing.h"

namespace muster {
namespace {

using Catch::Matchers::Contains;

std::map<std::string, std::string> contents(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::vector<std::byte> bytes(entry.file_size());
    File::open(entry.path(), O_RDONLY).read_at(0, bytes);
    files[entry.path().filename().string()] = as_text(bytes);
  }
  return files;
}

/// Opening it as a log to be written is refused with a message that holds `what`, and changes nothing.
void check_refused(const std::filesystem::path& directory, const std::string& what) {
  const auto before = contents(directory);
  CHECK_THROWS_WITH(LogManager(file_log(directory, kSegment), "border_collie", small_ring()), Contains(what));
  CHECK_THROWS_AS(LogManager(file_log(directory, kSegment), "border_collie", small_ring()), DamageError);
  CHECK(contents(directory) == before);
}

std::string at(Lsn lsn) {
  return "LSN " + std::to_string(lsn);
}

}  // namespace

TEST_CASE("LogReader: records that cross segments are read whole, and the end is clean") {
  TemporaryDirectory directory;
  std::vector<Lsn> lsns;
  {
    LogWriter writer(directory.path());
    for (std::size_t i = 0; i < 100; ++i) lsns.push_back(writer.update(1 + i * 131 % 9000, kFirstLsn));
  }
  const FoundLog found = read_log(directory.path());
  CHECK(found.lsns == lsns);
  CHECK(found.end.kind == LogEnd::Kind::clean);
}

TEST_CASE("LogReader: a directory without a log is an empty log") {
  TemporaryDirectory directory;
  CHECK(read_log(directory.path()).end.kind == LogEnd::Kind::clean);
  CHECK(read_log(directory.path() / "absent").end.lsn == kFirstLsn);
  CHECK_THROWS_AS(LogReader(directory.path(), 8192), DamageError);
}

TEST_CASE("LogReader: it goes back to any record") {
  TemporaryDirectory directory;
  std::vector<Lsn> lsns;
  {
    LogWriter writer(directory.path(), kFirstLsn, 1 << 20);
    for (int i = 0; i < 3000; ++i) lsns.push_back(writer.update(500, kFirstLsn));
  }
  LogReader reader(directory.path(), lsns[10]);
  for (const std::size_t i : {2999, 0, 1500, 1499, 10}) {
    reader.seek(lsns[i]);
    const auto record = reader.next();
    REQUIRE(record);
    CHECK(record->lsn == lsns[i]);
  }
  CHECK_THROWS_AS(reader.seek(Lsn{1} << 40), DamageError);
  CHECK_THROWS_AS(reader.seek(8), DamageError);
}

TEST_CASE("LogReader: with the oldest segments gone it starts at the first whole record") {
  TemporaryDirectory directory;
  std::vector<Lsn> lsns;
  {
    LogWriter writer(directory.path());
    for (int i = 0; i < 20; ++i) lsns.push_back(writer.update(1000, kFirstLsn));
  }
  const Lsn cut = kFirstLsn + 2 * kSegment;
  remove_segments_below(directory.path(), cut);
  LogReader reader(directory.path());
  const auto first = std::lower_bound(lsns.begin(), lsns.end(), cut);
  CHECK(reader.begin() == *first);
  CHECK(read_log(directory.path()).lsns == std::vector<Lsn>(first, lsns.end()));
}

TEST_CASE("LogReader: wrong bytes that were never durable end the log") {
  TemporaryDirectory directory;
  Lsn second = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    second = writer.commit(2, kFirstLsn);
    writer.commit(3, second);  // what was known to be durable ends where the wrong bytes begin
  }
  spoil(directory.path(), second);
  const FoundLog found = read_log(directory.path());
  CHECK(found.committed == std::vector<TransactionId>{1});
  CHECK(found.end.kind == LogEnd::Kind::torn);
  CHECK(found.end.lsn == second);
  CHECK_THAT(found.end.what, Contains(at(second)));
}

TEST_CASE("LogReader: a last record that is cut off ends the log") {
  TemporaryDirectory directory;
  Lsn last = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    last = writer.update(500, kFirstLsn);
  }
  const std::vector<std::byte> zeros(100);
  overwrite(directory.path(), last + 400, zeros);
  const FoundLog found = read_log(directory.path());
  CHECK(found.end.kind == LogEnd::Kind::torn);
  CHECK(found.end.lsn == last);
}

TEST_CASE("LogReader: wrong bytes that a later record knew to be durable are damage, and opening refuses") {
  TemporaryDirectory directory;
  Lsn second = 0;
  Lsn third = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    second = writer.commit(2, kFirstLsn);
    third = writer.commit(3, kFirstLsn);
    for (int i = 0; i < 300; ++i) writer.commit(4, kFirstLsn);
    writer.commit(5, third);  // in another segment
  }
  spoil(directory.path(), second);
  const FoundLog found = read_log(directory.path());
  CHECK(found.end.kind == LogEnd::Kind::damaged);
  CHECK(found.end.lsn == second);
  CHECK_THAT(found.end.what, Contains("damaged at " + at(second)) && Contains("follow at " + at(third)));
  check_refused(directory.path(), at(second));
}

TEST_CASE("LogReader: wrong bytes below a later opening are damage") {
  TemporaryDirectory directory;
  Lsn second = 0;
  Lsn reopened = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    second = writer.commit(2, kFirstLsn);
    reopened = writer.end();
  }
  { LogWriter writer(directory.path(), reopened); }
  spoil(directory.path(), second);
  CHECK(read_log(directory.path()).end.kind == LogEnd::Kind::damaged);
  check_refused(directory.path(), at(second));
}

TEST_CASE("LogReader: a file that was cut is reported, and opening refuses") {
  TemporaryDirectory directory;
  Lsn last = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    last = writer.update(1000, kFirstLsn);
  }
  std::filesystem::resize_file(segment_at(directory.path(), last),
                               kSegmentHeaderBytes + (last - kFirstLsn) + 8);
  const FoundLog found = read_log(directory.path());
  CHECK(found.end.kind == LogEnd::Kind::truncated);
  CHECK(found.end.lsn == last);
  check_refused(directory.path(), at(last));
}

TEST_CASE("LogReader: a file that is no segment of this log is named with its LSN, and opening refuses") {
  TemporaryDirectory directory;
  {
    LogWriter writer(directory.path());
    for (int i = 0; i < 9; ++i) writer.update(1000, kFirstLsn);
  }
  const Lsn second = kFirstLsn + kSegment;
  const auto path = segment_at(directory.path(), second);
  const auto header_byte = [&](std::uint64_t offset) {
    File::open(path, O_RDWR).write_at(offset, as_bytes("\x7f"));
    CHECK_THROWS_AS(LogReader(directory.path()), DamageError);
  };
  SECTION("empty") {
    std::filesystem::resize_file(path, 0);
    check_refused(directory.path(), at(second) + ": " + path.string() + " has 0 bytes");
  }
  SECTION("not a log") {
    header_byte(0);
    check_refused(directory.path(), at(second) + ": " + path.string() + " is no segment");
  }
  SECTION("another version") {
    header_byte(8);
    check_refused(directory.path(), "has format version 127, want 1");
  }
  SECTION("a damaged header") {
    header_byte(20);
    check_refused(directory.path(), "has a damaged header");
  }
  SECTION("another segment's name") {
    std::filesystem::rename(path, directory.path() / "0000000000002008.log");
    check_refused(directory.path(), "holds the log from " + at(second));
  }
  SECTION("a missing one") {
    std::filesystem::remove(path);
    check_refused(directory.path(), at(second) + ": ");
  }
}

TEST_CASE("LogReader: a valid record of the past behind a new and shorter one stays dead") {
  TemporaryDirectory directory;
  Lsn second = 0;
  {
    LogWriter writer(directory.path());
    writer.commit(1, kFirstLsn);
    second = writer.commit(2, kFirstLsn);
    writer.commit(3, kFirstLsn);
  }
  spoil(directory.path(), second);  // a crash lost 2 and kept 3
  {
    LogManager log(file_log(directory.path(), kSegment), "border_collie", small_ring());
    CHECK(log.start() == second);
    const WorkerId worker = log.attach();
    const LogPosition commit = log.append_mark(worker, 4, 0, RecordType::commit);
    CHECK(commit.begin == second);  // ends just where 3 begins
    log.wait_for_commit(worker, commit.end, CommitPolicy::durable);
    log.detach(worker);
  }
  const FoundLog found = read_log(directory.path());
  CHECK(found.committed == std::vector<TransactionId>{1, 4});
  CHECK(found.end.kind == LogEnd::Kind::clean);
}

TEST_CASE("LogReader: a log that is opened again and again goes on where it ended") {
  TemporaryDirectory directory;
  std::vector<TransactionId> expected;
  Lsn end = kFirstLsn;
  for (TransactionId transaction = 1; transaction <= 20; ++transaction) {
    LogManager log(file_log(directory.path(), kSegment), "border_collie", small_ring());
    CHECK(log.start() == end);
    if (transaction % 3 == 0) continue;  // opened and closed only
    const WorkerId worker = log.attach();
    const std::string value(transaction * 300, 'v');
    const LogPosition commit = append_transaction(log, worker, transaction, value);
    log.wait_for_commit(worker, commit.end, CommitPolicy::durable);
    log.detach(worker);
    end = commit.end;
    expected.push_back(transaction);
  }
  const FoundLog found = read_log(directory.path());
  CHECK(found.committed == expected);
  CHECK(found.end.lsn == end);
}

}  // namespace muster
