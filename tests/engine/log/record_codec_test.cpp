#include "engine/log/record_codec.h"

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/engine/log/log_testing.h"

namespace muster {
namespace {

constexpr std::uint64_t kIncarnation = 0x1234567890abcdef;
constexpr Lsn kLsn = 8192;

std::vector<std::byte> placed(RecordEncoder& encoder, Lsn lsn = kLsn, Lsn previous = 4096) {
  std::vector<std::byte> bytes(encoder.size());
  encoder.place(kIncarnation, lsn, previous, bytes);
  return bytes;
}

}  // namespace

TEST_CASE("Record: an update comes back as it was, whatever its sizes") {
  RecordEncoder encoder;
  for (const std::size_t size : {0, 1, 7, 8, 100, 3000}) {
    const std::string before(size, 'b');
    const std::string after(size + 3, 'a');
    encoder.change(RecordType::update, 77, 5000, 0, update_of("key", before, after));
    const auto bytes = placed(encoder);
    CHECK(bytes.size() % kRecordAlignment == 0);
    const auto record = decode_record(kIncarnation, kLsn, bytes);
    REQUIRE(record);
    CHECK(record->lsn == kLsn);
    CHECK(record->end == kLsn + bytes.size());
    CHECK(record->type == RecordType::update);
    CHECK(record->transaction == 77);
    CHECK(record->previous == 4096);
    CHECK(record->durable == 5000);
    const RecordChange change = change_of(*record);
    CHECK(change.table == 3);
    CHECK(change.page == 17);
    CHECK(change.kind == ChangeKind::update);
    CHECK(as_text(change.key) == "key");
    CHECK(as_text(change.before) == before);
    CHECK(as_text(change.after) == after);
    CHECK_THROWS_AS(undo_next_of(*record), std::invalid_argument);
    CHECK_THROWS_AS(pages_of(*record), std::invalid_argument);
  }
}

TEST_CASE("Record: a compensation carries where undo goes on") {
  RecordEncoder encoder;
  const RecordChange change{1, 2, ChangeKind::remove, as_bytes("k"), as_bytes("old"), {}};
  encoder.change(RecordType::compensation, 5, 0, 4444, change);
  const auto bytes = placed(encoder);
  const auto record = decode_record(kIncarnation, kLsn, bytes);
  REQUIRE(record);
  CHECK(undo_next_of(*record) == 4444);
  CHECK(change_of(*record).kind == ChangeKind::remove);
  CHECK(as_text(change_of(*record).before) == "old");
  CHECK(change_of(*record).after.empty());
}

TEST_CASE("Record: a structure change carries every page") {
  RecordEncoder encoder;
  const std::string large(4096, 'p');
  const std::vector<PageImage> pages{{1, 2, as_bytes("left")}, {1, 9, as_bytes(large)}, {4, 0, {}}};
  encoder.structure(pages, 0);
  const auto bytes = placed(encoder, kLsn, 0);
  const auto record = decode_record(kIncarnation, kLsn, bytes);
  REQUIRE(record);
  CHECK(record->transaction == 0);
  const auto found = pages_of(*record);
  REQUIRE(found.size() == 3);
  CHECK(as_text(found[0].bytes) == "left");
  CHECK(as_text(found[1].bytes) == large);
  CHECK(found[1].page == 9);
  CHECK(found[2].table == 4);
  CHECK(found[2].bytes.empty());
}

TEST_CASE("Record: a reclaim names the slots that leave a page, and belongs to no transaction") {
  RecordEncoder encoder;
  for (const std::vector<std::uint16_t>& slots :
       {std::vector<std::uint16_t>{}, {3}, {0, 1, 506}, std::vector<std::uint16_t>(507, 1)}) {
    encoder.reclaim({.table = 4, .page = 9, .slots = slots}, 4096);
    const auto bytes = placed(encoder, kLsn, 0);
    const auto record = decode_record(kIncarnation, kLsn, bytes);
    REQUIRE(record);
    CHECK(record->transaction == 0);
    const Reclaim reclaim = reclaim_of(*record);
    CHECK(reclaim.table == 4);
    CHECK(reclaim.page == 9);
    CHECK(reclaim.slots == slots);
    CHECK_THROWS_AS(change_of(*record), std::invalid_argument);
    LogRecord cut = *record;
    cut.payload = cut.payload.first(std::min<std::size_t>(cut.payload.size() - 1, 16 + 2 * slots.size() - 1));
    CHECK_THROWS_AS(reclaim_of(cut), DamageError);
  }
}

TEST_CASE("Record: a begin that is made a skipped record is whole, and nothing else in it has changed") {
  RecordEncoder encoder;
  encoder.mark(RecordType::begin, 77, 5000);
  auto bytes = placed(encoder, kLsn, 0);
  retype(std::span<std::byte, kRecordHeaderBytes>(bytes), kIncarnation, kLsn, RecordType::skipped);
  const auto record = decode_record(kIncarnation, kLsn, bytes);
  REQUIRE(record);
  CHECK(record->type == RecordType::skipped);
  CHECK(record->transaction == 77);
  CHECK(record->previous == 0);
  CHECK(record->durable == 5000);
  CHECK(to_string(*record).find("skipped") != std::string::npos);
}

TEST_CASE("Record: marks have a type and nothing else") {
  RecordEncoder encoder;
  for (const auto type : {RecordType::commit, RecordType::abort, RecordType::end}) {
    encoder.mark(type, 9, 4096);
    const auto bytes = placed(encoder);
    CHECK(bytes.size() == kRecordHeaderBytes);
    const auto record = decode_record(kIncarnation, kLsn, bytes);
    REQUIRE(record);
    CHECK(record->type == type);
    CHECK_THROWS_AS(change_of(*record), std::invalid_argument);
  }
}

TEST_CASE("Record: begin and the first change are two records, the second behind the first") {
  RecordEncoder encoder;
  encoder.begin_and_change(6, 4096, update_of("k", "b", "a"));
  const auto bytes = placed(encoder, kLsn, 0);
  const auto begin = decode_record(kIncarnation, kLsn, bytes);
  REQUIRE(begin);
  CHECK(begin->type == RecordType::begin);
  CHECK(begin->previous == 0);
  CHECK(begin->end == kLsn + kRecordHeaderBytes);
  const auto change = decode_record(kIncarnation, begin->end, Bytes(bytes).subspan(kRecordHeaderBytes));
  REQUIRE(change);
  CHECK(change->previous == kLsn);
  CHECK(change->transaction == 6);
  CHECK(change->end == kLsn + bytes.size());
}

TEST_CASE("Record: one flipped bit anywhere, another place or another incarnation makes it none") {
  RecordEncoder encoder;
  encoder.change(RecordType::update, 77, 5000, 0, update_of("key", "before", "after"));
  auto bytes = placed(encoder);
  REQUIRE(decode_record(kIncarnation, kLsn, bytes));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    const auto mask = static_cast<std::byte>(1u << (bit % 8));
    bytes[bit / 8] ^= mask;
    CHECK_FALSE(decode_record(kIncarnation, kLsn, bytes));
    bytes[bit / 8] ^= mask;
  }
  CHECK_FALSE(decode_record(kIncarnation + 1, kLsn, bytes));
  for (Lsn lsn = kLsn + 8; lsn < kLsn + 80000; lsn += 8) CHECK_FALSE(decode_record(kIncarnation, lsn, bytes));
  CHECK_FALSE(decode_record(kIncarnation, kLsn, Bytes(bytes).first(bytes.size() - 1)));
}

