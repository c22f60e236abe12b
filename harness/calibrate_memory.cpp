#include <fmt/format.h>
#include <numa.h>
#include <numaif.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

#include "harness/calibration.h"
#include "harness/calibration_threads.h"

namespace muster {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kBytesMin = 4 * kMiB;  // of one thread
constexpr std::size_t kBytesMax = 256 * kMiB;
constexpr std::size_t kChunk = kMiB;  // copied between two looks at the clock
constexpr std::size_t kWindows = 5;

/// Memory of one node, touched.
class NodeMemory {
 public:
  NodeMemory(unsigned node, std::size_t size) : size_(size) {
    bytes_ = static_cast<std::byte*>(
        ::numa_available() < 0 ? ::numa_alloc(size) : ::numa_alloc_onnode(size, static_cast<int>(node)));
    if (bytes_ == nullptr) throw std::bad_alloc();
    std::memset(bytes_, 1, size_);
  }
  NodeMemory(NodeMemory&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(other.size_) {}
  NodeMemory& operator=(NodeMemory&&) = delete;
  ~NodeMemory() {
    if (bytes_ != nullptr) ::numa_free(bytes_, size_);
  }

  std::byte* data() const { return bytes_; }
  /// Of the first and the last page: the kernel may have had no more on the node. -1: it does not say.
  int node_of(std::size_t offset) const {
    int found = -1;
    return ::get_mempolicy(&found, nullptr, 0, bytes_ + offset, MPOL_F_NODE | MPOL_F_ADDR) == 0 ? found : -1;
  }

 private:
  std::byte* bytes_ = nullptr;
  std::size_t size_;
};

void want_on_node(const NodeMemory& memory, std::size_t size, unsigned node) {
  for (const std::size_t offset : {std::size_t{0}, size - 1}) {
    const int found = memory.node_of(offset);
    if (found >= 0 && static_cast<unsigned>(found) != node) {
      throw std::runtime_error(
          fmt::format("node {}: memory asked for there is on node {}; want more that is free on it (numactl "
                      "--hardware says)",
                      node, found));
    }
  }
}

}  // namespace

std::size_t copied_bytes(const Topology& topology, std::size_t node, std::size_t threads) {
  // Beyond the last caches, of all threads together; and both buffers of all of them an eighth of the node at most.
  const std::size_t wanted = std::max<std::size_t>(4 * topology.caches().l3_bytes, 64 * kMiB) / threads;
  const std::size_t most = topology.nodes()[node].memory_bytes / 16 / threads;
  return std::clamp(std::min(wanted, most), kBytesMin, kBytesMax) / kChunk * kChunk;
}

Spread copied_bytes_per_s(const Topology& topology, const std::vector<unsigned>& units, std::size_t node,
                          double seconds) {
  const unsigned number = topology.nodes()[node].number;
  const std::size_t size = copied_bytes(topology, node, units.size());
  struct Buffers {
    NodeMemory from, to;
  };
  std::vector<std::unique_ptr<Buffers>> buffers(units.size());
  on_units(topology, units, [&](std::size_t thread) {
    buffers[thread] = std::make_unique<Buffers>(NodeMemory(number, size), NodeMemory(number, size));
    want_on_node(buffers[thread]->from, size, number);
    want_on_node(buffers[thread]->to, size, number);
  });
  std::vector<std::vector<double>> rates(units.size(), std::vector<double>(kWindows));
  on_units(topology, units, [&](std::size_t thread) {
    std::size_t offset = 0;
    for (double& rate : rates[thread]) {
      const auto begin = CalibrationClock::now();
      std::size_t bytes = 0;
      double ns = 0;
      do {
        std::memcpy(buffers[thread]->to.data() + offset, buffers[thread]->from.data() + offset, kChunk);
        offset = (offset + kChunk) % size;
        bytes += kChunk;
        ns = ns_since(begin);
      } while (ns < seconds * 1e9 / kWindows);
      rate = static_cast<double>(bytes) / ns * 1e9;
    }
  });
  std::vector<double> together(kWindows);
  for (const std::vector<double>& of_thread : rates) {
    for (std::size_t window = 0; window < kWindows; ++window) together[window] += of_thread[window];
  }
  return spread(together);
}

}  // namespace muster
