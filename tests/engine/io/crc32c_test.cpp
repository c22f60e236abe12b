#include "engine/io/crc32c.h"

#include <string_view>

#include "tests/catch.h"

namespace muster {
namespace {

Bytes bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST_CASE("crc32c: the standard's check values") {
  CHECK(crc32c(bytes("123456789")) == 0xE3069283u);
  CHECK(crc32c({}) == 0);
  CHECK(crc32c(bytes(std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                                      32))) == 0x8A9136AAu);  // RFC 3720, B.4
}

TEST_CASE("crc32c: continued over parts it is that of the whole") {
  CHECK(crc32c(bytes("6789"), crc32c(bytes("12345"))) == crc32c(bytes("123456789")));
}

}  // namespace
}  // namespace muster
