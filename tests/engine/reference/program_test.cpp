#include <sstream>

#include "engine/index/table.h"
#include "tests/catch.h"
#include "tests/engine/reference/program.h"
#include "tests/engine/reference/reference.h"

namespace muster::reference {
namespace {

TEST_CASE("Program: what is printed is parsed to the same program, whatever bytes its keys are of") {
  const Program program = make_program(TableKind::lsm, 7, 2000, 100);
  std::stringstream text;
  print(text, program);
  const Program parsed = parse(text);
  REQUIRE(parsed.operations.size() == program.operations.size());
  std::ostringstream again;
  print(again, parsed);
  CHECK(again.str() == text.str());
  CHECK(parsed.setting.lsm.block_cache_bytes == program.setting.lsm.block_cache_bytes);
}

TEST_CASE("Program: keys and values of all lengths come, too long ones, too") {
  const Program program = make_program(TableKind::btree, 1, 1, 300);
  std::size_t longest_key = 0, longest_value = 0, empty = 0, full = 0;
  for (const std::string& key : program.keys) longest_key = std::max(longest_key, key.size());
  for (std::uint32_t number = 0; number < 1000; ++number) {
    const std::size_t size = value_of(number).size();
    longest_value = std::max(longest_value, size);
    empty += size == 0;
    full += size == Table::kMaxValueBytes;
  }
  CHECK(longest_key == Table::kMaxKeyBytes + 1);
  CHECK(longest_value == Table::kMaxValueBytes + 1);
  CHECK(empty > 0);
  CHECK(full > 0);
}

TEST_CASE("Program: text that is none is refused") {
  for (const char* const text :
       {"", "setting", "setting btree snapshot leveled lz4 0 0 leap 00",
        "setting btree snapshot leveled lz4 0 0 insert 00", "setting tree snapshot leveled lz4 0 0"}) {
    CAPTURE(text);
    std::istringstream from(text);
    CHECK_THROWS_AS(parse(from), std::invalid_argument);
  }
}

TEST_CASE("MapReference: after a kill it goes to the newest state that the table may have, and to no other") {
  MapReference map;
  map.put("a", "1");
  map.commit(true);
  map.put("b", "2");
  map.commit(false);
  map.put("a", "3");
  map.commit(false);
  map.put("lost", "");
  const Rows all{{"a", "3"}, {"b", "2"}}, without_last{{"a", "1"}, {"b", "2"}}, durable{{"a", "1"}};
  for (const auto& [found, undone] : {std::pair(all, 0U), {without_last, 1U}, {durable, 2U}}) {
    MapReference killed = map;
    CHECK(killed.recover(found) == undone);
    CHECK(killed.scan("", 0) == found);
    CHECK(!killed.recover({}));  // an opening has made it durable
  }
  for (const Rows& wrong : {Rows{}, Rows{{"a", "3"}}, Rows{{"a", "3"}, {"b", "2"}, {"lost", ""}}}) {
    MapReference killed = map;
    CHECK(!killed.recover(wrong));
  }
}

}  // namespace
}  // namespace muster::reference
