#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "workloads/history/versions.h"

namespace muster::history {

/// Which order counts beside the order of versions.
enum class Order : std::uint8_t {
  none,
  session,   ///< each process runs its transactions one after the other
  realtime,  ///< a transaction that completed before another was invoked comes first
};

/// Why a transaction comes before another one, after Adya.
enum class Because : std::uint8_t {
  ww,  ///< it wrote the version before
  wr,  ///< it wrote the version that the other read
  rw,  ///< it read a version that the other overwrote
  session,
  realtime,
  through,  ///< from a point in time on; the edge to that point gives the reason
};

/// An edge of the graph, to its target.
class Edge {
 public:
  Edge() = default;
  Edge(std::uint32_t to, Because because, OperationIndex operation)
      : to_(to), reason_(operation << 3 | static_cast<std::uint32_t>(because)) {}
  std::uint32_t to() const { return to_; }
  Because because() const { return static_cast<Because>(reason_ & 7); }
  /// ww: the target's write; wr: the target's read; rw: the source's read; else 0.
  OperationIndex operation() const { return reason_ >> 3; }

 private:
  std::uint32_t to_ = 0;
  std::uint32_t reason_ = 0;
};

/// A directed graph whose edges lie together by their source.
struct Graph {
  std::uint32_t transactions = 0;    ///< nodes below this number are transactions, the others points in time
  std::vector<std::uint32_t> begin;  ///< of each node's edges, and the end
  std::vector<Edge> edges;

  std::uint32_t nodes() const { return static_cast<std::uint32_t>(begin.size()) - 1; }
  std::span<const Edge> of(std::uint32_t node) const {
    return std::span(edges).subspan(begin[node], begin[node + 1] - begin[node]);
  }
};

/// The dependencies of transactions that committed or whose outcome is unknown. There are about as many as operations.
///
/// A version may have many readers and many writes that may come next. Then only the first kMany readers have edges to all of
/// these writes, and the other readers to the first kMany writes. Each edge is right, and their number does not grow as the
/// square. In real time a transaction leads to a point in time, and each point to the next one and to the transactions that
/// were invoked right after it.
Graph dependencies(const Versions& versions, Order order);

}  // namespace muster::history
