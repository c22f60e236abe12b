#include "algorithms/mirrored_memory.h"

#include <cstring>
#include <system_error>

#include "tests/catch.h"

namespace muster {

TEST_CASE("MirroredMemory: what is written across the end is found at the beginning") {
  MirroredMemory memory(8192);
  std::memcpy(memory.at(8190), "abcd", 4);
  CHECK(std::memcmp(memory.at(0), "cd", 2) == 0);
  CHECK(std::memcmp(memory.at(8192), "cd", 2) == 0);
  CHECK(memory.capacity() == 8192);
}

TEST_CASE("MirroredMemory: a ring that the machine cannot give is an error of the machine") {
  CHECK_THROWS_AS(MirroredMemory(std::size_t{1} << 62), std::system_error);
}

}  // namespace muster
