#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "workloads/random.h"
#include "workloads/ycsb.h"
#include "workloads/zipf.h"

namespace muster {

struct YcsbOperation {
  enum class Kind : std::uint8_t { read, update, read_modify_write };
  Kind kind = Kind::read;
  std::uint64_t key = 0;
};

/// One worker's stream of operations; the seed and the stream's number repeat it.
class YcsbOperations {
 public:
  YcsbOperations(const YcsbOptions& options, std::uint64_t seed, std::uint64_t stream);

  /// Replaces `into` by the next transaction's operations.
  void next(std::vector<YcsbOperation>& into);

 private:
  YcsbOperation draw();

  const YcsbOptions options_;
  Random random_;
  std::optional<Zipf> zipf_;  // none: uniform
  Scatter scatter_;
};

}  // namespace muster
