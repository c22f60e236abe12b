#pragma once

#include <cstdint>

namespace muster {

enum class LockMode : std::uint8_t {
  shared,
  exclusive,
  add,  ///< compatible with itself only: for what may go in beside others of its kind, a number into a counter, a key into a gap
};

}  // namespace muster
