#pragma once

#include <cstdint>

#include "algorithms/log_buffer.h"

namespace muster {

/// The word that a worker of Border-Collie shows the collie: bit 63 is the colour, the rest an LSN. Algorithms inherit it to read
/// as the paper does.
struct CollieFlag {
  static constexpr std::uint64_t kBlack = std::uint64_t{1} << 63;

  static constexpr std::uint64_t black(Lsn lsn) { return lsn | kBlack; }
  static constexpr std::uint64_t white(Lsn lsn) { return lsn; }
  static constexpr bool is_black(std::uint64_t flag) { return (flag & kBlack) != 0; }
  static constexpr Lsn lsn(std::uint64_t flag) { return flag & ~kBlack; }
};

}  // namespace muster
