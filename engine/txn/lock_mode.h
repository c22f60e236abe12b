#pragma once

#include <cstdint>

namespace muster {

enum class LockMode : std::uint8_t {
  shared,
  exclusive,
  add,  ///< compatible with itself only: several transactions may add numbers to one counter, or keys to one gap
};

}  // namespace muster
