#pragma once

#include <cstdint>
#include <memory>

#include "engine/database.h"
#include "workloads/workload.h"

namespace muster {

/// Of Cooper et al., SoCC'10: what share of the operations only reads, updates, or reads and then updates.
enum class YcsbMix : std::uint8_t {
  a,  ///< half reads, half updates
  b,  ///< 95% reads, 5% updates
  c,  ///< reads only
  f,  ///< half reads, half read-modify-writes
};

enum class KeyDistribution : std::uint8_t { uniform, zipf };

struct YcsbOptions {
  YcsbMix mix = YcsbMix::a;
  std::uint64_t records = 100'000;
  std::uint32_t value_bytes = 100;
  std::uint32_t operations = 1;  ///< a transaction
  KeyDistribution distribution = KeyDistribution::uniform;
  double theta = 0.99;  ///< of zipf: the k-th hottest key is drawn with a probability like 1 / k^theta
};

}  // namespace muster
