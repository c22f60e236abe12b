#include "algorithms/parts/mirrored_memory.h"

#include <unistd.h>

#include <cstring>
#include <stdexcept>
#include <string>
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

TEST_CASE("MirroredMemory: a ring smaller than a page is refused in one line") {
  CHECK_THROWS_WITH(MirroredMemory(2048), "capacity = 2048: want " + std::to_string(::sysconf(_SC_PAGESIZE)) +
                                              " at least, this machine's page");
}

}  // namespace muster
