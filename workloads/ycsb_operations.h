#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "workloads/random.h"
#include "workloads/ycsb.h"
#include "workloads/zipf.h"

namespace muster {

struct YcsbOperation {
  enum class Kind : std::uint8_t { read, scan, update, read_modify_write, increment, insert };
  Kind kind = Kind::read;
  std::uint64_t key = 0;      ///< its number
  std::uint32_t records = 1;  ///< that a scan reads from the key on, if the table has so many

  bool writes() const { return kind != Kind::read && kind != Kind::scan; }
  bool operator==(const YcsbOperation&) const = default;
};

/// Numbers of the records that a stream inserts, in order; below the first stream's are those that are loaded.
constexpr std::uint64_t ycsb_insertion(std::uint64_t stream, std::uint64_t index) {
  return (stream << 40) + index;
}

/// One worker's stream of operations; the seed and the stream's number, from 1, repeat it.
class YcsbOperations {
 public:
  /// The stream is of worker `worker` of `workers`, from 0: partitioned keys are divided among them. The first options.readers
  /// workers only read.
  YcsbOperations(const YcsbOptions& options, std::uint64_t seed, std::uint64_t stream,
                 std::uint32_t worker = 0, std::uint32_t workers = 1);

  /// Replaces `into` by the next transaction's operations.
  void next(std::vector<YcsbOperation>& into);

 private:
  YcsbOperation draw();
  std::uint64_t draw_key();

  /// Keys [begin, begin + count).
  struct Range {
    std::uint64_t begin;
    std::uint64_t count;
  };
  static Range range_of(const YcsbOptions& options, std::uint32_t worker, std::uint32_t workers);
  struct Mix {
    double reads;  // share
    YcsbOperation::Kind otherwise;
  };
  static YcsbOptions options_of(const YcsbOptions& options, std::uint32_t worker);
  static Mix mix_of(const YcsbOptions& options);

  const YcsbOptions options_;
  const Mix mix_;
  const Range range_;  // that keys are drawn from
  Random random_;
  std::optional<Zipf> zipf_;  // none: uniform over range_
  Scatter scatter_;
  std::uint64_t next_insertion_;
};

}  // namespace muster