TEST_CASE("Record: what does not fit is refused, and leaves the encoder usable") {
  RecordEncoder encoder;
  const std::string huge(70000, 'x');
  CHECK_THROWS_AS(encoder.change(RecordType::update, 1, 0, 0, update_of("k", "b", huge)),
                  std::invalid_argument);
  const std::string larger(kRecordBytesMax, 'x');
  const std::vector<PageImage> pages{{1, 1, as_bytes(larger)}};
  CHECK_THROWS_AS(encoder.structure(pages, 0), std::invalid_argument);
  encoder.mark(RecordType::commit, 1, 0);
  CHECK(decode_record(kIncarnation, kLsn, placed(encoder)));
}

TEST_CASE("Record: a line for people names what matters") {
  RecordEncoder encoder;
  encoder.change(RecordType::compensation, 77, 5000, 4444, update_of("key", "before", "after"));
  const auto bytes = placed(encoder);
  CHECK(to_string(*decode_record(kIncarnation, kLsn, bytes)) ==
        "8192 compensation 80 bytes transaction 77 previous 4096 undo-next 4444 update table 3 page 17 key "
        "6b6579 before 6 after 5 bytes");
  encoder.reclaim({.table = 3, .page = 17, .slots = {2, 5}}, 5000);
  const auto reclaim = placed(encoder, kLsn, 0);
  CHECK(to_string(*decode_record(kIncarnation, kLsn, reclaim)) ==
        "8192 reclaim 56 bytes transaction 0 previous 0 table 3 page 17 ghosts at 2 5");
}

}  // namespace muster
